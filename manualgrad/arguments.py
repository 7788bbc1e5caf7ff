"""How the commands read their arguments, and how they answer a mistake: in one line, with the nearest right word.

Every subcommand makes a `Parser` and raises `Mistake` for what it finds wrong itself. Nothing here imports torch, so
that help and usage errors come at once.
"""

from __future__ import annotations

import difflib
import itertools
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from jsonargparse import ArgumentParser, Namespace

USAGE_ERROR = 2


class Mistake(Exception):
    """A mistake of the user's: its text is shown in one line, without a traceback, and the exit status is 2."""


def nearest(word: str, words: Iterable[str], prefix: str = "") -> str:
    """`"; did you mean X?"` for the one of `words` that is most like `word`, or nothing if none is like it.

    `prefix` is shown before the word.

    >>> nearest("sigmiod", ["sigmoid", "linear"])
    '; did you mean sigmoid?'
    >>> nearest("xyz", ["sigmoid", "linear"])
    ''
    """
    by_folded = {w.lower(): w for w in words}
    close = difflib.get_close_matches(word.lower(), by_folded, n=1, cutoff=0.5)
    return f"; did you mean {prefix}{by_folded[close[0]]}?" if close else ""


class Parser(ArgumentParser):
    """jsonargparse's parser of options and configuration files, with errors of one line and no abbreviations.

    `Parser("train", "Run a recipe.")` is the parser of `manualgrad train`.

    >>> parser = Parser("train", "Run a recipe.")
    >>> _ = parser.add_argument("--batch_size", type=int, default=32)
    >>> parser.parse_args(["--batch_sise", "8"])
    Traceback (most recent call last):
    manualgrad.arguments.Mistake: there is no option --batch_sise; did you mean --batch_size?
    >>> parser.parse_args(["--batch_size", "many"])
    Traceback (most recent call last):
    manualgrad.arguments.Mistake: batch_size takes int, got many
    """

    def __init__(self, command: str = "", description: str = "", **keywords: Any) -> None:
        prog = keywords.pop("prog", f"manualgrad {command}")  # jsonargparse makes further parsers of this class itself
        super().__init__(prog=prog, description=description, allow_abbrev=False, **keywords)
        self._given: Sequence[str] = ()

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Namespace | None = None, **keywords: Any
    ) -> Namespace:
        self._given = sys.argv[1:] if args is None else list(args)
        try:
            return super().parse_args(self._given, namespace, **keywords)
        except UnicodeDecodeError:
            raise Mistake(f"{self._files()} is not YAML: it is not even text") from None

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        raise Mistake(self._said_plainly(message)) from None

    def _said_plainly(self, message: str) -> str:
        if found := re.match(r'Parser key "(.+?)":\s+(.*)', message, re.DOTALL):
            name, reason = found.groups()
            return f"{name}{_of_a_value(reason)}{self._in_the_file(name)}"
        if found := re.match(r"Option '(.+)' is not accepted|Group '(.+)' does not accept option '(.+)'", message):
            name = found[1] or f"{found[2]}.{found[3]}"
            return f"there is no setting {name}{self._nearest(name, '')}{self._in_the_file(name)}"
        if message.startswith("Problems parsing config: "):
            reason = message.partition(": ")[2].replace('in "<unicode string>", ', "in ")
            return f"{self._files()} is not YAML: {_one_line(reason)}"
        if message.startswith("Unexpected config: "):
            return f"{self._files()} must hold settings, one `name: value` a line"
        # argparse may take the value of an unknown option for a positional argument and complain about that.
        for word in self._given:
            name = word.partition("=")[0]
            if re.match("--?[a-zA-Z]", name) and name not in self._option_string_actions:
                return f"there is no option {name}{self._nearest(name.lstrip('-'), '--')}"
        if found := re.match(r"argument (\S+): invalid choice: '?(.*?)'? \(choose from (.*)\)", message):
            name, value, choices = found[1], found[2], found[3].replace("'", "")
            return f"there is no {name} {value}{nearest(value, choices.split(', '))} ({choices})"
        message = message.replace("unrecognized arguments: ", "too many arguments: ")
        return re.sub("^argument (--)?", "", _one_line(message))

    def _nearest(self, name: str, prefix: str) -> str:
        """The setting that is most like `name`, first among those that end so: `lr` is `optimizer.lr`."""
        settings = [option.removeprefix("--") for option in self._option_string_actions if option.startswith("--")]
        same_end = next((setting for setting in settings if setting.endswith(f".{name}")), None)
        return f"; did you mean {prefix}{same_end}?" if same_end else nearest(name, settings, prefix)

    def _files(self) -> str:
        """The configuration files that were named."""
        words = [part for word in self._given for part in (word.split("=", 1) if word[:2] == "--" else [word])]
        return ", ".join(value for option, value in itertools.pairwise(words) if option == "--config")

    def _in_the_file(self, name: str) -> str:
        """`" (in FILE)"` if the setting was not given as an option: then a configuration file has it."""
        given = any(word.partition("=")[0] == f"--{name}" for word in self._given)
        return f" (in {self._files()})" if self._files() and not given and name != "config" else ""


def _of_a_value(reason: str) -> str:
    """What jsonargparse says of a value that does not fit, to stand after the setting's name."""
    if found := re.match(r"Expected an? (.*)\. Got value: (.*)", reason, re.DOTALL):
        choices = _type_in_words(found[1])
        return f" takes {choices}, got {found[2]}{nearest(found[2], choices.split(' or '))}"
    if found := re.match(r"Not of type \w+: (.*) does not conform to restriction (.*)", reason):
        return f" must be {found[2].replace('v', '')}, got {found[1]}"
    if found := re.match(r"Not of type (\w+): .*: '(.*)'", reason):
        return f" takes a {_type_in_words(found[1])}, got {found[2]}"
    if found := re.search(r"Subtypes: \[(.*)\]$.*Given value: (.*)", reason, re.MULTILINE | re.DOTALL):
        return f" takes {' or '.join(map(_type_in_words, found[1].split(', ')))}, got {found[2]}"
    if found := re.match(r"Unable to load config '(.*)'$", reason, re.MULTILINE):
        return f" takes settings, name: value, got {found[1]}"
    return f": {_one_line(reason)}"


def _type_in_words(expected: str) -> str:
    """`<class 'int'>` is int, `PositiveInt` positive int, `typing.Literal['a', 'b']` a or b.

    >>> _type_in_words("<class 'NoneType'>"), _type_in_words("typing.Literal['a', 'b']"), _type_in_words("PositiveInt")
    ('null', 'a or b', 'positive int')
    """
    expected = re.sub(r"^<class '(.*)'>$", r"\1", expected).removeprefix("jsonargparse.").removeprefix("typing.")
    if found := re.fullmatch(r"Literal\[(.*)\]", expected):
        return " or ".join(choice.strip("'\" ") for choice in found[1].split(","))
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", expected).lower().replace("none type", "null")


def _one_line(text: str) -> str:
    return " ".join(text.split())
