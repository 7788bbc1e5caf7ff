"""`manualgrad bench`, also `python -m manualgrad.benchmarks`: ours beside torch, in one paired run."""

from __future__ import annotations

import dataclasses
import datetime
import json
import platform
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from manualgrad.arguments import Mistake, Parser, nearest

if TYPE_CHECKING:
    from manualgrad.benchmarks.cases import Case
    from manualgrad.benchmarks.pairs import Ratio


def main(argv: Sequence[str] | None = None) -> int:
    parser = Parser("bench", "Time our gradients beside torch's: the two in turn, one thread, medians of ratios.")
    parser.add_argument("names", nargs="*", help="cases or formulas to time; all of them if none is named")
    parser.add_argument("--rows", action="store_true", help="time every formula of the catalogue at a realistic size")
    parser.add_argument("--compiled", action="store_true", help="with --rows: both under torch.compile")
    parser.add_argument("--training", action="store_true", help="time a training step under Lightning and without it")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--pairs", type=int, default=31, help="pairs of runs for each case")
    parser.add_argument("--json", type=str, default=None, help="also write the results to this file")
    options = parser.parse_args(argv)
    if options.pairs < 3:
        raise Mistake(f"pairs takes 3 or more, got {options.pairs}")
    if options.device.partition(":")[0] not in ("cpu", "cuda"):
        raise Mistake(f"device takes cpu or cuda, got {options.device}{nearest(options.device, ('cpu', 'cuda'))}")
    if options.compiled and not options.rows:
        raise Mistake("--compiled goes with --rows")
    if options.json and not Path(options.json).absolute().parent.is_dir():
        raise Mistake(f"json: there is no folder {Path(options.json).absolute().parent} to write the file into")

    if options.training and (options.rows or options.names):
        raise Mistake("--training goes alone")

    import torch

    if options.training:
        return _training_steps()

    from manualgrad.benchmarks.cases import CASES, row_cases

    if options.device != "cpu" and not torch.cuda.is_available():
        raise Mistake("device cuda: torch sees no CUDA device on this machine")
    cases = row_cases(options.compiled) if options.rows else list(CASES)
    chosen = [c for c in cases if not options.names or any(name in c.name for name in options.names)]
    if not chosen:
        wanted = options.names[0]
        raise Mistake(f"there is no case {wanted}{nearest(wanted, [c.name for c in cases])}")
    torch.set_num_threads(1)
    device = torch.cuda.get_device_name() if options.device != "cpu" else platform.processor() or platform.machine()
    print(f"torch {torch.__version__}, {options.device} ({device}), 1 thread; ratio = our time / torch's\n")
    results = list(_measured(chosen, options.device, options.pairs))
    if options.rows:
        _summary(results)
    if options.json:
        _write(Path(options.json), results, options.device)
    return 0


def _training_steps() -> int:
    import torch

    from manualgrad.benchmarks.steps import LIMITS, training_steps

    torch.set_num_threads(1)
    print("us a training step: digits, batches of 32, with a validation per epoch; medians of 5 rounds\n")
    found = training_steps()
    print(f"{'Lightning, nothing in it':<28} {found['empty']:6.0f}")
    print(f"{'Lightning, its defaults':<28} {found['Lightning']:6.0f}")
    for engine, limit in LIMITS.items():
        print(f"{engine + ', plain loop':<28} {found[f'loop, {engine}']:6.0f}")
        print(f"{engine + ', fit':<28} {found[f'fit, {engine}']:6.0f}   <= {limit:.0f}")
    return 0


def _measured(cases: list[Case], device: str, pairs: int) -> Iterator[tuple[Case, Ratio]]:
    """Measure and print, line by line: a line is the progress."""
    from manualgrad.benchmarks.pairs import paired

    width = max(len(c.name) for c in cases)
    print(f"{'':<{width}}   ratio   quartiles     limit        torch")
    for case in cases:
        ratio = paired(*case.build(device), pairs=pairs)
        verdict = "" if ratio.median <= case.limit else "  over" + (f": {case.reason}" if case.reason else "")
        print(
            f"{case.name:<{width}}   {ratio.median:5.2f}   {ratio.low:4.2f}-{ratio.high:4.2f}   <= {case.limit:4.2f}   "
            f"{ratio.torch_microseconds:7.1f} us{verdict}"
        )
        sys.stdout.flush()
        yield case, ratio


def _summary(results: list[tuple[Case, Ratio]]) -> None:
    ratios = sorted(ratio.median for _, ratio in results)
    print(f"\nmedian over {len(ratios)} formulas {ratios[len(ratios) // 2]:.2f}, slowest {ratios[-1]:.2f}")


def _write(path: Path, results: list[tuple[Case, Ratio]], device: str) -> None:
    import torch

    record: dict[str, Any] = {
        "date": datetime.date.today().isoformat(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "device": torch.cuda.get_device_name() if device != "cpu" else "cpu",
        "cases": {case.name: {"limit": case.limit, **dataclasses.asdict(ratio)} for case, ratio in results},
    }
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(f"\nwritten to {path}")
