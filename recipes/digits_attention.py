r"""Digits by attention: the eight rows of the image look at each other, all at once.

The lesson: attention is a weighted mean, and softmax makes the weights sum to one: what one gains, the others lose.
Of queries Q, keys K and values V, (rows, width) each, and an upstream gradient dO,

    P = softmax(Q K^T / sqrt(width))     O = P V
    dV = P^T dO     dP = dO V^T     dS = P (dP - sum_k dP_k P_k)     dQ = dS K / sqrt(width),  dK = dS^T Q / sqrt(width)

Nothing in it knows where a row stands: a vector of its own tells that, added to it and learned.

The picture: of one test digit per class, how much each row (down) looks at each other (across), in the first layer.

Protocol: that of `digits`. What a token is, layers, smoothing, learning rate and number of epochs were chosen by
accuracy on validation rows of five splits; the epoch by validation loss. The test rows were looked at twice: a run
without dropout had a mean of .977 before validation (.9833 against .9824) decided for dropout .1.
Measured with seed 0: test accuracy .978, .978, .975, .992, .975, mean .979.

    manualgrad train digits_attention              one run, on split 0
    manualgrad train digits_attention --splits 5   the mean over the splits
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from jsonargparse.typing import PositiveInt

from manualgrad import cli, training

REFERENCE = "scikit-learn's SVC .990, its MLP .982"
FAST = {"width": 16, "trainer.max_epochs": 2}


@dataclass
class Config(training.Settings):
    """The numbers per row of the image (a multiple of 4, the heads), the layers of attention, and the training."""

    width: PositiveInt = 64
    layers: PositiveInt = 2
    data: training.Data = field(default_factory=lambda: training.Data(batch_size=64))
    optimizer: training.Optimizer = field(
        default_factory=lambda: training.Optimizer("AdamW", lr=0.003, weight_decay=0.1, schedule="cosine")
    )
    trainer: training.Trainer = field(default_factory=lambda: training.Trainer(max_epochs=40))


def network(width: int, layers: int) -> Any:
    """Images of 8 x 8 pixels, flat (rows, 64), to ten scores (rows, 10)."""
    import torch

    from manualgrad import functional as F
    from manualgrad import nn

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Linear(8, width)
            self.places = nn.Parameter(torch.randn(8, width))
            layer = (width, 4, 2 * width, 0.1)  # heads, width between the two linear layers, dropout
            self.layers = nn.Sequential(
                *(nn.TransformerEncoderLayer(*layer, batch_first=True, norm_first=True) for _ in range(layers))
            )
            self.norm = nn.LayerNorm(width)
            self.decide = nn.Linear(width, 10)

        def tokens(self, x: Any) -> Any:
            return F.add(self.embed(F.reshape(x, (len(x), 8, 8))), self.places)

        def forward(self, x: Any) -> Any:
            return self.decide(F.mean(self.norm(self.layers(self.tokens(x))), 1))

    return Network()


def build(config: Config) -> tuple[training.Learner, training.Table]:
    """The network with its loss and optimizer, and the data."""
    from manualgrad import nn

    data = config.table(training.Digits)
    loss = nn.CrossEntropyLoss(label_smoothing=0.1)
    return training.Classifier(network(config.width, config.layers), loss, classes=10, **config.learning()), data


def run(config: Config, run: training.Run) -> dict[str, float]:
    """Train, test, draw, and return the test metrics."""
    learner, data = build(config)
    found = training.fit(learner, data, config.trainer, run)
    draw(learner, data, run)
    return found


def draw(learner: training.Learner, data: training.Table, run: training.Run) -> None:
    """A test digit of each class, and right of it whereto each of its rows looks, the mean of the heads."""
    x, y = data.parts["test"]
    net: Any = learner.network
    x = x[[int((y == digit).nonzero()[0]) for digit in range(10)]]
    first, tokens = net.layers[0], net.tokens(x)
    looks = first.self_attn(*[first.norm1(tokens)] * 3)[1].detach().numpy()
    with training.picture(run, "How much each row (down) looks at rows 1 to 8 (across)", 2, 5, (2.6, 1.5)) as axes:
        for here, image, weights in zip(axes.flat, x, looks, strict=True):
            training.show(here, image)
            here.imshow(weights, extent=(8.5, 16.5, 7.5, -0.5), cmap="Blues", vmin=0)
            here.set(xlim=(-0.5, 16.5))


if __name__ == "__main__":
    cli.run_recipe(__file__)
