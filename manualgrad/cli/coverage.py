"""`manualgrad list --coverage`: all that torch.nn has, and what stands for it here."""

from __future__ import annotations

import json
import sys

from manualgrad.coverage import coverage


def show(format: str) -> None:
    """The coverage as "json", "markdown" or "text": a table on a terminal, on a pipe one line per name with tabs."""
    found = coverage()
    if format == "json":
        print(json.dumps([e._asdict() for e in found], indent=2))
        return
    if format == "markdown":
        print(markdown())
        return
    if not sys.stdout.isatty():
        for e in found:
            print(e.place, e.name, e.ours, e.reason or ("missing" if e.missing else ""), sep="\t")
        return

    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("torch", "here", box=box.SIMPLE_HEAD, pad_edge=False)
    for place in dict.fromkeys(e.place for e in found):
        table.add_row(Text(place, style="dim italic"))
        for e in (e for e in found if e.place == place):
            missing = Text("missing", style="bold red")
            table.add_row(e.name, e.ours or (missing if e.missing else Text(e.reason, style="dim")))
        table.add_section()
    console = Console()
    console.print(table)
    ours, missing_ones = sum(bool(e.ours) for e in found), sum(e.missing for e in found)
    console.print(f"{ours} of {len(found)} are ours, {missing_ones} missing.", highlight=False)


def markdown() -> str:
    """The coverage of the README: how much of torch.nn is ours, and every exception with its reason."""
    found = coverage()
    lines = ["| of | ours | not ours | missing |", "| --- | --- | --- | --- |"]
    for place in dict.fromkeys(e.place for e in found):
        here = [e for e in found if e.place == place]
        counts = (sum(bool(e.ours) for e in here), sum(bool(e.reason) for e in here), sum(e.missing for e in here))
        lines.append(f"| `{place}` | {' | '.join(map(str, counts))} |")
    reasons: dict[str, list[str]] = {}
    for e in found:
        if not e.ours:
            reasons.setdefault(e.reason or "missing", []).append(f"`{e.name}`")
    lines += ["", "<details>", "<summary>what is not ours, and why</summary>", "", "| name | why |", "| --- | --- |"]
    lines += [f"| {', '.join(names)} | {reason} |" for reason, names in reasons.items()]
    return "\n".join([*lines, "", "</details>"])
