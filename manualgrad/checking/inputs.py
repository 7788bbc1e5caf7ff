"""The inputs of `manualgrad check`: as the command line writes them, or found by trying sensible ones.

5,3             a tensor of that shape, standard normal in float64; `scalar` is that of no dimension
5,3:float32     of another dtype: any of torch's, and int, float, complex
5,3:float:0:1   uniform between 0 and 1
5:int:10        integers below 10; 5:int:-3:4 from -3 to 3; 5:int alone is zeros and ones
=0.5            no tensor but this Python value; what is none is a text: =mean
"""

from __future__ import annotations

import ast
import inspect
import itertools
import math
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from manualgrad.arguments import Mistake, nearest

if TYPE_CHECKING:
    import torch

DTYPES = {
    **{name: name for name in ("float64", "float32", "float16", "bfloat16", "complex128", "complex64")},
    **{name: name for name in ("int64", "int32", "int16", "int8", "uint8", "bool")},
    **{"float": "float64", "double": "float64", "half": "float16", "complex": "complex128"},
    **{"int": "int64", "long": "int64"},
}
MOST_ELEMENTS = 10_000_000
_TRIES = 400  # calls while looking for inputs


@dataclass(frozen=True)
class Spec:
    """One input: a tensor of this shape and dtype between `low` and `high`, or a `literal`."""

    shape: tuple[int, ...] = ()
    dtype: str = "float64"
    low: float | None = None
    high: float | None = None
    literal: Any = None
    is_literal: bool = False

    def __str__(self) -> str:
        """As the command line writes it."""
        if self.is_literal:
            return f"={self.literal}"
        text = ",".join(map(str, self.shape)) or "scalar"
        if self.dtype != "float64" or self.high is not None:
            text += f":{next(name for name in ('float', 'int', self.dtype) if DTYPES[name] == self.dtype)}"
        bounds = (self.high,) if self.low is None else (self.low, self.high)
        return text + "".join(f":{b:g}" for b in bounds if b is not None)

    def draw(self, generator: torch.Generator) -> Any:
        """The tensor, from this generator, or the literal."""
        import torch

        if self.is_literal:
            return self.literal
        dtype: torch.dtype = getattr(torch, self.dtype)
        if not (dtype.is_floating_point or dtype.is_complex):
            below = 2 if self.high is None else int(self.high)
            return torch.randint(int(self.low or 0), below, self.shape, generator=generator).to(dtype)
        if self.high is None:
            wide = torch.complex128 if dtype.is_complex else torch.float64
            return torch.randn(self.shape, generator=generator, dtype=wide).to(dtype)
        low = self.low or 0.0
        return (torch.rand(self.shape, generator=generator, dtype=torch.float64) * (self.high - low) + low).to(dtype)


def parse(text: str) -> Spec:
    """A `Spec` from the command line's way of writing one.

    >>> parse("5,3:float32"), str(parse("5:int:10"))
    (Spec(shape=(5, 3), dtype='float32', low=None, high=None, literal=None, is_literal=False), '5:int:10')
    >>> parse("=0.5").literal, parse("=mean").literal
    (0.5, 'mean')
    >>> parse("5x3")
    Traceback (most recent call last):
    manualgrad.arguments.Mistake: input: 5x3 is no shape; write the sizes with commas, 5,3, or =5x3 for a value
    """
    if text.startswith("="):
        try:
            return Spec(literal=ast.literal_eval(text[1:]), is_literal=True)
        except (ValueError, SyntaxError):
            return Spec(literal=text[1:], is_literal=True)
    sizes, *rest = text.split(":")
    if sizes != "scalar" and not re.fullmatch(r"\d+(,\d+)*", sizes):
        raise Mistake(f"input: {text} is no shape; write the sizes with commas, 5,3, or ={text} for a value")
    shape = () if sizes == "scalar" else tuple(map(int, sizes.split(",")))
    count = math.prod(shape)
    if count > MOST_ELEMENTS:
        raise Mistake(f"input: {text} has {count:,} elements; {MOST_ELEMENTS:,} are the most, and a handful is enough")
    kind = rest[0] if rest else "float64"
    if kind not in DTYPES:
        raise Mistake(f"input: {text}: there is no dtype {kind}{nearest(kind, DTYPES)} ({', '.join(DTYPES)})")
    try:
        bounds = [float(b) for b in rest[1:]]
    except ValueError:
        raise Mistake(f"input: {text}: bounds are numbers, {sizes}:{kind}:LOW:HIGH") from None
    if len(bounds) > 2:
        raise Mistake(f"input: {text} has {len(bounds)} bounds; it takes {sizes}:{kind}:LOW:HIGH")
    low, high = (None, *bounds)[-2:] if bounds else (None, None)
    whole = DTYPES[kind] == "bool" or "int" in DTYPES[kind]
    if high is not None and not (low or 0.0) < high:
        raise Mistake(f"input: {text}: LOW must be less than HIGH, got {low or 0:g} and {high:g}")
    if whole and any(b != int(b) for b in bounds):
        raise Mistake(f"input: {text}: integers lie between integers")
    return Spec(shape, DTYPES[kind], low, high)


