"""by_hand: run torch's own code, another's model included, on our formulas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode, resolve_name

from manualgrad.formula import CloneFunction, Formula, FormulaError, call
from manualgrad.spellings import IN_PLACE, TWINS, torch_names

# What torch hands out that it differentiated already, on our formulas; its own graph is how it does that twice.
_GRADIENTS = frozenset((torch.autograd.grad, getattr(Tensor, "grad").__get__))  # noqa: B009


class by_hand(TorchFunctionMode):
    """Inside the block, every differentiable function of torch is computed by our formula, through torch's autograd.

    Functions are looked up in `manualgrad.spellings.TWINS`. What works in place (`x += y`, `x[0] = y`) computes by the
    formula, on a copy, and copies the result over x. Raises FormulaError, naming the function, where torch would have
    differentiated something by itself. (A `Tape` does the same without torch's autograd.)

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
        twin = TWINS.get(func)
        if twin is not None and keywords.get("out") is None:
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
        raise FormulaError(
            f"{name}: by hand, a view cannot be changed in place; write into the whole, as in `x[0] = x[0] + y`"
        ) from None
    return None if func is Tensor.__setitem__ else x


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
