"""The documentation: a page for every worked example, with its output as it is now; a guide whose code runs.

`python -m tests.explaining.test_docs` (`make docs`) writes the generated pages and the README's picture anew.
"""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

from manualgrad.explaining.examples import Example, load
from manualgrad.explaining.examples.graphs import explanation_of
from manualgrad.explaining.examples.report import figures, worked_through

DOCS = Path(__file__).parents[2] / "docs"
PAGES = DOCS / "worked_examples"
PICTURE = DOCS / "images" / "2-2-2.png"
GUIDES = ("explaining.md",)
OTHERS = ("codes.md",)  # tests/checking/test_docs.py writes it


def written(example: Example) -> str:
    """The page of an example."""
    commands = [f"manualgrad explain {example.name}"]
    if explanation_of(example):
        commands.append(f"manualgrad explain {example.name} --html page.html")
    parts = [f"# {example.title}", f"From {example.source}.", *example.remarks]
    parts.append("```console\n" + "\n".join(f"$ {c}" for c in commands) + "\n```")
    parts.append(f"## Our figures and the document's\n\n```text\n{figures(example).rstrip()}\n```")
    worked = worked_through(example)
    if worked:
        parts.append(f"## Step by step\n\n```text\n{worked.rstrip()}\n```")
    return "\n\n".join(parts) + "\n"


def index() -> str:
    """The list of all pages."""
    lines = ["# Documentation", "", "- [Explaining a network](explaining.md): your own, and a scalar graph"]
    lines += ["- [What a check finds](codes.md): the codes of `manualgrad.check`, with examples"]
    lines += ["- [The formulas](../README.md#the-formulas)", "", "## Worked examples", ""]
    lines += ["Examples that five documents on back-propagation work by hand, with their figures and ours:", ""]
    lines += ["| example | | figures | wrong in the document |", "| --- | --- | --- | --- |"]
    for e in load().values():
        link = f"[{e.name}](worked_examples/{e.name}.md)"
        lines.append(f"| {link} | {e.title} | {len(e.checks)} | {len(e.wrong) or ''} |")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", load())
def test_pages_are_fresh(name: str) -> None:
    assert (PAGES / f"{name}.md").read_text(encoding="utf-8") == written(load()[name]), "run `make docs`"


def test_index_is_fresh_and_there_is_no_other_page() -> None:
    assert (DOCS / "README.md").read_text(encoding="utf-8") == index(), "run `make docs`"
    assert {path.stem for path in PAGES.iterdir()} == set(load())
    assert {path.name for path in DOCS.glob("*.md")} == {"README.md", *GUIDES, *OTHERS}


@pytest.mark.parametrize("guide", GUIDES)
def test_the_code_of_the_guides_runs(guide: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (DOCS / guide).read_text(encoding="utf-8")
    code = "".join(re.findall(r"^```pycon\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    assert code.count(">>>") > 10
    monkeypatch.chdir(tmp_path)
    test = doctest.DocTestParser().get_doctest(code, {}, guide, guide, 0)
    assert doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test).failed == 0


@pytest.mark.parametrize("page", ["README.md", *GUIDES])
def test_links_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", (DOCS / page).read_text(encoding="utf-8"))
    assert links
    for link in links:
        assert (DOCS / link).exists(), link


def test_the_picture_is_there() -> None:
    assert PICTURE.read_bytes().startswith(b"\x89PNG")


def write() -> None:
    PAGES.mkdir(parents=True, exist_ok=True)
    for example in load().values():
        (PAGES / f"{example.name}.md").write_text(written(example), encoding="utf-8")
    (DOCS / "README.md").write_text(index(), encoding="utf-8")
    PICTURE.parent.mkdir(exist_ok=True)
    shown = explanation_of(load()["2-2-2"])
    assert shown is not None
    shown.figure(PICTURE)


if __name__ == "__main__":
    write()
