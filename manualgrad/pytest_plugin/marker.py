"""The marker `gradcheck`: which tests it makes of one, and on which inputs each of them runs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    from torch import Tensor

OPTIONS: dict[str, tuple[Any, ...]] = {
    "dtype": ("float64", "float32", "bfloat16", "float16"),
    "contiguous": (True, False),
    "broadcast": (False, True),
    "requires_grad": ("all", "each", "subsets"),
    "seed": (),
}


@dataclass(frozen=True)
class Case:
    """What the marker says about one test. `shapes` holds None for an input as it is."""

    given: tuple[Any, ...]
    dtype: str = "float64"
    contiguous: bool = True
    shapes: tuple[tuple[int, ...] | None, ...] = ()  # of the floating-point inputs, where they broadcast
    wanted: tuple[int, ...] = ()  # the inputs that ask for a gradient; none named means all
    seed: int = 0

    def inputs(self) -> tuple[Any, ...]:
        """The tensors, drawn anew; what is neither a shape nor a floating-point tensor is handed over as it is."""
        import torch

        generator = torch.Generator().manual_seed(self.seed)
        made = []
        for k, value in enumerate(self.given):
            if _is_shape(value):
                value = torch.randn(tuple(value), generator=generator, dtype=torch.float64)
            if _is_floating(value):
                value = self._laid_out(value.detach(), self.shapes[k] if self.shapes else None)
                value.requires_grad_(not self.wanted or k in self.wanted)
            made.append(value)
        return tuple(made)

    def _laid_out(self, value: Tensor, shape: tuple[int, ...] | None) -> Tensor:
        import torch

        if shape is not None:
            value = value[(0,) * (value.dim() - len(shape))]
            value = value[tuple(slice(n) for n in shape)]
        value = value.to(getattr(torch, self.dtype), copy=True, memory_format=torch.contiguous_format)
        return value if self.contiguous else torch.stack((value, value), -1)[..., 0]


def cases(test: str, marker: pytest.Mark) -> Iterator[tuple[str, Case]]:
    """The tests that a marker asks for: what makes each different, and its case."""
    given = marker.args
    _check_inputs(test, given)
    chosen = {name: _choices(test, name, value) for name, value in marker.kwargs.items()}
    axes = {name: chosen.get(name, values[:1] or (0,)) for name, values in OPTIONS.items()}
    layouts = _broadcasts(test, given) if True in axes["broadcast"] else [("", ())]
    subsets = dict.fromkeys(subset for how in axes["requires_grad"] for subset in _subsets(given, how))
    for dtype, contiguous, (layout, shapes), (asking, wanted), seed in itertools.product(
        axes["dtype"], axes["contiguous"], layouts, subsets, axes["seed"]
    ):
        words = (dtype, "contiguous" if contiguous else "strided", layout, asking, f"seed{seed}")
        name = "-".join(word for word, option in zip(words, OPTIONS, strict=True) if option in chosen and word)
        yield name, Case(given, dtype, contiguous, shapes, wanted, seed)


def _check_inputs(test: str, given: Sequence[Any]) -> None:
    if not given:
        mistaken(test, "gradcheck needs the shape of each input: @pytest.mark.gradcheck((5, 3), (4, 3))")
    for value in given:
        if type(value) in (int, str):
            hint = f"({value},)" if type(value) is int else f"dtype={value!r}"
            mistaken(test, f"gradcheck takes a shape or a tensor for each input, got {value!r}; did you mean {hint}?")
        if _is_shape(value) and min(value, default=0) < 0:
            mistaken(test, f"gradcheck: no dimension of a shape is negative, got {value!r}")
    if not any(_is_shape(v) or _is_floating(v) for v in given):
        mistaken(test, "gradcheck: none of the inputs is a shape or a floating-point tensor")


def _choices(test: str, name: str, value: Any) -> tuple[Any, ...]:
    """The values of an option: one, or a list of them."""
    from manualgrad.arguments import nearest

    if name not in OPTIONS:
        mistaken(test, f"gradcheck takes no argument {name}{nearest(name, OPTIONS)} ({', '.join(OPTIONS)})")
    values = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    if not values:
        mistaken(test, f"gradcheck: {name} takes one value or several, got none")
    if name == "seed":
        for v in values:
            if type(v) is not int:
                mistaken(test, f"gradcheck: seed takes a whole number, got {v!r}")
        return values
    allowed = {str(choice): choice for choice in OPTIONS[name]}
    for v in values:
        word = str(v).removeprefix("torch.")
        if word not in allowed:
            mistaken(test, f"gradcheck: there is no {name} {word}{nearest(word, allowed)} ({', '.join(allowed)})")
    return tuple(allowed[str(v).removeprefix("torch.")] for v in values)


def _broadcasts(test: str, given: Sequence[Any]) -> list[tuple[str, tuple[tuple[int, ...] | None, ...]]]:
    """Shapes as given, then each input in turn with one dimension of 1, and without its first dimension."""
    shapes = [tuple(v) if _is_shape(v) else tuple(v.shape) if _is_floating(v) else None for v in given]
    tensors = [s for s in shapes if s is not None]
    together = itertools.zip_longest(*(s[::-1] for s in tensors), fillvalue=1)
    if len(tensors) < 2 or any(len(set(sizes) - {1}) > 1 for sizes in together):
        shown = ", ".join(map(str, tensors))
        mistaken(test, f"gradcheck: broadcast=True takes two inputs or more that broadcast together, got {shown}")
    found: list[tuple[str, tuple[tuple[int, ...] | None, ...]]] = [("whole", tuple(shapes))]
    for k, shape in enumerate(shapes):
        if shape:
            smaller = [(*shape[:d], 1, *shape[d + 1 :]) for d, n in enumerate(shape) if n > 1]
            for small in [*smaller, shape[1:]]:
                name = f"input{k}:{'x'.join(map(str, small)) or 'scalar'}"
                found.append((name, (*shapes[:k], small, *shapes[k + 1 :])))
    return found


def _subsets(given: Sequence[Any], how: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    places = [k for k, v in enumerate(given) if _is_shape(v) or _is_floating(v)]
    for n in {"all": [len(places)], "each": [1], "subsets": range(1, len(places) + 1)}[how]:
        for chosen in itertools.combinations(places, n):
            yield "all" if n == len(places) else "grad" + "+".join(map(str, chosen)), chosen


def _is_shape(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and all(type(n) is int for n in value)


def _is_floating(value: Any) -> bool:
    return hasattr(value, "is_floating_point") and bool(value.is_floating_point())


def mistaken(test: str, what: str) -> NoReturn:
    pytest.fail(f"{test}: {what}", pytrace=False)
