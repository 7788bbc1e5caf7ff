"""What a check found, as text, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

# Every code that a finding can have, in the order in which causes explain one another: a backward that overwrites its
# upstream gradient may also look like a wrong factor, and the first is the cause.
CODES = {
    "forward": "the forward values differ from the reference",
    "detached": "the output is cut off from an input it depends on",
    "arity": "backward returns the wrong number of gradients",
    "nondeterministic": "two runs on the same values differ",
    "mutates-upstream": "backward overwrites the upstream gradient",
    "mutates-input": "an input or saved tensor is overwritten and autograd is not told",
    "stale-state": "backward uses what a later forward left behind",
    "ignores-upstream": "backward does not multiply by the upstream gradient",
    "nonlinear-upstream": "backward is not linear in the upstream gradient",
    "missing": "an input has a derivative and gets no gradient",
    "spurious": "an input gets a gradient and has no derivative",
    "surrogate": "a gradient that is not, or is declared not to be, the derivative",
    "swapped": "the gradients of two inputs are exchanged",
    "transpose": "the gradient is transposed",
    "missing-sum": "the gradient is not summed over the places where the input was repeated",
    "shape": "the gradient has the wrong shape",
    "sign": "the gradient has the wrong sign",
    "scale": "the gradient is a constant multiple of the derivative",
    "reversed": "the gradient runs the wrong way along a dimension",
    "shifted": "the gradient is moved along a dimension",
    "wrong-axis": "the gradient sums or spreads along the wrong dimension",
    "cross-terms": "only part of a coupled derivative: elements influence one another and the gradient leaves that out",
    "partial": "the gradient is right on some elements only",
    "missing-factor": "a local factor is missing",
    "extra-factor": "there is a local factor too many",
    "wrong-operand": "the gradient uses one quantity where another is needed",
    "missing-term": "a term of a sum is missing",
    "unstable": "infinite or NaN where the truth is finite",
    "precision": "digits are lost",
    "dtype": "the wrong dtype",
    "mismatch": "the gradient is wrong and no simple mistake explains it",
    "ignores-needs-input-grad": "gradients are computed that nobody asked for",
    "double-backward": "the second derivative is wrong, or silently cut",
    "forward-ad": "forward-mode differentiation (jvp) is wrong",
    "noncontiguous": "tensors with other strides give other results",
    "undefined-grad": "an upstream gradient that is missing is not handled",
    "vmap": "torch.vmap gives other results",
    "compile": "torch.compile gives other results",
    "autocast": "torch.autocast breaks it",
    "saved-on-ctx": "an input or output is kept on ctx and not saved with save_for_backward",
    "kink": "the derivative does not exist at this point",
}
SEVERITIES = ("error", "warning", "note")
_RANK = {code: k for k, code in enumerate(CODES)}


class CheckError(ValueError):
    """What was handed to `check` cannot be checked; the message says why."""


class GradientError(AssertionError):
    """Raised by `Report.raise_if_failed`: the gradient is wrong."""


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    `code` is one of `CODES`; `severity` is "error" (the gradient is wrong), "warning" (right here, wrong elsewhere) or
    "note"; `input` names the argument or parameter and `index` its worst element, where there is one.
    """

    code: str
    severity: str
    input: str | None
    index: tuple[int, ...] | None
    message: str
    advice: str = ""

    @property
    def where(self) -> str:
        """`weight[1, 2]`, `weight`, or nothing."""
        if self.input is None:
            return ""
        return self.input + (f"[{', '.join(map(str, self.index))}]" if self.index else "")

    def __str__(self) -> str:
        return f"{self.severity} [{self.code}] {self.message}" + (f" {self.advice}" if self.advice else "")


def error(
    code: str, message: str, advice: str = "", input: str | None = None, index: tuple[int, ...] | None = None
) -> Finding:
    """A finding that says that the gradient is wrong."""
    return Finding(code, "error", input, index, message, advice)


def warning(
    code: str, message: str, advice: str = "", input: str | None = None, index: tuple[int, ...] | None = None
) -> Finding:
    """A finding that says that the gradient is right here and wrong elsewhere."""
    return Finding(code, "warning", input, index, message, advice)


def note(
    code: str, message: str, advice: str = "", input: str | None = None, index: tuple[int, ...] | None = None
) -> Finding:
    """A finding that says what is good to know."""
    return Finding(code, "note", input, index, message, advice)


def first_line(error: BaseException) -> str:
    """What an exception says, short enough to stand in a sentence."""
    text = str(error).strip().split("\n")[0]
    return f"{type(error).__name__}: {text[:160].rstrip('.')}" if text else type(error).__name__


@dataclass
class Report:
    """The result of `check`: `passed`, the `findings` with the most likely cause first, and what was `tried`."""

    title: str
    findings: list[Finding]
    tried: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.findings.sort(key=lambda f: (SEVERITIES.index(f.severity), _RANK[f.code]))

    @property
    def passed(self) -> bool:
        """No finding is an error."""
        return all(f.severity != "error" for f in self.findings)

    @property
    def verdict(self) -> str:
        """One line: right, or what is wrong."""
        errors = [f for f in self.findings if f.severity == "error"]
        if not errors:
            warnings = sum(f.severity == "warning" for f in self.findings)
            return f"{self.title}: right" + (f", with {warnings} warning{'s' * (warnings > 1)}" if warnings else "")
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        return f"{self.title}: wrong, {errors[0].code}: {errors[0].message}{more}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values only, ready for `json.dumps`."""
        return {
            "title": self.title,
            "passed": self.passed,
            "findings": [asdict(f) | {"index": None if f.index is None else list(f.index)} for f in self.findings],
            "tried": list(self.tried),
            "seconds": round(self.seconds, 6),
        }

    def raise_if_failed(self) -> None:
        """Raise `GradientError`, with one short message, if a finding is an error."""
        __tracebackhide__ = True  # pytest shows the line of the test, not this one
        errors = [f for f in self.findings if f.severity == "error"]
        if errors:
            advice = f"\n  {errors[0].advice}" if errors[0].advice else ""
            rest = "".join(f"\n  also [{f.code}] {f.message}" for f in errors[1:])
            raise GradientError(f"{self.title}: [{errors[0].code}] {errors[0].message}{advice}{rest}")

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield self.verdict if self.passed else f"{self.title}: wrong"
        for f in self.findings:
            yield f"  {f.severity} [{f.code}] {f.message}"
            if f.advice:
                yield f"    {f.advice}"
        for line in self.tried:
            yield f"  tried: {line}"

    def __rich__(self) -> Any:
        """The same as a table, for `rich.print` and terminals."""
        from rich import box
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        colour = {"error": "red", "warning": "yellow", "note": "cyan"}
        head = Text(self.title, style="bold") + Text(": ")
        head += Text("right", style="bold green") if self.passed else Text("wrong", style="bold red")
        parts: list[Any] = [head]
        if self.findings:
            table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
            for column in ("", "code", "where"):
                table.add_column(column, no_wrap=True)
            table.add_column("what and what to do", overflow="fold")
            for f in self.findings:
                style = colour[f.severity]
                what = Text(f.message) + (Text("\n" + f.advice, style="dim") if f.advice else Text())
                table.add_row(Text(f.severity, style=style), Text(f.code, style=style), Text(f.where), what)
            parts.append(table)
        parts += [Text(f"tried: {line}", style="dim") for line in self.tried]
        return Group(*parts)
