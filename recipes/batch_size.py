"""Batch size: what the noise of a gradient is, and what it costs to be rid of it.

The lesson: the gradient of a batch is the mean of the gradients of its rows. Rows drawn independently, with
replacement, are off by errors that average out,

    E |g_batch - g|^2 = V / batch        V = 1/n sum of |g_row - g|^2, g the gradient of all n rows

so half the error costs four times the work. A small batch makes many noisy steps per epoch, a large one few good ones.
At one rate the many win, until their noise keeps them from settling; but a step has a price however few its rows.

Protocol: at the initial weights, the mean |g_batch - g|^2 of batches drawn with replacement, against V, which is exact.
Then gradient descent at rate .1, on the digits and on 16,384 generated rows (20 normal numbers; the class is where a
random linear map is largest). Only training rows are used; times are one machine's. Measured: V / batch holds within
1.6 %; the digits' loss after 10 epochs is .28 by batches of 1, .004 by 4, .04 by 16, .24 by 64 and 2.05 by all.

    manualgrad train batch_size
"""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from typing import Any

from jsonargparse.typing import NonNegativeInt, PositiveInt

from manualgrad import cli, training

REFERENCE = "exact: noise times batch over V is 1"
FAST = {"draws": 30, "epochs": 1}
SIZES = {"digits": (1, 4, 16, 64, 256, 1221), "generated": (32, 64, 128, 256, 512, 1024)}


@dataclass
class Config:
    """How closely to look.

    Args:
        draws: Batches drawn to measure the noise.
        epochs: Passes over the rows.
        seed: Of weights, generated rows and draws.
    """

    draws: PositiveInt = 1000
    epochs: PositiveInt = 10
    seed: NonNegativeInt = 0


def noise(network: Any, x: Any, y: Any, sizes: tuple[int, ...], draws: int) -> dict[int, Any]:
    """For each size, the mean |g_batch - g|^2, and V."""
    import torch

    from manualgrad import functional as F

    def gradients(*batches: Any) -> Any:  # of each of (batches, rows) on its own: (batches, parameters)
        one = torch.func.grad(lambda p, x, y: F.cross_entropy(torch.func.functional_call(network, p, x), y))
        found = torch.func.vmap(one, (None, 0, 0))(dict(network.named_parameters()), *batches)
        return torch.cat([g.detach().flatten(1) for g in found.values()], dim=1)

    alone = gradients(x[:, None], y[:, None])
    g = alone.mean(dim=0)
    v = (alone - g).square().sum(dim=1).mean()
    found = {}
    for size in sizes:
        drawn = torch.randint(len(x), (draws, size)).split(max(1, 16_384 // size))
        batch = torch.cat([gradients(x[rows], y[rows]) for rows in drawn])
        found[size] = ((batch - g).square().sum(dim=1).mean().item(), v.item())
    return found


def train(network: Any, loss: Any, batches: Any, epochs: int) -> tuple[float, float]:
    """Seconds per epoch, and the loss of all rows at the end."""
    optimizer, began = training.Optimizer("SGD", lr=0.1).build(network.parameters()), time.perf_counter()
    for epoch in range(epochs):
        batches.set_epoch(epoch)
        for x, y in batches:
            optimizer.zero_grad()
            loss(network(x), y).backward()
            optimizer.step()
    x, y = batches.tensors
    return (time.perf_counter() - began) / epochs, loss(network(x), y).item()


def run(config: Config, run: training.Run) -> dict[str, float]:
    """Noise and training by batch size; the largest error of the law V / batch."""
    import torch

    from manualgrad import nn

    (digits := training.Digits()).setup()
    x, rows = torch.randn(16_384, 20), []
    sets = {"digits": digits.parts["train"], "generated": (x, (x @ torch.randn(20, 10)).argmax(dim=1))}
    for name, (x, y) in sets.items():
        start = nn.Sequential(nn.Linear(x.shape[1], 32), nn.ReLU(), nn.Linear(32, 10))
        for size, (squares, v) in training.once(run, name, noise, start, x, y, SIZES[name], config.draws).items():
            batches = training.Batches((x, y), size, config.seed)
            given = copy.deepcopy(start), nn.CrossEntropyLoss(), batches, config.epochs
            seconds, loss = training.once(run, f"{name} by {size}", train, *given)
            made = {"data": name, "batch": size, "noise": squares, "V / batch": v / size}
            rows.append(made | {"steps per epoch": len(batches), "s per epoch": seconds, "loss at the end": loss})
    training.table(run, rows)
    labels = {"noise": "mean |g_batch - g|^2", "s per epoch": "seconds", "loss at the end": "loss"}
    with training.picture(run, "What the size of a batch decides", columns=3, size=(4.2, 3.8)) as panels:
        for axes, (column, label) in zip(panels, labels.items(), strict=True):
            axes.set(xscale="log", yscale="log", xlabel="rows per batch", ylabel=label, title=column)
            for name, marker in zip(sets, "os", strict=True):
                mine = [row for row in rows if row["data"] == name]
                axes.plot([row["batch"] for row in mine], [row[column] for row in mine], marker, ls="-", label=name)
                if column == "noise":
                    axes.plot([r["batch"] for r in mine], [r["V / batch"] for r in mine], "k:", label="V / batch")
        panels[0].legend()
    return {"noise_error": max(abs(row["noise"] / row["V / batch"] - 1) for row in rows)}


if __name__ == "__main__":
    cli.run_recipe(__file__)
