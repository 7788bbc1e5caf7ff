"""The README: its examples run, its outputs and its table are fresh, and what it names exists.

`python -m tests.test_readme` (`make readme`) writes the generated parts anew.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from manualgrad import cli
from manualgrad.cli import coverage, listing
from tests import test_torch_faults
from tests.checking import figures

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"

# What stands between `<!-- name: ... -->` and `<!-- end of name -->`.
GENERATED: dict[str, Callable[[], str]] = {
    "coverage": coverage.markdown,
    "faults": test_torch_faults.markdown,
    "formulas": listing.markdown,
    "figures": figures.table,
}

# Commands whose output is shown below them.
SHOWN = ("manualgrad list",)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def written_anew(text: str) -> str:
    """The README with its tables and the outputs of its commands as they are now."""
    for name, make in GENERATED.items():
        part = re.compile(rf"(<!-- {name}:.*?-->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        assert part.search(text), f"the README has no part {name}"
        text = part.sub(lambda found, make=make: f"{found[1]}\n{make()}\n\n{found[2]}", text)  # type: ignore[misc]
    return re.sub(r"(?<=^```console\n)\$ (.*?)\n(.*?)(?=^```$)", _with_output, text, flags=re.MULTILINE | re.DOTALL)


def _with_output(found: re.Match[str]) -> str:
    if not found[1].startswith(SHOWN):
        return found[0]
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        assert cli.main(shlex.split(found[1])[1:]) == 0
    return f"$ {found[1]}\n{shown.getvalue()}"


def test_the_generated_parts_are_fresh() -> None:
    text = README.read_text(encoding="utf-8")
    assert text == written_anew(text), "run `make readme`"


def test_the_examples_run() -> None:
    examples = "".join(blocks("pycon"))
    assert examples.count(">>>") > 20
    test = doctest.DocTestParser().get_doctest(examples, {}, "README.md", str(README), 0)
    results = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test)
    assert results.failed == 0


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_what_is_named_exists(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(re.findall(r"`make (\w+)", text)) <= set(targets)
    assert set(re.findall(r"[`$] ?manualgrad (\w+)", text)) <= set(cli.COMMANDS)
    files = re.findall(r"`((?:manualgrad|tests|recipes)/[\w/]+\.py)`", text)
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    for path in [*files, *links]:
        assert (ROOT / path).exists(), path


def test_every_command_is_named() -> None:
    table = re.findall(r"^\| `manualgrad (\w+)", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert table == list(cli.COMMANDS)


if __name__ == "__main__":
    README.write_text(written_anew(README.read_text(encoding="utf-8")), encoding="utf-8")
