r"""Dream digit: the weights stay, the image learns, until the network is sure of it; or until it is fooled.

The lesson: back-propagation does not stop at the first layer's weights. Of y = W x, dx = W^T dy is as good a gradient
as dW = dy x^T, and says how each pixel should change. Followed downhill from white paper, by the loss of a class and a
price on ink, it draws what the network takes for that class. Followed from a digit, it finds the smallest change that
makes the network read another (`training.smallest_change`, DeepFool). In 64 dimensions a small step in that direction
does what a random one of the same length hardly ever does.

Protocol: the network is that of `digits`, narrower. All ten classes are dreamed, with pixels between 0 and 16; all test
digits that are read right are changed. Lengths are in pixels' units, from 0, white, to 16, black.
Measured over five splits: the least sure dream .992; all digits read right are fooled, by 8.8 (median), at random none.

    manualgrad train dream_digit
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from jsonargparse.typing import PositiveInt

from manualgrad import cli, training

REFERENCE = "a random change of the same length"
INK = 0.002  # the price of ink
FAST = {"hidden": 32, "dream_steps": 150, "trainer.max_epochs": 4}


@dataclass
class Config(training.Settings):
    """The network, its training and its dreams.

    Args:
        hidden: Width of the hidden layer.
        dream_steps: Of Adam, on the pixels.
    """

    hidden: PositiveInt = 256
    dream_steps: PositiveInt = 300
    data: training.Data = field(default_factory=lambda: training.Data(batch_size=64))
    optimizer: training.Optimizer = field(
        default_factory=lambda: training.Optimizer("AdamW", lr=0.01, weight_decay=0.3, schedule="cosine")
    )
    trainer: training.Trainer = field(default_factory=lambda: training.Trainer(max_epochs=30))


def build(config: Config) -> tuple[training.Learner, training.Table]:
    """The network with its loss and optimizer, and the data."""
    from manualgrad import nn

    data = config.table(training.Digits)
    network = nn.Sequential(nn.Linear(64, config.hidden), nn.ReLU(), nn.Linear(config.hidden, 10))
    return training.Classifier(network, nn.CrossEntropyLoss(), classes=10, **config.learning()), data


def dream(network: Any, config: Config, white: float, black: float) -> Any:
    """Ten images (10, 64), one for each class, drawn from white paper by gradient descent on the pixels."""
    import torch

    from manualgrad import functional as F

    x = torch.full((10, 64), white).add(torch.rand(10, 64), alpha=0.1).requires_grad_()
    optimizer = torch.optim.Adam([x], lr=0.05)
    for _ in range(config.dream_steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(network(x), torch.arange(10), reduction="sum")
        F.add(loss, F.mul(F.sum(x), INK)).backward()
        optimizer.step()
        x.data.clamp_(white, black)
    return x.detach()


def run(config: Config, run: training.Run) -> dict[str, float]:
    """Train, dream, fool, draw both, and return how sure and how far."""
    import torch

    learner, data = build(config)
    found = training.fit(learner, data, config.trainer, run)
    network = learner.network.requires_grad_(False)
    white, black = ((ink - data.centre) / data.scale for ink in (0.0, 16.0))
    dreams = training.once(run, "dreams", dream, network, config, float(white), float(black))
    sure = network(dreams).softmax(dim=1).diagonal()
    x, y = data.parts["test"]
    x, y = (rows[network(x).argmax(dim=1) == y] for rows in (x, y))
    change = training.once(run, "changes", training.smallest_change, network, x)
    read = network(x + change).argmax(dim=1)
    noise = torch.randn_like(x)
    noise *= change.norm(dim=1, keepdim=True) / noise.norm(dim=1, keepdim=True)
    lengths = change.norm(dim=1) * float(data.scale)
    found |= {
        "dream_probability": float(sure.min()),
        "fooled": float((read != y).float().mean()),
        "fooled_at_random": float((network(x + noise).argmax(dim=1) != y).float().mean()),
        "length_median": float(lengths.median()),
        "length_smallest": float(lengths.min()),
    }
    run.write("metrics.json", found)
    training.table(run, [{"metric": name, "value": value} for name, value in found.items()])
    with training.picture(run, "What the network takes for a digit, and what fools it", 4, 10, (1, 1.05)) as axes:
        for digit in range(10):
            training.show(axes[0, digit], dreams[digit], f"p({digit}) = {sure[digit]:.3f}")
            rows = torch.where(y == digit)[0]
            row = rows[lengths[rows].argsort()[len(rows) // 2]]  # neither the easiest to fool nor the hardest
            training.show(axes[1, digit], x[row], f"read as {digit}")
            training.show(axes[2, digit], change[row], f"+ length {lengths[row]:.1f}", signed=True)
            training.show(axes[3, digit], x[row] + change[row], f"read as {read[row]}")
    return found


if __name__ == "__main__":
    cli.run_recipe(__file__)
