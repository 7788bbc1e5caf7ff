"""A line of mathematics: built once from names and numbers, written as plain text or as MathML.

    line = (D("E", "w"), EQUALS, D("E", "y"), DOT, D("y", "w"), EQUALS, 0.7, DOT, 2.0, EQUALS, 1.4)
    text(line)      dE/dw = dE/dy . dy/dw = 0.7 . 2 = 1.4

A part is a name (str), a number (float), an operator (Op), a word (Word) or a derivative (D). Names come from users
and are escaped.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from manualgrad.explaining.wording import number


class Op(NamedTuple):
    sign: str


class Word(NamedTuple):
    """Text that is no name: the name of a function, a setting, a summary."""

    text: str


class D(NamedTuple):
    """d above / d below."""

    above: str
    below: str


Part = str | float | Op | Word | D
EQUALS, DOT, PLUS, MINUS, OPEN, CLOSE, COMMA = (Op(s) for s in "=.+-(),")
_TIGHT_BEFORE, _TIGHT_AFTER = "),", "("


def joined(parts: Iterable[Part], operator: Op) -> list[Part]:
    """`a . b . c`."""
    result: list[Part] = []
    for part in parts:
        result += [operator, part] if result else [part]
    return result


def text(parts: Sequence[Part], digits: int = 4) -> str:
    """
    >>> text((D("E", "w"), EQUALS, 2.0, DOT, -0.5, EQUALS, -1.0))
    'dE/dw = 2 . (-0.5) = -1'
    """
    result = ""
    for i, part in enumerate(parts):
        before = parts[i - 1] if i else None
        if isinstance(part, Op):
            shown = part.sign
        elif isinstance(part, D):
            shown = f"d{part.above}/d{part.below}"
        elif isinstance(part, Word):
            shown = part.text
        elif isinstance(part, str):
            shown = part
        else:
            shown = number(part, digits)
            if shown.startswith("-") and isinstance(before, Op) and before not in (EQUALS, OPEN, COMMA):
                shown = f"({shown})"
        tight = i == 0 or shown in _TIGHT_BEFORE or before == OPEN or (part == OPEN and isinstance(before, Word))
        result += shown if tight else f" {shown}"
    return result


_SIGNS = {".": "·", "-": "−"}


def mathml(parts: Sequence[Part], digits: int = 4) -> str:
    """The same line as `<math>` elements, one per side of an equals sign, so that a long line wraps there.

    >>> mathml(("q", EQUALS, -3.0)).count("<math")
    2
    """
    sides: list[str] = [""]
    for i, part in enumerate(parts):
        if part == EQUALS:
            sides.append("")
        sides[-1] += _element(parts, i, digits)
    return " ".join(f"<math>{side}</math>" for side in sides)


def _element(parts: Sequence[Part], i: int, digits: int) -> str:
    part, before = parts[i], parts[i - 1] if i else None
    if isinstance(part, Op):
        return f"<mo>{_SIGNS.get(part.sign, part.sign)}</mo>"
    if isinstance(part, D):
        return "<mfrac>" + "".join(f"<mrow><mo>∂</mo>{name(n)}</mrow>" for n in part) + "</mfrac>"
    if isinstance(part, Word):
        return f"<mtext>{html.escape(part.text)}</mtext>"
    if isinstance(part, str):
        return name(part)
    shown = f"<mn>{number(part, digits)}</mn>".replace("-", "−", 1)
    if "−" in shown and isinstance(before, Op) and before not in (EQUALS, OPEN, COMMA):
        shown = f"<mo>(</mo>{shown}<mo>)</mo>"
    return shown


def name(text: str) -> str:
    """A name in MathML, with what follows an underscore as its index, except in the names of parameters.

    >>> name("net_h1")
    '<msub><mi>net</mi><mi>h1</mi></msub>'
    >>> name("self_attn.bias")
    '<mi>self_attn.bias</mi>'
    """
    stem, _, index = text.partition("_")
    if stem and index and "." not in text:
        return f"<msub><mi>{html.escape(stem)}</mi><mi>{html.escape(index)}</mi></msub>"
    return f"<mi>{html.escape(text)}</mi>"
