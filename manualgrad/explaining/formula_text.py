"""The formulas of a formula's docstring, as text and as MathML.

The docstrings write mathematics as one types it, `dx = dy . (x - t) / n`, with words between. Here that is read:
fractions, powers, indices, functions, sums. Whatever is not recognised is kept as it stands.
"""

from __future__ import annotations

import html
import inspect
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from manualgrad.formula import Formula

DIRECTIONS = ("forward", "backward", "tangent")


def formula_lines(formula: type[Formula] | Callable[..., Any]) -> dict[str, list[str]]:
    """The lines of each direction in the docstring of `formula`, or else in that of its file, not aligned any more.

    A function that is made of several formulas may have such lines too.

    >>> from manualgrad.formulas.sigmoid import SigmoidFunction
    >>> formula_lines(SigmoidFunction)["backward"]
    ['dx = dy . y (1 - y)']
    """
    own, shared = (
        _lines(inspect.cleandoc(d or "")) for d in (formula.__doc__, sys.modules[formula.__module__].__doc__)
    )
    return {direction: own[direction] or shared[direction] for direction in DIRECTIONS}


def _lines(documented: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {direction: [] for direction in DIRECTIONS}
    current = None
    for line in documented.splitlines():
        start = re.match(rf" *({'|'.join(DIRECTIONS)})  +(?=\S)", line)
        if start:
            current = start[1]
            line = line[start.end() :]
        elif not line.startswith(" "):
            current = None
        if current and line.strip():
            line = re.sub(r"\s+=\s+", " = ", line.strip(), count=1)
            found[current].append(re.sub(r",?\s{2,}", ", ", line))
    return found


_PROSE = re.compile("of|is|if|in|to|as|at|so|by|or|no|it|on|over")  # short, and yet no name
_NAMES = re.compile("d?(alpha|beta|gamma|theta|other|bias|low|high|mask|eps|before|after|gradient)")
_FUNCTIONS = re.compile(
    "log|ln|exp|sin|cos|tan|tanh|max|min|sum|mean|sign|sqrt|softmax|sigmoid|floor|ceil|trunc|round|erf|norm|var"
)
_GREEK = {"alpha": "α", "beta": "β", "gamma": "γ", "theta": "θ", "sum": "∑", "eps": "ε"}
_SIGNS = {".": "·", "-": "−", "'": "′", "<=": "≤", ">=": "≥", "*": "∗", "->": "→"}
_TOKEN = re.compile(r"\s*(\d+(?:\.\d+)?(?:e-?\d+)?|[^\W\d_]+\d*|<=|>=|->|\.\.\.|\S)", re.UNICODE)


def formula_mathml(line: str) -> str:
    """A line of a docstring as HTML: its mathematics as `<math>` elements, the words between them as text.

    >>> formula_mathml("0 where n").partition(" where ")[2]
    '<math><mi>n</mi></math>'
    """
    pieces: list[str] = []
    mathematics = ""
    for part in _Reader(line).sequence():
        word = re.fullmatch(r"<mtext>&nbsp;(.*)&nbsp;</mtext>", part)
        mathematics += "" if word else part
        if mathematics and (word or part == "<mo>,</mo>"):
            pieces.append(f"<math>{mathematics}</math>")
            mathematics = ""
        if word:
            pieces.append(word[1])
    if mathematics:
        pieces.append(f"<math>{mathematics}</math>")
    return " ".join(pieces)


def _row(parts: list[str]) -> str:
    return f"<mrow>{''.join(parts)}</mrow>"


class _Reader:
    """Reads a line from left to right, one token ahead."""

    def __init__(self, line: str) -> None:
        self.tokens = [(m[1], m.start() < m.start(1)) for m in _TOKEN.finditer(line)]
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at][0] if self.at < len(self.tokens) else ""

    def take(self) -> str:
        self.at += 1
        return self.tokens[self.at - 1][0]

    @property
    def touches(self) -> bool:
        """Whether the next token follows without a space."""
        return self.at < len(self.tokens) and not self.tokens[self.at][1]

    def sequence(self, end: str = "") -> list[str]:
        """Everything up to the closing sign `end`, which is taken too, or to the end of the line."""
        parts: list[str] = []
        while self.at < len(self.tokens):
            if end and self.peek() == end:
                self.take()
                break
            part = self.fraction()
            if parts and not any(p.startswith(("<mo>", "<mtext>")) for p in (parts[-1], part)):
                parts.append("<mspace width='0.17em'></mspace>")
            parts.append(part)
        return parts

    def fraction(self) -> str:
        """`a`, or `a / b / c` from left to right. Brackets around the parts of a fraction are not needed."""
        numerator, bare = self.primary()
        while self.peek() == "/":
            self.take()
            _, denominator = self.primary()
            numerator = bare = f"<mfrac>{bare}{denominator}</mfrac>"
        return numerator

    def primary(self) -> tuple[str, str]:
        """An atom with its indices, powers and arguments; and the same without its outermost brackets."""
        if not self.peek():
            return "<mrow></mrow>", "<mrow></mrow>"
        token = self.take()
        if token in "([|":
            inner = _row(self.sequence({"(": ")", "[": "]", "|": "|"}[token]))
            close = {"(": ")", "[": "]", "|": "|"}[token]
            whole = f"<mrow><mo>{token}</mo>{inner}<mo>{close}</mo></mrow>"
            scripted = self.scripts(whole)
            return scripted, inner if scripted == whole and token == "(" else scripted
        if token[0].isdigit():
            number = self.scripts(f"<mn>{token}</mn>")
            return number, number
        if not token[0].isalpha():
            sign = f"<mo>{html.escape(_SIGNS.get(token, token))}</mo>"
            return sign, sign
        word = self.word(token)
        return word, word

    def word(self, token: str) -> str:
        if _FUNCTIONS.fullmatch(token):
            function = self.scripts("<mo>∑</mo>" if token == "sum" else f"<mi>{token}</mi>")
            argument = self.peek()
            if argument and (argument[0].isalnum() or argument in "([|") and not _PROSE.fullmatch(argument):
                return _row([function, "<mspace width='0.17em'></mspace>", self.primary()[0]])
            return function
        is_prose = len(token) > 2 and not re.fullmatch("d..", token) and not _NAMES.fullmatch(token)
        if is_prose or _PROSE.fullmatch(token):
            return f"<mtext>&nbsp;{html.escape(token)}&nbsp;</mtext>"
        name = f"<mi>{_GREEK.get(token, token)}</mi>"
        applied = self.scripts(name)
        if self.peek() == "(" and self.touches:  # f(x), and not a product
            return _row([applied, self.primary()[0]])
        return applied

    def scripts(self, base: str) -> str:
        """`base` with the indices, primes and powers that follow it."""
        below = above = ""
        if self.peek() == "_" and self.touches:
            self.take()
            below = self.script()
        while self.peek() == "'" and self.touches:
            self.take()
            above += "<mo>′</mo>"
        if not below and self.peek() == "_" and self.touches:
            self.take()
            below = self.script()
        if self.peek() == "^" and self.touches:
            self.take()
            above += self.script()
        if above.count("<m") > 1 and not above.startswith("<mrow>"):
            above = _row([above])
        if below and above:
            return f"<msubsup>{base}{below}{above}</msubsup>"
        if below:
            return f"<msub>{base}{below}</msub>"
        return f"<msup>{base}{above}</msup>" if above else base

    def script(self) -> str:
        """What stands after `_` or `^`: one atom, with a sign perhaps, or something in brackets."""
        if self.peek() == "{":
            self.take()
            return _row(self.sequence("}"))
        if self.peek() == "-":
            self.take()
            return _row(["<mo>−</mo>", self.script()])
        if self.peek()[:1].isalpha() and not _FUNCTIONS.fullmatch(self.peek()):
            return self.scripts(f"<mi>{_GREEK.get(self.peek(), self.take())}</mi>")
        return self.primary()[1]