# Shapes for so many tensors, the most telling first: different sizes wherever that is possible, so that a transposition
# shows; the plain case of equal shapes after those that only special functions take.
_LINEAR, _ROWS = ((5, 3), (4, 3)), (5, 3)
_SHAPES: dict[int, tuple[tuple[tuple[int, ...], ...], ...]] = {
    1: ((_ROWS,), ((4,),), ((2, 3, 4),), ((4, 4),), ((2, 3, 6, 7),), ((2, 3, 5, 6, 7),), ((),)),
    2: (
        _LINEAR,
        (_ROWS, (3, 4)),
        ((2, 3, 8), (4, 3, 3)),
        ((2, 3, 6, 7), (4, 3, 3, 3)),
        ((2, 5, 3), (2, 3, 4)),
        (_ROWS, _ROWS),
        (_ROWS, (3,)),
        ((4,), (4,)),
        (_ROWS, (5,)),
        ((4, 4), (4,)),
        ((4, 4), (4, 3)),
        (_ROWS, (5, 1)),
        ((2, 3, 4), (2, 3, 4)),
        (_ROWS, ()),
        ((5,), _ROWS),
        ((), ()),
    ),
    3: (
        (*_LINEAR, (4,)),
        (_ROWS, (3, 4), (4,)),
        ((2, 3, 8), (4, 3, 3), (4,)),
        ((2, 3, 6, 7), (4, 3, 3, 3), (4,)),
        ((2, 5, 4), (2, 6, 4), (2, 6, 3)),
        ((5, 3), (6, 3), (6, 4)),
        (_ROWS, (3,), (3,)),
        ((2, 3, 4), (3,), (3,)),
        (_ROWS, _ROWS, _ROWS),
        ((2, 5, 4), (2, 5, 4), (2, 5, 4)),
        ((4,), (4,), (4,)),
        (_ROWS, (5,), (3,)),
        ((5, 4), _ROWS, (3, 4)),
        ((), (), ()),
    ),
}
_INDEXES = re.compile(r"target|label|index|indices|idx|class|token|ids?$")
_SCALARS: dict[type, Any] = {int: 1, float: 0.5, bool: False}
_NUMBERS = re.compile(r"^(dim|axis|eps|epsilon|alpha|beta|gamma|slope|negative_slope|scale|p|k|n|lr|momentum|margin)$")
_RANGES = ((None, None), (0.1, 0.9), (1.1, 3.0))  # any number, a probability, more than 1


def candidates(fn: Any) -> Iterator[list[Spec]]:
    """Inputs that `fn` may take, by its signature and, of a module, its parameters' sizes."""
    from torch import nn

    parameters = _needed(fn)
    if parameters is None:  # a builtin, or *args: any number
        for count in (1, 2, 3):
            yield from _for([None] * count, ["x"] * count, _SHAPES[count])
        return
    kinds = [_value(p) for p in parameters]
    count = sum(k is None for k in kinds)
    if not count:
        yield [k for k in kinds if k is not None]
        return
    shapes = _SHAPES.get(count) or ((_ROWS,) * count, (_ROWS, *((3,),) * (count - 1)), ((4,),) * count, ((),) * count)
    if isinstance(fn, nn.Module):
        sizes = dict.fromkeys(s for p in fn.parameters() for s in reversed(p.shape))
        own = [
            shape
            for s in itertools.islice(sizes, 12)
            for shape in ((5, s), (2, 5, s), (2, s, 9, 8), (2, s, 9), (2, s, 28, 28), (2, s, 5, 6, 7))
        ]
        shapes = (*((shape,) * count for shape in own), *shapes)
    learns = isinstance(fn, nn.Module) and any(True for _ in fn.parameters())
    yield from _for(kinds, [p.name for p in parameters], shapes, learns)


