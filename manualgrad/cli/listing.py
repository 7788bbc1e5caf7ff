"""`manualgrad list`: the catalogue, or the whole docstring of one formula."""

from __future__ import annotations

import ast
import inspect
import json
import sys
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from manualgrad.arguments import Mistake, Parser, nearest
from manualgrad.explaining.formula_text import formula_lines

if TYPE_CHECKING:
    from manualgrad.catalogue import Row


def main(argv: Sequence[str]) -> int:
    parser = Parser("list", "Show the formulas: name, forward and backward; or all that is said about one of them.")
    parser.add_argument("name", nargs="?", help="the formula to show in full")
    parser.add_argument("--coverage", action="store_true", help="all that torch.nn has, and what stands for it here")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--markdown", action="store_true", help="as the Markdown table of the README")
    options = parser.parse_args(argv)
    if options.name and options.coverage:
        raise Mistake("--coverage shows all of torch.nn; it takes no NAME")
    if options.json and options.markdown:
        raise Mistake("--json and --markdown exclude each other")
    if options.name and options.markdown:
        raise Mistake("--markdown shows the whole catalogue; it takes no NAME")
    if options.name and options.name not in (names := names_on_the_shelf()):
        raise Mistake(f"there is no formula {options.name}{nearest(options.name, names)}")

    if options.coverage:
        from manualgrad.cli import coverage

        coverage.show("json" if options.json else "markdown" if options.markdown else "text")
    elif options.markdown:
        print(markdown())
    elif options.json:
        print(json.dumps(entries(options.name), indent=2, ensure_ascii=False))
    elif options.name:
        (found,) = entries(options.name)
        print(f"{found['signature']}\n\n{found['text']}")
    else:
        _show()
    return 0


def names_on_the_shelf() -> list[str]:
    """The names of the formulas, read off the source of `functional.py`, so that a wrong name is told at once."""
    shelf = ast.parse(files("manualgrad").joinpath("functional.py").read_text(encoding="utf-8"))
    ours = [n for n in shelf.body if isinstance(n, ast.ImportFrom) and (n.module or "").startswith("manualgrad.")]
    return [alias.name for node in ours for alias in node.names if not alias.name.endswith("_")]  # not `relu_`


def page(row: Row) -> str:
    """All that is said about a formula: its docstring and, where a family shares a file, that of the file.

    A function that puts formulas together comes first, with what it says itself.
    """
    file = inspect.getmodule(row.told_by)
    assert file is not None
    shared = "" if file.__name__ == "manualgrad.formula" else inspect.cleandoc(file.__doc__ or "")
    is_composed = row.function.__module__.startswith("manualgrad.compositions.")
    parts = [inspect.getdoc(row.function) if is_composed else None, row.text, shared]
    return "\n\n".join(dict.fromkeys(part for part in parts if part))


def signature(function: Callable[..., Any]) -> str:
    """The name and the arguments of a function, without types."""
    typed = inspect.signature(function)
    bare = [p.replace(annotation=p.empty) for p in typed.parameters.values()]
    return f"{function.__name__}{typed.replace(parameters=bare, return_annotation=typed.empty)}"


def entries(name: str | None = None) -> list[dict[str, Any]]:
    """What `--json` says: of the whole catalogue, or of one function on the shelf."""
    from manualgrad import functional
    from manualgrad.catalogue import FAMILIES

    found = [entry(row, family) for family, rows in FAMILIES.items() for row in rows if name in (None, row.name)]
    if not found and name:  # several formulas in a row, without one of its own
        function = getattr(functional, name)
        found = [{"name": name, "signature": signature(function), "text": inspect.getdoc(function)}]
    return found


def entry(row: Row, family: str) -> dict[str, Any]:
    return {
        "name": row.name,
        "signature": signature(row.function),
        "family": family,
        "modules": sorted({f"manualgrad.nn.{drop.module.__name__}" for drop in row.modules}),
        **formula_lines(row.told_by),
        "text": page(row),
    }


def markdown() -> str:
    """The tables of the README, one to unfold for each family."""
    from manualgrad.catalogue import FAMILIES

    lines = []
    for family, rows in FAMILIES.items():
        lines += ["<details>", f"<summary>{family} ({len(rows)})</summary>", ""]
        lines += ["| name | forward | backward |", "| --- | --- | --- |"]
        for row in rows:
            formulas = formula_lines(row.told_by)
            lines.append(f"| `{row.name}` | {_cell(formulas['forward'])} | {_cell(formulas['backward'])} |")
        lines += ["", "</details>", ""]
    return "\n".join(lines).rstrip()


def _cell(lines: list[str]) -> str:
    return "<br>".join(f"`{line.replace('`', '')}`" for line in lines).replace("|", "\\|")


def _show() -> None:
    """A table on a terminal; on a pipe one line per row, its fields separated by tabs."""
    from manualgrad.catalogue import FAMILIES

    if not sys.stdout.isatty():
        for family, rows in FAMILIES.items():
            for row in rows:
                formulas = formula_lines(row.told_by)
                print(family, row.name, *("; ".join(formulas[name]) for name in ("forward", "backward")), sep="\t")
        return

    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("formula", style="bold", no_wrap=True)
    table.add_column("forward", ratio=2)
    table.add_column("backward", ratio=3)
    for family, rows in FAMILIES.items():
        table.add_row(Text(family, style="dim italic"))
        for row in rows:
            formulas = formula_lines(row.told_by)
            table.add_row(row.name, *(Text("\n".join(formulas[name])) for name in ("forward", "backward")))
        table.add_section()
    console = Console()
    console.print(table)
    count = sum(map(len, FAMILIES.values()))
    console.print(f"{count} formulas; manualgrad list NAME tells all about one.", highlight=False)
