"""by_hand: run torch's own code, another's model included, on our formulas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode, resolve_name

from manualgrad.formula import Formula, FormulaError
from manualgrad.spellings import TWINS, torch_names


class by_hand(TorchFunctionMode):
    """Inside the block, every differentiable function of torch is computed by our formula, through torch's autograd.

    Functions are looked up in `manualgrad.spellings.TWINS`. Raises FormulaError, naming the function, where torch
    would have differentiated something by itself. (A `Tape` does the same without torch's autograd.)

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
        twin = TWINS.get(func)
        if twin is not None:
            return twin(*args, **torch_names(kwargs)) if kwargs else twin(*args)
        result = func(*args, **(kwargs or {}))
        if _made_by_torch(result) and all(result is not a for a in args):
            raise FormulaError(f"{resolve_name(func) or func}: there is no formula for this function of torch")
        return result


def _made_by_torch(result: Any) -> bool:
    """Whether torch's autograd will differentiate what gave this result."""
    if not isinstance(result, Tensor) or result.grad_fn is None:
        return False
    return not issubclass(getattr(result.grad_fn, "_forward_cls", object), Formula)