def _needed(fn: Any) -> list[inspect.Parameter] | None:
    """The parameters that a call needs; None if that cannot be told."""
    import torch

    from manualgrad.checking.target import forward_parameters

    try:
        if inspect.isclass(fn) and issubclass(fn, torch.autograd.Function):
            parameters = forward_parameters(fn)
        else:
            forward = fn.forward if isinstance(fn, torch.nn.Module) else fn
            parameters = list(inspect.signature(forward).parameters.values())
    except (TypeError, ValueError):
        return None
    needed = [p for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    keywords = [p.name for p in needed if p.kind is p.KEYWORD_ONLY]
    if keywords:
        raise Mistake(f"forward needs the keyword argument {keywords[0]}; check a function of the others alone")
    if any(p.kind is p.VAR_POSITIONAL for p in needed):
        return None
    if not needed:
        raise Mistake("forward takes no input: nothing to differentiate by")
    return needed


def _value(parameter: inspect.Parameter) -> Spec | None:
    """The value for a parameter that is a number by its annotation or name; None for a tensor."""
    annotation = parameter.annotation
    for kind, value in _SCALARS.items():
        if annotation in (kind, kind.__name__):
            return Spec(literal=value, is_literal=True)
    if annotation is parameter.empty and _NUMBERS.match(parameter.name):
        return Spec(literal=1 if parameter.name in ("dim", "axis", "k", "n") else 0.5, is_literal=True)
    return None


def _for(
    kinds: Sequence[Spec | None],
    names: Sequence[str],
    shapes: Sequence[Sequence[tuple[int, ...]]],
    learns: bool = False,
) -> Iterator[list[Spec]]:
    """Every choice of shapes, in every range: first with integers where the name asks for them and the shape is that of
    classes, then all floating-point, then with integers in any shape. Something must be left to differentiate by, which
    of a module that `learns` its parameters are."""
    tensors = [k for k, kind in enumerate(kinds) if kind is None]
    whole = {k for k in tensors if _INDEXES.search(names[k])}
    of_classes = [s for s in shapes if all(size == (5,) for k, size in zip(tensors, s, strict=True) if k in whole)]
    plans: list[tuple[set[int], Sequence[Any]]] = [(whole, of_classes)] if whole else []
    for integers in (set(), whole, {tensors[-1]}, {tensors[0]}):
        if (integers, shapes) not in plans:
            plans.append((integers, shapes))
    for integers, some in plans:
        for shape, (low, high) in itertools.product(some, _RANGES):
            found = list(kinds)
            for k, s in zip(tensors, shape, strict=True):
                found[k] = Spec(s, "int64") if k in integers else Spec(s, low=low, high=high)
            if learns or integers != set(tensors):
                yield [f for f in found if f is not None]


def find(fn: Any, seed: int) -> list[Spec]:
    """The first of the `candidates` that `fn` takes and that give finite numbers. Raises Mistake if it takes none.

    One that gives NaN is taken if none gives numbers, and one that gives no tensor last: `check` says what that is.
    """
    from manualgrad.checking.report import CheckError, first_line
    from manualgrad.checking.target import tensors_in

    second: dict[int, list[Spec]] = {}
    said: dict[str, list[Spec]] = {}
    tried = 0
    for specs in itertools.islice(candidates(fn), _TRIES):
        tried += 1
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                result = call(fn, draw(specs, seed))
        except CheckError as error:
            said.setdefault(first_line(error.__cause__ or error), specs)
            continue
        floating = [t for t in tensors_in(result) if (t.is_floating_point() or t.is_complex()) and t.numel()]
        if floating and all(bool(t.isfinite().all()) for t in floating):
            return specs
        second.setdefault(0 if floating else 1, specs)
    for rank in sorted(second):
        return second[rank]
    shown = "; ".join(f"{' '.join(map(str, specs))}: {what[:120]}" for what, specs in itertools.islice(said.items(), 2))
    raise Mistake(f"forward raises for each of the {tried} inputs tried, for {shown}; give one with --input")


def call(fn: Any, inputs: Sequence[Any]) -> Any:
    """What `fn` returns for these inputs, as `check` will run it."""
    from manualgrad.checking.first import attempt
    from manualgrad.checking.target import Target

    target = Target(fn, inputs)
    return attempt(target, target.point())


def draw(specs: Sequence[Spec], seed: int) -> list[Any]:
    """A value for each, from a generator of this seed."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    return [spec.draw(generator) for spec in specs]


def described(inputs: Sequence[Any]) -> list[Spec]:
    """Inputs that were given as values, as specs to show."""
    import torch

    return [
        replace(Spec(tuple(v.shape)), dtype=str(v.dtype)[6:])
        if isinstance(v, torch.Tensor)
        else Spec(literal=v, is_literal=True)
        for v in inputs
    ]
