"""by_hand: run torch's own code, another's model included, on our formulas."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.overrides import TorchFunctionMode, resolve_name

from manualgrad.formula import CloneFunction, Formula, FormulaError, call, values_are_visible
from manualgrad.formulas.indexing import GetitemFunction, SetitemFunction
from manualgrad.spellings import COMPOSITIONS, IN_PLACE, TWINS, torch_names

_is_compiling = torch.compiler.is_compiling
# The hooks that save tensors for the backward pass now, if there are any; a private name of torch.
_top_hooks: Callable[[bool], Any] = getattr(torch._C._autograd, "_top_saved_tensors_default_hooks", lambda _: None)

# What torch hands out that it differentiated already, on our formulas; its own graph is how it does that twice.
_GRADIENTS = frozenset((torch.autograd.grad, getattr(Tensor, "grad").__get__))  # noqa: B009


class by_hand(TorchFunctionMode):
    """Inside the block, every differentiable function of torch is computed by our formula, through torch's autograd.

    Functions are looked up in `manualgrad.spellings.TWINS`. What works in place (`x += y`, `x[0] = y`) computes by the
    formula, on a copy, and copies the result over x. What `torch.utils.checkpoint` computes again is computed by hand
    again, wherever that is. Raises FormulaError, naming the function, where torch would have differentiated something
    by itself. (A `Tape` does the same without torch's autograd.)

    >>> import torch
    >>> x = torch.tensor([2.0], requires_grad=True)
    >>> with by_hand():
    ...     y = torch.sigmoid(x)
    >>> y.grad_fn.name()
    'SigmoidFunctionBackward'
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        keywords = kwargs or {}
        if not _is_compiling() and (hooks := _top_hooks(False)) is not None:
            _recompute_by_hand(hooks[0])
        if func is Tensor.__getitem__ and _is_plain(args[0]):
            return func(*args)  # nothing to differentiate, but a view that can be written into
        twin = TWINS.get(func)
        if twin is not None and keywords.get("out") is None:
            if twin in COMPOSITIONS:
                with self:
                    return twin(*args, **torch_names(keywords))
            return twin(*args, **torch_names(keywords)) if keywords else twin(*args)
        if func in IN_PLACE and torch.is_grad_enabled() and any(map(_has_gradient, (*args, *keywords.values()))):
            return _overwrite(func, args[0], args[1:], keywords)
        before = args[0].grad_fn if args and isinstance(args[0], Tensor) else None
        result = func(*args, **keywords)
        if func not in _GRADIENTS and any(_made_by_torch(r, before) for r in _tensors(result)):
            raise FormulaError(f"{resolve_name(func) or func}: there is no formula for this function of torch")
        return result


def _overwrite(func: Callable[..., Any], x: Tensor, rest: tuple[Any, ...], keywords: dict[str, Any]) -> Tensor | None:
    """`x.f_(...)`: the values of x, by our formula, written over x."""
    name = resolve_name(func)
    value = IN_PLACE[func](call(CloneFunction, x, torch.preserve_format), *rest, **torch_names(keywords))
    if not torch.can_cast(value.dtype, x.dtype):
        raise RuntimeError(f"{name}: a result of {value.dtype} cannot be written over {x.dtype}")
    try:
        x.copy_(value)
    except RuntimeError:
        if x.grad_fn is None or not x._is_view():
            raise
        return _overwrite_in_whole(name, x, value)  # torch lets nobody write into what a Function made a view
    return None if func is Tensor.__setitem__ else x


def _overwrite_in_whole(name: str, view: Tensor, value: Tensor) -> Tensor:
    """`whole[index] = value`, and the view `whole[index]` of what it is then; as `whole[index] += y` asks for."""
    whole: Any = view._base
    node: Any = view.grad_fn
    is_part = whole is not None and getattr(node, "_forward_cls", None) is GetitemFunction
    if not is_part or node.next_functions[0][0] is not whole.grad_fn:
        raise FormulaError(
            f"{name}: by hand, a view cannot be changed in place; write into the whole, as in `x[0] = x[0] + y`"
        )
    whole.copy_(call(SetitemFunction, call(CloneFunction, whole, torch.preserve_format), value, node.index))
    part: Tensor = call(GetitemFunction, whole, node.index)
    return part


def _recompute_by_hand(pack: Callable[..., Any]) -> None:
    """If `pack`, which saves tensors for the backward pass, is that of a checkpoint: have it compute again by hand.

    torch computes a checkpoint again with the state that it knows of, which modes like ours do not belong to.
    """
    if pack.__qualname__ != "_checkpoint_hook.__init__.<locals>.pack_hook":
        return
    frame = inspect.getclosurevars(pack).nonlocals["frame"]
    if not isinstance(frame.recompute_fn, _ByHandAgain):
        frame.recompute_fn = _ByHandAgain(frame.recompute_fn)


class _ByHandAgain(NamedTuple):
    recompute: Callable[..., Any]

    def __call__(self, *args: Any) -> None:
        with by_hand():
            self.recompute(*args)


def _is_plain(x: Tensor) -> bool:
    """Whether `x` has no gradient in any of the ways that torch has."""
    return not x.requires_grad and values_are_visible() and forward_ad._current_level < 0


def _has_gradient(value: Any) -> bool:
    return isinstance(value, Tensor) and value.requires_grad


def _tensors(result: Any) -> list[Tensor]:
    """The tensors in what a function of torch returns: one, or a tuple or list of some."""
    return [r for r in (result if isinstance(result, (tuple, list)) else (result,)) if isinstance(r, Tensor)]


def _made_by_torch(result: Tensor, before: Any) -> bool:
    """Whether torch's autograd will differentiate what gave this result; `before` is the node of the tensor given."""
    if result.grad_fn is None or result.grad_fn is before:
        return False
    return not issubclass(getattr(result.grad_fn, "_forward_cls", object), Formula)
