"""Learning rate: y = 3x learned by five rates, three below the stability limit and two above.

The lesson: gradient descent on a quadratic loss with second derivatives H multiplies the error e, in each step, by

    e' = (I - rate H) e        along the eigenvector of the eigenvalue h:  e' = (1 - rate h) e

so it converges if and only if |1 - rate h| < 1 for the largest h, that is, rate < 2 / h_max. For y = w x + b at
x = 1, 2, 3, 4 with the mean squared error,

    H = 2/n [[sum x^2, sum x], [sum x, n]] = [[15, 5], [5, 2]]        h_max = 16.7006        limit = 0.119756

Just below the limit the weight swings for long, just above it without end; far below it is slow, because the smallest
h, 0.299, decides when the last error is gone. (The document that the example is from has a rate of 1 end near 3 as
well. It does not: after two epochs the weight is -660.)

Protocol: w = b = 0 at first, a step on all four points per epoch, float64; H is differentiated from our formulas. A
run whose loss has grown is said to diverge, and is stopped where it is no longer a finite number.
Measured: after 1000 epochs w is 2.9845 (rate .01), 3.0000 (.1), 3.0000 (.119), -6e5 (.1205); rate 1 is infinite at 128.

    manualgrad train learning_rate
    manualgrad train learning_rate --rates "[0.05, 0.11, 0.13]"
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from jsonargparse.typing import PositiveFloat, PositiveInt

from manualgrad import cli, training

REFERENCE = "exact: the limit is 0.119756; w is 2.984488 after 1000 epochs at rate .01"
FAST = {"epochs": 300}


@dataclass
class Config:
    """The rates and how long to train.

    Args:
        rates: Learning rates.
        epochs: Steps, each on all four points.
    """

    rates: list[PositiveFloat] = field(default_factory=lambda: [0.01, 0.1, 0.119, 0.1205, 1.0])
    epochs: PositiveInt = 1000


def descend(rate: float, epochs: int) -> Any:
    """w, b and the loss, (epochs + 1, 3), before the first step and after each, up to a loss that is not finite."""
    import torch

    from manualgrad import functional as F

    x = torch.arange(1.0, 5.0, dtype=torch.float64)[:, None]
    w, b = (torch.zeros(shape, dtype=torch.float64, requires_grad=True) for shape in ((1, 1), (1,)))
    optimizer = torch.optim.SGD([w, b], lr=rate)
    path: list[tuple[float, float, float]] = []
    while not path or (len(path) <= epochs and math.isfinite(path[-1][2])):
        loss = F.mse_loss(F.linear(x, w, b), 3 * x)
        path.append((w.item(), b.item(), loss.item()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return torch.tensor(path, dtype=torch.float64)


def run(config: Config, run: training.Run) -> dict[str, float]:
    """Descend by every rate; returns the limit, how many rates diverged, and the last weights of the others."""
    import torch

    from manualgrad import functional as F

    x = torch.arange(1.0, 5.0, dtype=torch.float64)[:, None]
    second = torch.func.hessian(lambda p: F.mse_loss(F.linear(x, p[:1, None], p[1:]), 3 * x))
    curvatures = torch.linalg.eigvalsh(second(torch.zeros(2, dtype=torch.float64)))
    found, rows, paths = {"limit": 2 / curvatures.max().item(), "diverged": 0.0}, [], {}
    for rate in config.rates:
        paths[rate] = path = training.once(run, f"rate {rate}", descend, rate, config.epochs)
        w, loss = path[:, 0].tolist(), path[:, 2]
        if loss[-1] < loss[0]:
            found[f"weight_{rate:g}"] = w[-1]
            what = "converges"
        else:
            found["diverged"] += 1
            what = "DIVERGES" if loss[-1].isfinite() else f"DIVERGES, infinite at epoch {len(w) - 1}"
        early = {f"w({k})": w[k] if k < len(w) else math.nan for k in (1, 2, 3, 10)}
        rows.append({"rate": rate, "rate / limit": rate / found["limit"], **early, "w at the end": w[-1], "": what})
    training.table(run, rows)
    draw(run, paths, curvatures)
    return found


def draw(run: training.Run, paths: dict[float, Any], curvatures: Any) -> None:
    """Left, the weight by epoch; right, what a step multiplies the error by, predicted (line) and measured (marks)."""
    import torch

    limit, rates = 2 / curvatures.max(), torch.logspace(-2.3, 0.3, 300, dtype=torch.float64)
    with training.picture(run, "Gradient descent on y = 3x is stable below 2 / h_max", columns=2) as (left, right):
        left.set(xlabel="epoch", ylabel="weight w (true: 3)", title="The weight")
        left.set(xlim=(0, 20), xticks=range(0, 21, 5), ylim=(-3, 9))
        right.set(xlabel="learning rate", ylabel="error after a step / before it", xscale="log", yscale="log")
        right.set(title="The error's factor (line: largest |1 - rate h|)")
        right.plot(rates, (1 - rates[:, None] * curvatures).abs().amax(1), color="0.3")
        right.axvspan(limit, 2, color="0.9", label=f"diverges: rate > {limit:.6f}")
        for number, (rate, path) in enumerate(paths.items()):
            style = {"marker": "osD^v"[number % 5], "markersize": 5, "label": f"rate {rate:g}"}
            (line,) = left.plot(path[:21, 0], **style)
            error = (path[:62, :2] - torch.tensor([3, 0])).norm(dim=1)  # by step 60 the largest factor rules
            right.plot(rate, error[-1] / error[-2], color=line.get_color(), linestyle="", **style)
        right.legend()


if __name__ == "__main__":
    cli.run_recipe(__file__)
