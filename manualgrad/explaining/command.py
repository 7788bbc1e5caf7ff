"""`manualgrad explain`: the worked examples of the documents, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from manualgrad.arguments import Mistake, Parser, nearest
from manualgrad.explaining.examples import Example, load

MOST_STEPS = 1_000_000


def main(argv: Sequence[str]) -> int:
    parser = Parser(
        "explain", "Work a textbook's example through: forward, loss, backward, update, its figures and ours."
    )
    parser.add_argument("name", nargs="?", help="the example; --list shows them all")
    parser.add_argument("--list", action="store_true", help="the examples")
    parser.add_argument("--html", type=str, default=None, help="also write a page to step through, to this file")
    parser.add_argument("--steps", type=int, default=None, help="train for so many steps, and show them")
    options = parser.parse_args(argv)
    examples = load()
    if options.list:
        if options.name or options.html or options.steps is not None:
            raise Mistake("--list goes alone")
        _list(list(examples.values()))
        return 0
    if options.name is None:
        raise Mistake("name an example; --list shows them all")
    if options.name not in examples:
        raise Mistake(f"there is no example {options.name}{nearest(options.name, examples)} (--list shows them all)")
    example = examples[options.name]
    if options.steps is not None and not 1 <= options.steps <= MOST_STEPS:
        raise Mistake(f"steps takes 1 to {MOST_STEPS}, got {options.steps}")
    page = _writable(options.html)

    from manualgrad.explaining.examples.graphs import explanation_of
    from manualgrad.explaining.examples.report import report

    explanation = explanation_of(example)
    if page is not None and explanation is None:
        raise Mistake(f"{example.name} is arithmetic; there is no network to draw")
    try:
        print(report(example, options.steps), end="")
    except ValueError as error:
        raise Mistake(str(error)) from None
    if page is not None and explanation is not None:
        try:
            explanation.html(page)
        except OSError as error:
            raise Mistake(f"html: {page} cannot be written: {error.strerror}") from None
        print(f"\nThe page is in {page}")
    return 0


def _writable(html: str | None) -> Path | None:
    """The file that the page goes into; a folder that is not there is told before anything is computed."""
    if html is None:
        return None
    path = Path(html)
    if path.is_dir():
        raise Mistake(f"html: {path} is a folder; name a file")
    if not path.absolute().parent.is_dir():
        raise Mistake(f"html: there is no folder {path.absolute().parent} to write the file into")
    return path


def _list(examples: list[Example]) -> None:
    width = max(len(e.name) for e in examples)
    for e in examples:
        wrong = f" (the document is wrong in {len(e.wrong)})" if e.wrong else ""
        figures = "1 figure" if len(e.checks) == 1 else f"{len(e.checks)} figures"
        print(f"{e.name:<{width}}  {e.title}: {figures}{wrong}")
