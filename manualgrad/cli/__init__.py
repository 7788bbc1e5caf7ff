"""The `manualgrad` command: a table of subcommands, each run by the `main(argv)` of its own module.

The module is imported when its command is called, so that help and usage errors come without importing torch. `main`
gets the arguments after the command's name and returns the exit status, None for 0. A `Mistake` that it raises becomes
one line on stderr and status 2; Ctrl-C becomes one line and status 130.
"""

from __future__ import annotations

import errno
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import NamedTuple, NoReturn

from manualgrad import __version__
from manualgrad.arguments import USAGE_ERROR, Mistake, nearest
from manualgrad.training.stopping import Interrupted


class Command(NamedTuple):
    help: str
    module: str


COMMANDS = {
    "demo": Command("prove every formula, then train with them beside torch.nn", "manualgrad.cli.demo"),
    "list": Command("show the formulas, or one of them in full", "manualgrad.cli.listing"),
    "explain": Command("work a textbook's example through, step by step", "manualgrad.explaining.command"),
    "check": Command("find the mistake in a gradient of your own", "manualgrad.checking.command"),
    "mutate": Command("put mistakes into a Function: do its tests notice?", "manualgrad.mutation.command"),
    "train": Command("train a recipe, or list the recipes", "manualgrad.training.command"),
    "bench": Command("time our gradients beside torch's", "manualgrad.benchmarks.command"),
}

BROKEN_PIPE = 141  # what a shell reports for a program ended by SIGPIPE


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv`, None for the process's own arguments, and return the exit status."""
    _replace_closed_streams()
    words = list(sys.argv[1:] if argv is None else argv)
    command = words[0] if words and words[0] in COMMANDS else None
    try:
        status = _run(command, words)
        sys.stdout.flush()
        return status
    except Mistake as mistake:
        name = f"manualgrad {command}" if command else "manualgrad"
        print(f"{name}: {mistake}\nSee {name} --help", file=sys.stderr)
        return USAGE_ERROR
    except KeyboardInterrupt:
        return _interrupted()
    except Interrupted as ended:
        return _interrupted(ended.number)
    except SystemExit as end:
        if isinstance(end.__context__, KeyboardInterrupt):  # Lightning answers Ctrl-C with exit(1)
            return _interrupted()
        raise
    except BrokenPipeError:  # `manualgrad list | head`: the reader has seen enough
        _drop_output()
        return BROKEN_PIPE
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        print(f"manualgrad {command}: no space left on the device", file=sys.stderr)
        _drop_output()
        return 1


def run_recipe(file: str) -> NoReturn:
    """What a recipe's file does as a program: `manualgrad train FILE` with the process's own arguments."""
    sys.exit(main(["train", file, *sys.argv[1:]]))


def _replace_closed_streams() -> None:
    """Where the shell closed a stream (`>&-`) Python has None: what is written there goes nowhere instead.

    That also takes the stream's number, which a file opened later would have got, with all that is printed in it.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115  # to the process's end


def _drop_output() -> None:
    """What is still to be written at the end of the process goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(command: str | None, words: list[str]) -> int:
    if command is not None:
        return importlib.import_module(COMMANDS[command].module).main(words[1:]) or 0
    if not words or words[0] in ("-h", "--help"):
        print(_help(), file=sys.stdout if words else sys.stderr)
        return 0 if words else USAGE_ERROR
    if words[0] == "--version":
        print(f"manualgrad {__version__} (torch {version('torch')}, Python {sys.version.split()[0]})")
        return 0
    kind, known = ("option", ["--help", "--version"]) if words[0].startswith("-") else ("command", list(COMMANDS))
    raise Mistake(f"there is no {kind} {words[0]}{nearest(words[0], known)} ({', '.join(known)})")


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {command.help}" for name, command in COMMANDS.items()]
    return "\n".join(
        (
            "usage: manualgrad COMMAND ...",
            "",
            "Every gradient written by hand, proved right, explained on paper, and fast enough to train with.",
            "",
            *lines,
            "",
            "manualgrad COMMAND --help says more; manualgrad --version tells the versions.",
        )
    )


def _interrupted(number: int = signal.SIGINT) -> int:
    print("manualgrad: interrupted", file=sys.stderr)
    return 128 + number  # what a shell reports for a program ended by a signal
