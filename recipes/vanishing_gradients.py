"""Vanishing gradients: their norm by layer, for every depth, activation, initialisation and normalisation.

The lesson: of  z_k = W_k a_(k-1) + b,  a_k = f(z_k)  the gradient going back is multiplied by a matrix and a slope,

    dz_k = (dz_(k+1) W_(k+1)) f'(z_k)        |dz_k| <= |dz_(k+1)| |W_(k+1)| max f'

with the spectral norm of W. The slope of the sigmoid is at most 0.25, so through `depth` layers

    |dz_1| <= |dz_out| 0.25^depth |W_2| |W_3| ... |W_out|

whatever the data: unless its weights are large, a deep network of sigmoids cannot learn in its first layers. The slope
of tanh is 1 at 0, that of ReLU 0 or 1; weights of variance 1/n (Xavier) and 2/n (He) make up for what these take away.

Protocol: networks 64-64-...-10 at their initial weights, a backward pass of 256 training digits, the Frobenius norm of
dz over the batch; "torch" is the default of torch.nn.Linear. Measured at depth 20, first hidden layer by last: sigmoid
7e-17 (torch), 9e-13 (Xavier), 2e-10 (He), at most .785 of the bound; tanh with Xavier .21, ReLU with He .64. Batch
normalisation has the sigmoid at .46 or more, and lets ReLU's gradients grow 30 times; layer normalisation at 1e-8.

    manualgrad train vanishing_gradients
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

from jsonargparse.typing import NonNegativeInt, PositiveInt

from manualgrad import cli, training

REFERENCE = "the bound: 1 is the most that measured / bound can be"
FAST = {"depths": [2, 5]}
ACTIVATIONS, STARTS, NORMS = ("Sigmoid", "Tanh", "ReLU"), ("torch", "Xavier", "He"), ("none", "batch", "layer")
SHOWN = (("Sigmoid", "Xavier"), ("Tanh", "Xavier"), ("ReLU", "He"))  # among the metrics, at the largest depth


@dataclass
class Config:
    """The networks.

    Args:
        depths: How many hidden layers; the largest is drawn.
        seed: Of the weights.
    """

    depths: list[PositiveInt] = field(default_factory=lambda: [2, 5, 10, 20])
    seed: NonNegativeInt = 0


def layers(depth: int, activation: str, start: str, norm: str) -> tuple[list[Any], list[Any]]:
    """The linear layers, the output's last, and what follows each of the hidden ones."""
    from manualgrad import nn

    linear = [nn.Linear(64, 64 if k < depth else 10) for k in range(depth + 1)]
    for layer in linear if start != "torch" else ():
        nn.init.normal_(layer.weight, std=((1 if start == "Xavier" else 2) / layer.in_features) ** 0.5)
        nn.init.zeros_(layer.bias)
    norms: Any = {"none": nn.Identity, "batch": nn.BatchNorm1d, "layer": nn.LayerNorm}
    return linear, [nn.Sequential(norms[norm](64), getattr(nn, activation)()) for _ in range(depth)]


def gradient_norms(linear: list[Any], between: list[Any], x: Any, y: Any) -> tuple[list[float], list[float]]:
    """|dz| of every linear layer, the output's last, and the sigmoid's bound on each."""
    import torch

    from manualgrad import functional as F

    zs = []
    for k, layer in enumerate(linear):
        x = layer(x)
        x.retain_grad()
        zs.append(x)
        x = between[k](x) if k < len(between) else x
    F.cross_entropy(x, y).backward()
    norms = [z.grad.norm().item() for z in zs]
    bounds = norms[-1:]
    for layer in reversed(linear[1:]):
        bounds.insert(0, bounds[0] * 0.25 * torch.linalg.matrix_norm(layer.weight, ord=2).item())
    return norms, bounds


def by_depth(depths: list[int], kind: tuple[str, str, str], x: Any, y: Any) -> list[tuple[list[float], list[float]]]:
    """The norms and bounds of networks of these depths, and of this activation, initialisation and normalisation."""
    return [gradient_norms(*layers(depth, *kind), x, y) for depth in depths]


def run(config: Config, run: training.Run) -> dict[str, float]:
    """Every combination; the largest share of its bound that a gradient of the sigmoid has."""
    (data := training.Digits()).setup()
    x, y = (part[:256] for part in data.parts["train"])
    depths, rows, found, ratios, share = sorted(config.depths), [], {}, {}, 0.0
    for activation, norm, start in itertools.product(ACTIVATIONS, NORMS, STARTS):
        row: dict[str, Any] = {"activation": activation, "normalisation": norm, "initialisation": start}
        kind = (activation, start, norm)
        for depth, each in zip(depths, training.once(run, " ".join(kind), by_depth, depths, kind, x, y), strict=True):
            norms, bounds = found[activation, norm, start] = each
            row[f"depth {depth}"] = ratios[activation, norm, start] = norms[0] / norms[-2]
            if activation == "Sigmoid" and norm == "none":
                share = max(share, *(n / b for n, b in zip(norms[:-1], bounds, strict=False)))
        rows.append(row)
    print("|dz| of the first hidden layer, divided by that of the last")
    training.table(run, rows)
    title = f"Norm of the gradient by layer, {depths[-1]} hidden layers"
    with training.picture(run, title, 3, 3, size=(3.6, 2.5), sharex=True, sharey="row") as axes:
        for (activation, norm, start), (norms, bounds) in found.items():
            panel = axes[ACTIVATIONS.index(activation)][NORMS.index(norm)]
            at, style = range(1, len(norms)), "os^"[STARTS.index(start)] + "-"
            (line,) = panel.plot(at, norms[:-1], style, markersize=4, label=start)
            if activation == "Sigmoid" and norm == "none":
                panel.plot(at, bounds[:-1], ":", color=line.get_color(), label=f"its bound, {start}")
                panel.legend(fontsize=7)
            panel.set(yscale="log", title=f"{activation}, normalisation: {norm}", xlabel="layer", ylabel="|dz|")
            panel.label_outer()
        axes[1][0].legend(fontsize=7)
    return {"most_of_the_bound": share, **{f"{a}_{start}": ratios[a, "none", start] for a, start in SHOWN}}


if __name__ == "__main__":
    cli.run_recipe(__file__)
