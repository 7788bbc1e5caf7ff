r"""einsum: sums of products of tensors, by the names of their dimensions.

Two tensors at a time, from left to right, are brought to a matrix product: dimensions that both have and the result
keeps are batches, those that both have and nothing needs any more are summed over.
Saves the operands of each product.
Source: Einstein (1916), Die Grundlage der allgemeinen Relativitaetstheorie, sec. 5, for the convention.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from manualgrad.formulas.arithmetic import mul
from manualgrad.formulas.diagonals import diagonal
from manualgrad.formulas.matmul import matmul
from manualgrad.formulas.reductions import sum
from manualgrad.formulas.reshaping import reshape, squeeze
from manualgrad.formulas.transposing import permute
from manualgrad.public import described, public

Labels = list[str]


@public
def einsum(*args: Any) -> Tensor:
    """`einsum("bij,bjk->bik", x, w)`: sums of products. Same values and gradients as `torch.einsum`.

    forward    y  = sum of x w ... over the letters that the result has not
    backward   dx = sum of dy w ... over the letters that x has not, and so for every operand
    tangent    y' = sum of x' w ... + sum of x w' ... + ...

    Shapes: as many dimensions as letters; those of one letter are of one size, or of size 1. Both forms of torch's are
    taken, `einsum(equation, *operands)` and `einsum(x, [0, 1], w, [1, 2], [0, 2])`, with ellipses, repeated letters and
    results that are left out. Raises RuntimeError for an equation that does not fit the operands.

    >>> import torch
    >>> x, w = torch.ones(2, 3), torch.zeros(3, 4, requires_grad=True)
    >>> einsum("ij,jk->ik", x, w).sum().backward()
    >>> w.grad.unique()
    tensor([2.])
    """
    if len(args) < 2:
        raise ValueError("einsum: give an equation and its operands, or operands and the numbers of their dimensions")
    equation, operands = _equation(args)
    for k, x in enumerate(operands):
        if not isinstance(x, Tensor):
            raise TypeError(f"einsum: operands[{k}] must be a tensor, got {described(x)}")
    terms, result = _labels(equation, operands)
    _check_sizes(equation, terms, operands)
    pairs = [_without_copies(x, labels, terms, operands) for x, labels in zip(operands, terms, strict=True)]
    y, there = pairs[0]
    for k, (x, labels) in enumerate(pairs[1:], 2):
        wanted = set(result).union(*(later for _, later in pairs[k:]))
        y, there = _summed(y, there, wanted.union(labels))
        x, labels = _summed(x, labels, wanted.union(there))
        y, there = _product(y, there, x, labels, wanted)
    y, there = _summed(y, there, set(result))
    return _ordered(y, there, result)


def _equation(args: tuple[Any, ...]) -> tuple[str, list[Tensor]]:
    """The equation and the operands of either form."""
    if args and isinstance(args[0], str):
        operands = args[1] if len(args) == 2 and isinstance(args[1], (list, tuple)) else args[1:]
        return args[0].replace(" ", ""), list(operands)
    terms = [_letters(sublist) for sublist in args[1::2]]
    arrow = f"->{_letters(args[-1])}" if len(args) % 2 else ""
    return ",".join(terms) + arrow, list(args[: len(terms) * 2 : 2])


def _letters(sublist: Sequence[Any]) -> str:
    """Numbers up to 51 as letters, in torch's order."""
    return "".join("..." if n is ... else chr(n + ord("A")) if n < 26 else chr(n - 26 + ord("a")) for n in sublist)


def _labels(equation: str, operands: list[Tensor]) -> tuple[list[Labels], Labels]:
    """What each dimension of the operands and of the result is called; those of the ellipsis by their place."""
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    if len(terms) != len(operands) or not operands:
        raise RuntimeError(f"einsum: {equation!r} is for {len(terms)} operands, got {len(operands)}")
    hidden = [x.dim() - len(term.replace("...", "")) for x, term in zip(operands, terms, strict=True)]
    for x, term, more in zip(operands, terms, hidden, strict=True):
        if more < 0 or (more and "..." not in term):
            raise RuntimeError(f"einsum: {term!r} of {equation!r} does not fit an operand of shape {tuple(x.shape)}")
    most = max([0, *(more for more, term in zip(hidden, terms, strict=True) if "..." in term)])
    if not arrow:
        letters = Counter(left.replace("...", "").replace(",", ""))
        right = "..." + "".join(sorted(letter for letter, times in letters.items() if times == 1))
    result = _split(right, most)
    known = {label for term, more in zip(terms, hidden, strict=True) for label in _split(term, more)}
    if not known.issuperset(result) or len(set(result)) < len(result):
        raise RuntimeError(f"einsum: the result of {equation!r} must name dimensions of its operands, each once")
    return [_split(term, more) for term, more in zip(terms, hidden, strict=True)], result


