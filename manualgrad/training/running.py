"""Runs of a recipe: once, on several splits, or for several values of its settings, each in a folder of its own.

A part that was finished before its run was interrupted is not run again when the run is resumed: its result is in its
`run.json`.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from manualgrad.training.overview import main_metric
from manualgrad.training.run import Run, read_record

Metrics = dict[str, float]
Point = tuple[dict[str, str], Any]  # of a sweep: the settings that make it, as they were given, and its configuration


def run_once(recipe: ModuleType, config: Any, run: Run) -> Metrics:
    """Run the recipe, unless it is finished, and return its test metrics; they are left in `metrics.json` at least."""
    from lightning import seed_everything

    record = read_record(run.folder)
    if run.resumed and "result" in record:
        return record["result"]
    seed_everything(getattr(config, "seed", 0), verbose=False)
    metrics = {name: float(value) for name, value in recipe.run(config, run).items()}
    if metrics and not (run.folder / "metrics.json").exists():
        run.write("metrics.json", metrics)
    run.write("run.json", {**record, "result": metrics})
    return metrics


def run_splits(recipe: ModuleType, config: Any, run: Run, splits: int) -> None:
    """Each split in a folder of its own; the mean and the standard deviation of their test metrics in this run's."""
    results = []
    for split in range(splits):
        print(f"split {split}", flush=True)
        config.data.split = split
        with run.inside(f"split-{split}") as part:
            results.append(run_once(recipe, config, part))
    spread = {name: [result[name] for result in results] for name in results[0]}
    summary = {
        name: {
            "mean": statistics.fmean(values),
            "sd": statistics.stdev(values) if splits > 1 else 0.0,
            "splits": values,
        }
        for name, values in spread.items()
    }
    run.write("metrics.json", summary)
    run.write("run.json", {**read_record(run.folder), "result": summary})
    for name, found in summary.items():
        print(f"{name}: mean {found['mean']:.4f}, sd {found['sd']:.4f} over {splits} splits")


def run_sweep(recipe: ModuleType, points: Sequence[Point], run: Run) -> None:
    """Each point in a folder of its own; a table and a picture of their test metrics in this run's.

    A point whose loss becomes infinite does not end the sweep; it is told in the table and has no metrics.
    """
    from manualgrad.training import NonFiniteLoss, study

    results: list[tuple[dict[str, str], Metrics]] = []
    for settings, config in points:
        name = ",".join(f"{key}={value}" for key, value in settings.items())
        print(f"{name}:", flush=True)
        with run.inside(name.replace("/", "_")) as part:
            try:
                results.append((settings, run_once(recipe, config, part)))
            except NonFiniteLoss as error:
                print(error, flush=True)
                part.write("run.json", {"result": {}})
                results.append((settings, {}))
    names = next((list(metrics) for _, metrics in results if metrics), [])
    rows = [{**settings, **{n: metrics.get(n, "diverged") for n in names}} for settings, metrics in results]
    study.table(run, [{key: v if isinstance(v, str) else f"{v:.4g}" for key, v in row.items()} for row in rows])
    if metric := main_metric(dict.fromkeys(names)):
        _draw(run, results, metric)
        run.write("metrics.json", {metric: [metrics.get(metric) for _, metrics in results]})
    run.write("run.json", {**read_record(run.folder), "result": rows})


def _draw(run: Run, results: Sequence[tuple[Mapping[str, str], Metrics]], metric: str) -> None:
    """The metric against the values of the first setting, with a line for each combination of the others."""
    from manualgrad.training import study

    first, *others = results[0][0]
    lines: dict[str, list[tuple[str, float]]] = {}
    for settings, metrics in results:
        name = ", ".join(f"{key} {settings[key]}" for key in others)
        lines.setdefault(name, []).append((settings[first], metrics.get(metric, float("nan"))))
    values = [value for value, _ in next(iter(lines.values()))]
    numbers = [_number(value) for value in values]
    where = [n for n in numbers if n is not None]
    is_scale = len(where) == len(values)
    with study.picture(run, f"{run.name}: {metric}") as (axes,):
        for name, points in lines.items():
            axes.plot(where if is_scale else values, [y for _, y in points], marker="o", label=name)
        if is_scale:
            if min(where) > 0 and max(where) >= 10 * min(where):
                axes.set_xscale("log")
            axes.set_xticks(where, values)
            axes.minorticks_off()
        axes.set(xlabel=first, ylabel=metric)
        if others:
            axes.legend(frameon=False)


def _number(text: str) -> float | None:
    try:
        value = json.loads(text)
    except ValueError:
        value = float(text) if text.replace(".", "", 1).isdigit() else None  # .01 is no JSON
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
