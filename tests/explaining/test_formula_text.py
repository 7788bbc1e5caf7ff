"""Every formula of the catalogue can be read off its docstring and written as MathML."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest

from manualgrad.catalogue import ROWS, Row
from manualgrad.explaining.formula_text import formula_lines, formula_mathml


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_formula_of_the_catalogue(row: Row) -> None:
    lines = formula_lines(row.told_by)
    assert lines["forward"]
    assert lines["backward"]
    for line in lines["forward"] + lines["backward"]:
        written = formula_mathml(line)
        tree = ElementTree.fromstring(f"<div>{written.replace('&nbsp;', ' ')}</div>")
        greek = r"(?<![a-zA-Z])(alpha|beta|gamma|theta|eps|sum)(?![a-zA-Z])"
        assert letters("".join(tree.itertext())) == letters(re.sub(greek, "", line))


def letters(text: str) -> str:
    return "".join(re.findall(r"[a-zA-Z]", text))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("x^2", "<msup><mi>x</mi><mn>2</mn></msup>"),
        ("h_{t-1}", "<msub><mi>h</mi><mrow><mi>t</mi><mo>−</mo><mn>1</mn></mrow></msub>"),
        ("a / b / c", "<mfrac><mfrac><mi>a</mi><mi>b</mi></mfrac><mi>c</mi></mfrac>"),
        ("(a + b) / n", "<mfrac><mrow><mi>a</mi><mo>+</mo><mi>b</mi></mrow><mi>n</mi></mfrac>"),
        ("alpha <= 1", "<mi>α</mi><mo>≤</mo><mn>1</mn>"),
        ("a < b", "<mi>a</mi><mo>&lt;</mo><mi>b</mi>"),
        (
            "f'(x)",
            "<mrow><msup><mi>f</mi><mo>′</mo></msup><mrow><mo>(</mo><mrow><mi>x</mi></mrow><mo>)</mo></mrow></mrow>",
        ),
    ],
)
def test_mathematics_as_it_is_typed(line: str, expected: str) -> None:
    assert formula_mathml(line) == f"<math>{expected}</math>"


@pytest.mark.parametrize("line", ["", "(", "a /", "^", "x_", "e^-", ")]|", "<b>&", "sum", "f(((", "a_{b", "'", "1.5.2"])
def test_whatever_is_typed_is_kept(line: str) -> None:
    written = formula_mathml(line)
    tree = ElementTree.fromstring(f"<div>{written.replace('&nbsp;', ' ')}</div>")
    assert re.findall(r"[a-z0-9]", line.replace("sum", "")) == re.findall(r"[a-z0-9]", "".join(tree.itertext()))