def _split(term: str, hidden: int) -> Labels:
    """`a...b` as a list of labels; the ellipsis has numbers, counted from its end."""
    before, dots, behind = term.partition("...")
    if not all(letter.isascii() and letter.isalpha() for letter in before + behind):
        raise RuntimeError(f"einsum: {term!r} must be made of letters and at most one ellipsis")
    return [*before, *(str(n) for n in range(hidden, 0, -1) if dots), *behind]


def _check_sizes(equation: str, terms: list[Labels], operands: list[Tensor]) -> None:
    sizes: dict[str, set[int]] = {}
    for x, labels in zip(operands, terms, strict=True):
        for label, size in zip(labels, x.shape, strict=True):
            sizes.setdefault(label, set()).add(size)
    for label, found in sizes.items():
        if len(found - {1}) > 1:
            raise RuntimeError(f"einsum: dimension {label!r} of {equation!r} has several sizes, {sorted(found)}")


def _without_copies(x: Tensor, labels: Labels, terms: list[Labels], operands: list[Tensor]) -> tuple[Tensor, Labels]:
    """`x` with the diagonal of dimensions of one name, and without those of size 1 that are broadcast."""
    labels = list(labels)
    for label, times in Counter(labels).items():
        for _ in range(times - 1):
            first, second = [d for d, other in enumerate(labels) if other == label][:2]
            if x.shape[first] != x.shape[second]:
                raise RuntimeError(f"einsum: dimension {label!r} has several sizes in one operand, {tuple(x.shape)}")
            x = diagonal(x, 0, first, second)
            labels = [other for d, other in enumerate(labels) if d not in (first, second)] + [label]
    larger = {
        label
        for other, names in zip(operands, terms, strict=True)
        for label, size in zip(names, other.shape, strict=True)
        if size != 1
    }
    ones = tuple(d for d, label in enumerate(labels) if x.shape[d] == 1 and label in larger)
    if ones:
        x = squeeze(x, ones)
    return x, [label for d, label in enumerate(labels) if d not in ones]


def _summed(x: Tensor, labels: Labels, wanted: set[str]) -> tuple[Tensor, Labels]:
    """`x` summed over the dimensions that are not wanted."""
    dims = tuple(d for d, label in enumerate(labels) if label not in wanted)
    return (sum(x, dims), [label for label in labels if label in wanted]) if dims else (x, labels)


def _product(x: Tensor, of_x: Labels, w: Tensor, of_w: Labels, wanted: set[str]) -> tuple[Tensor, Labels]:
    """The product of two tensors, summed over the dimensions that both have and that are not wanted."""
    sizes = dict(zip([*of_x, *of_w], [*x.shape, *w.shape], strict=True))
    batch = [label for label in of_x if label in of_w and label in wanted]
    inner = [label for label in of_x if label in of_w and label not in wanted]
    rows = [label for label in of_x if label not in of_w]
    columns = [label for label in of_w if label not in of_x]
    x, w = _ordered(x, of_x, batch + rows + inner), _ordered(w, of_w, batch + inner + columns)
    many = [sizes[label] for label in batch]
    shape = [sizes[label] for label in batch + rows + columns]
    if inner:
        n, k, m = (math.prod([sizes[label] for label in part]) for part in (rows, inner, columns))
        y = matmul(_shaped(x, [*many, n, k]), _shaped(w, [*many, k, m]))
        return _shaped(y, shape), batch + rows + columns
    x = _shaped(x, [*many, *(sizes[label] for label in rows), *(1 for _ in columns)])
    w = _shaped(w, [*many, *(1 for _ in rows), *(sizes[label] for label in columns)])
    return mul(x, w), batch + rows + columns


def _ordered(x: Tensor, labels: Labels, order: Labels) -> Tensor:
    return x if labels == order else permute(x, [labels.index(label) for label in order])


def _shaped(x: Tensor, shape: list[int]) -> Tensor:
    return x if list(x.shape) == shape else reshape(x, shape)
