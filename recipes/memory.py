r"""Memory: two numbers, up to a hundred steps apart, are to be added; RNN, LSTM and GRU try.

The lesson: back-propagation through time multiplies the gradient by one Jacobian per step. Of a plain RNN,

    h_t = tanh(W x_t + U h_{t-1})       dh_{t-1} = U^T (dh_t (1 - h_t^2))

which over a hundred steps vanishes or explodes. An LSTM's cell and a GRU's state are kept by a gate instead, as in
c_t = f_t c_{t-1} + ..., dc_{t-1} = f_t dc_t + ...; where f is near 1 the gradient comes through. Against explosion a
gradient longer than 1 is cut to that length. Shown are numbers from 0 to 1, two of them marked; asked is the two's sum.

Protocol: same width, optimizer, batches and steps for all; tried on 1000 other sequences; solved is an error below .01.
Measured with seed 0: errors RNN .163, LSTM .0006 (solved after 1550 steps), GRU .00003 (300).

    manualgrad train memory
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jsonargparse.typing import NonNegativeInt, PositiveFloat, PositiveInt

from manualgrad import cli, training

REFERENCE = "answering 1 always: error 0.167; solved: below 0.01"
FAST = {"length": 10, "steps": 40, "hidden": 16}


@dataclass
class Config:
    """The length of a sequence, the width of the states, training steps on 32 sequences each, Adam's learning rate."""

    length: PositiveInt = 100
    hidden: PositiveInt = 64
    steps: PositiveInt = 2500
    lr: PositiveFloat = 0.01
    seed: NonNegativeInt = 0


def sequences(count: int, length: int, generator: Any) -> tuple[Any, Any]:
    """Numbers and marks (count, length, 2), and the sums of the marked numbers (count,)."""
    import torch

    numbers, marks = torch.rand(count, length, generator=generator), torch.zeros(count, length)
    for start, end in ((0, length // 2), (length // 2, length)):
        marks.scatter_(1, torch.randint(start, end, (count, 1), generator=generator), 1.0)
    return torch.stack((numbers, marks), dim=2), (numbers * marks).sum(dim=1)


def learn(kind: str, config: Config) -> tuple[dict[int, float], list[float], list[float], list[float]]:
    """Train one network: its errors by step, its gradients by step and, untrained and trained, by time step."""
    import torch

    from manualgrad import functional as F
    from manualgrad import nn

    torch.manual_seed(config.seed)
    read, answer = getattr(nn, kind)(2, config.hidden, batch_first=True), nn.Linear(config.hidden, 1)
    if kind == "LSTM":
        read.bias_ih_l0.data[config.hidden : 2 * config.hidden] = 1.0

    def loss_of(x: Any, y: Any) -> Any:
        return F.mse_loss(F.flatten(answer(F.select(read(x)[0], 1, -1))), y)

    def by_time(x: Any, y: Any) -> list[float]:
        x = x.clone().requires_grad_()
        loss_of(x, y).backward()
        return x.grad.norm(dim=(0, 2)).tolist()

    parameters = [*read.parameters(), *answer.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=config.lr)
    generator = torch.Generator().manual_seed(config.seed + 1)
    errors, norms, test = dict[int, float](), list[float](), sequences(1000, config.length, generator)
    untrained = by_time(*test)
    for step in range(1, config.steps + 1):
        optimizer.zero_grad()
        loss_of(*sequences(32, config.length, generator)).backward()
        norms.append(float(nn.utils.clip_grad_norm_(parameters, 1.0)))
        optimizer.step()
        if step % 50 == 0 or step == config.steps:
            with torch.no_grad():
                errors[step] = float(loss_of(*test))
    return errors, norms, untrained, by_time(*test)


def run(config: Config, run: training.Run) -> dict[str, float]:
    """Train the three, draw and print what became of them."""
    rows, found = list[dict[str, Any]](), dict[str, float]()
    with training.picture(run, f"Adding two numbers out of {config.length} steps", columns=3) as (left, middle, right):
        for colour, kind in (("C0", "RNN"), ("C1", "LSTM"), ("C2", "GRU")):
            errors, norms, untrained, trained = training.once(run, kind, learn, kind, config)
            found[f"test_error_{kind}"] = error = errors[config.steps]
            solved = next((str(step) for step, e in errors.items() if e < 0.01), "never")
            found[f"untrained_gradient_{kind}"] = ratio = untrained[0] / untrained[-1]
            rows.append({"network": kind, "error": error, "solved at step": solved, "first / last gradient": ratio})
            rows[-1] |= {"trained": trained[0] / trained[-1], "clipped": sum(norm > 1.0 for norm in norms)}
            left.plot(errors.keys(), errors.values(), color=colour, label=kind)
            middle.plot(untrained, color=colour, linestyle=":", label=f"{kind}, untrained")
            middle.plot(trained, color=colour, label=f"{kind}, trained")
            right.plot(norms, color=colour, linewidth=0.7, alpha=0.8, label=kind)
        left.axhline(1 / 6, color="0.4", linestyle="--", label="answering 1 always")
        right.axhline(1.0, color="0.4", linestyle="--", label="clipped above 1")
        left.set(title="Is it learned?", xlabel="training step", ylabel="squared error", yscale="log")
        middle.set(
            title="Does the gradient reach back?", xlabel="time step", ylabel="gradient by its input", yscale="log"
        )
        right.set(title="Does it explode?", xlabel="training step", ylabel="length of the gradient", yscale="log")
        for axes in (left, middle, right):
            axes.legend(fontsize=8)
    training.table(run, rows)
    run.write("metrics.json", found)
    return found


if __name__ == "__main__":
    cli.run_recipe(__file__)
