"""`docs/codes.md`: every code of a report, what it means and an example, as `check` says it now.

`python -m tests.checking.test_docs` (`make docs`) writes the page anew.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import torch

from manualgrad.checking import check
from manualgrad.checking.report import CODES, Finding
from tests.checking.corpus import EXAMPLES, Example
from tests.checking.figures import FILE, table

PAGE = Path(__file__).parents[2] / "docs" / "codes.md"
HEAD = """# What a check finds

`manualgrad.check` and `manualgrad check` give each finding a code, which stays the same from version to version, and a
severity: an `error` is a wrong gradient, a `warning` is right here and wrong elsewhere, a `note` is good to know. The
codes stand in the order in which they explain one another; a report begins with the most likely cause.
`ignore=["kink"]` and `--ignore kink` leave a code out. Each example is a Function of `tests/checking/corpus`."""
FIGURES = """## How far it can be trusted

Measured on that corpus by `python -m tests.checking.figures`; with every flag, gradcheck also looks at forward mode,
batched and undefined gradients and the second derivative. Time is processor time beside plain gradcheck's, on what
that passes."""


def example_of(code: str) -> tuple[Example, Finding]:
    """The first example of the corpus that is checked by default and about which `check` says this first."""
    unambiguous = [e for e in EXAMPLES if e.codes == (code,) and not e.options]
    for example in (*unambiguous, *(e for e in EXAMPLES if code in e.codes or (code == "kink" and not e.codes))):
        found = check(example.fn, *example.inputs, **example.options).findings
        if found and found[0].code == code:
            return example, found[0]
    raise AssertionError(f"the corpus has no example of {code}")


def written() -> str:
    """The page."""
    torch.manual_seed(0)
    parts = [HEAD]
    for code, meaning in CODES.items():
        example, finding = example_of(code)
        message = re.sub(r" \(\u00b1 [^)]*\)", "", finding.message)  # error bars depend on the machine
        said = [f"{finding.severity} [{code}] {message}"] + ([f"  {finding.advice}"] if finding.advice else [])
        name = getattr(example.fn, "__name__", type(example.fn).__name__)
        body = "\n".join(said)
        parts.append(f"## {code}\n\n{meaning[0].upper()}{meaning[1:]}. `{name}`:\n\n```text\n{body}\n```")
    return "\n\n".join([*parts, FIGURES, table()]) + "\n"


def test_the_page_is_fresh() -> None:
    assert PAGE.read_text(encoding="utf-8") == written(), "run `make docs`"


def test_the_figures_are_of_this_corpus() -> None:
    kept = json.loads(FILE.read_text(encoding="utf-8"))
    wrong = sum(bool(e.codes) for e in EXAMPLES)
    assert (kept["wrong"], kept["right"]) == (wrong, len(EXAMPLES) - wrong), "run python -m tests.checking.figures"
    assert (kept["caught"], kept["alarms"]) == (wrong, 0)
    assert kept["named"] >= 0.95 * wrong


if __name__ == "__main__":
    PAGE.write_text(written(), encoding="utf-8")
