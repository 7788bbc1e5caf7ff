"""What `check` reaches beside torch's gradcheck, on the corpus: `python -m tests.checking.figures` measures it anew.

The figures are kept in `figures.json`; the README and `docs/codes.md` are written from there. gradcheck gets float64
copies, asks for every gradient, those of a module's parameters too, and is not asked about what it has no way of
knowing (a reference, a declared surrogate, nested inputs). With every flag, it also checks forward mode where there is
a `jvp`, batched and undefined gradients, and gradgradcheck. A wrong Function is caught if it returns False or raises;
on a right one that is a false alarm. Times are processor time, the two in turn, the median of the ratios of seven
pairs.
"""

from __future__ import annotations

import copy
import inspect
import json
import os
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function, gradcheck, gradgradcheck

from manualgrad.checking import check
from tests.checking.corpus import EXAMPLES, Example

FILE = Path(__file__).parent / "figures.json"
PAIRS = 7


class OneWrongEntry(Function):
    """x^3, and the slope of one element among 10,000 is three times too large."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        slope = 3 * x**2
        slope[37, 61] = 3 * slope[37, 61]
        return dy * slope


def asked(example: Example) -> Callable[..., bool] | None:
    """gradcheck of the example with these flags, or None for what it cannot be asked."""
    tensors = [x for x in example.inputs if isinstance(x, Tensor)]
    nested = any(isinstance(x, (list, tuple, dict)) for x in example.inputs)
    if nested or not tensors or set(example.options) & {"reference", "surrogate"}:
        return None
    fn, count = example.fn, len(example.inputs)
    module = copy.deepcopy(fn).double() if isinstance(fn, nn.Module) else None
    parameters = {n: p for n, p in module.named_parameters() if p.requires_grad} if module is not None else {}

    def by_parameters(*inputs: Any) -> Any:
        """The module as a function of its parameters too; gradcheck moves them where they are, and costs least so."""
        assert module is not None
        return module(*inputs[:count])

    def functional(*inputs: Any) -> Any:
        """The same for forward mode, which hands over other tensors."""
        assert module is not None
        return torch.func.functional_call(module, dict(zip(parameters, inputs[count:], strict=True)), inputs[:count])

    function = inspect.isclass(fn)
    call = by_parameters if module is not None else fn.apply if function else fn
    has_jvp = not function or fn.jvp is not Function.jvp

    def run(every_flag: bool = False) -> bool:
        torch.manual_seed(0)
        inputs = [*(_wide(x) if isinstance(x, Tensor) else x for x in example.inputs), *parameters.values()]
        flags: dict[str, Any] = {"check_forward_ad": has_jvp, "check_batched_grad": True} if every_flag else {}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                whole = functional if module is not None and every_flag else call
                right = bool(gradcheck(whole, inputs, raise_exception=False, **flags))
                return right and (not every_flag or bool(gradgradcheck(whole, inputs, raise_exception=False)))
        except Exception:  # the Function's own, or gradcheck's refusal
            return False

    return run


def _wide(x: Tensor) -> Tensor:
    if not (x.is_floating_point() or x.is_complex()):
        return x
    return x.detach().to(torch.complex128 if x.is_complex() else torch.float64, copy=True).requires_grad_()


def survives(run: Callable[..., bool], every_flag: bool) -> bool:
    """The answer of `run`, asked in a child process: gradcheck of batched gradients can be a segmentation fault."""
    child = os.fork()
    if not child:
        os._exit(0 if run(every_flag) else 1)
    return os.waitpid(child, 0)[1] == 0


def named(example: Example) -> tuple[bool, bool]:
    """Whether `check` finds the mistake, and whether it names it first."""
    report = check(example.fn, *example.inputs, **example.options)
    first = next((f for f in report.findings if f.severity != "note" or f.code in example.codes), None)
    return first is not None, first is not None and first.code in example.codes


def alarmed(example: Example) -> bool:
    """Whether `check` finds anything above a note in a right one."""
    report = check(example.fn, *example.inputs, **example.options)
    return any(f.severity != "note" for f in report.findings)


def seconds(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def measured() -> dict[str, Any]:
    """Everything; takes about two minutes."""
    torch.set_num_threads(1)
    wrong, right = [e for e in EXAMPLES if e.codes], [e for e in EXAMPLES if not e.codes]
    ours = [named(e) for e in wrong]
    figures: dict[str, Any] = {
        "torch": torch.__version__.partition("+")[0],
        "wrong": len(wrong),
        "right": len(right),
        "caught": sum(caught for caught, _ in ours),
        "named": sum(name for _, name in ours),
        "alarms": sum(map(alarmed, right)),
    }
    for name, every_flag in (("plain", False), ("every flag", True)):
        runs = [run for e in wrong if (run := asked(e))], [run for e in right if (run := asked(e))]
        figures[name] = {
            "wrong": len(runs[0]),
            "right": len(runs[1]),
            "caught": sum(not survives(run, every_flag) for run in runs[0]),
            "alarms": sum(not survives(run, every_flag) for run in runs[1]),
        }
    return figures | {"time": timed(right), "large": large()}


def timed(right: list[Example]) -> dict[str, Any]:
    """Time beside plain gradcheck, on the right ones that it passes; on the others it stops half way."""
    ratios, longest = {}, 0.0
    for e in right:
        theirs = asked(e)
        if theirs is None:
            continue

        def ours(e: Example = e) -> object:
            return check(e.fn, *e.inputs, **e.options)

        passes = theirs()
        ours()
        pairs = [(seconds(ours), seconds(theirs)) for _ in range(PAIRS)]
        longest = max(longest, min(a for a, _ in pairs))
        if passes:
            ratios[e.name] = statistics.median(a / b for a, b in pairs)
    worst = max(ratios, key=lambda name: ratios[name])
    return {
        "functions": len(ratios),
        "median": round(statistics.median(ratios.values()), 1),
        "within 4": sum(r <= 4 for r in ratios.values()),
        "worst": round(ratios[worst], 1),
        "slowest": worst,
        "longest": round(longest, 3),
    }


def large() -> dict[str, Any]:
    """A layer of ordinary size, and one wrong entry among many."""
    generator = torch.Generator().manual_seed(0)
    layer, x = nn.Linear(64, 64), torch.randn(8, 64, generator=generator)
    wide = [_wide(x), *map(_wide, layer.parameters())]
    points = [torch.randn(100, 100, generator=generator, dtype=torch.float64) for _ in range(20)]
    return {
        "linear": round(seconds(lambda: check(layer, x).raise_if_failed()), 2),
        "linear, gradcheck": round(seconds(lambda: gradcheck(nn.functional.linear, wide)), 1),
        "one in 10,000": sum(_found(p) for p in points),
        "one in 10,000, gradcheck fast": sum(
            not gradcheck(OneWrongEntry.apply, _wide(p), fast_mode=True, raise_exception=False) for p in points
        ),
        "points": len(points),
    }


def _found(x: Tensor) -> bool:
    finding = check(OneWrongEntry, x).findings[0]
    return finding.severity == "error" and finding.index == (37, 61)


def table() -> str:
    """The figures as the table of the README."""
    f = json.loads(FILE.read_text(encoding="utf-8"))
    plain, flags, cost, large = f["plain"], f["every flag"], f["time"], f["large"]

    def share(part: int, whole: int) -> str:
        percent = 100 * part / whole
        return f"{percent:.1f} %" if 0 < percent < 10 or 99 < percent < 100 else f"{percent:.0f} %"

    rows = [
        ("", "gradcheck", "with every flag", "`manualgrad.check`"),
        ("---", "---", "---", "---"),
        (
            f"wrong Functions caught, of {f['wrong']}",
            share(plain["caught"], plain["wrong"]),
            share(flags["caught"], flags["wrong"]),
            share(f["caught"], f["wrong"]),
        ),
        ("the mistake named first", "-", "-", share(f["named"], f["wrong"])),
        (
            f"false alarms on right ones, of {f['right']}",
            share(plain["alarms"], plain["right"]),
            share(flags["alarms"], flags["right"]),
            share(f["alarms"], f["right"]),
        ),
        (
            "one wrong entry among 10,000 found",
            f"fast mode: {large['one in 10,000, gradcheck fast']} of {large['points']}",
            "",
            f"{large['one in 10,000']} of {large['points']}",
        ),
        ("time, a 64 x 64 linear layer", f"{large['linear, gradcheck']:g} s", "", f"{large['linear']:g} s"),
        (
            "time, small Functions",
            "1",
            "",
            f"{cost['median']:g}, the median of {cost['functions']}; {cost['worst']:g} at most, under "
            f"{_rounded_up(cost['longest']):g} s",
        ),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _rounded_up(value: float) -> float:
    return next(x for x in (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 10.0) if value < x)


if __name__ == "__main__":
    FILE.write_text(json.dumps(measured(), indent=2) + "\n", encoding="utf-8")
    print(table())
