r"""Digits by convolution: two layers of 3 x 3 filters look at the image, whatever stands where.

The lesson: a filter is used at every place, so its gradient is the sum over the places, and both gradients of a
convolution are convolutions again. Of an input x, filters W and an upstream gradient dy, at the place p,

    y[p] = sum_k W[k] x[p + k]     dW[k] = sum_p dy[p] x[p + k]     dx[p] = sum_k W[k] dy[p - k]

that is, dW compares dy with the input, and dx spreads dy with the filters turned around. Batch normalisation keeps each
filter's output at mean 0 and deviation 1 over the batch, and its gradient takes off what would change the two.

The picture: of one test digit per class, the gradient of the winning score by the pixels. Where it is purple, more ink
would speak for the class, where it is orange, against it.

Protocol: that of `digits`. Channels, dropout, label smoothing, learning rate and number of epochs were chosen by
accuracy on the validation rows of five splits; the epoch by validation loss; the test rows are looked at once, at last.
Measured with seed 0: test accuracy .986, .997, .997, .992, .997, mean .994.

    manualgrad train digits_cnn                    one run, on split 0
    manualgrad train digits_cnn --splits 5         the mean over the splits
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from jsonargparse.typing import PositiveInt

from manualgrad import cli, training

REFERENCE = "scikit-learn's SVC .990, its MLP .982"
FAST = {"channels": 4, "trainer.max_epochs": 2}


@dataclass
class Config(training.Settings):
    """The network and its training.

    Args:
        channels: Filters of the first layer; the second has twice as many.
    """

    channels: PositiveInt = 16
    data: training.Data = field(default_factory=lambda: training.Data(batch_size=64))
    optimizer: training.Optimizer = field(
        default_factory=lambda: training.Optimizer("AdamW", lr=0.003, weight_decay=0.1, schedule="cosine")
    )
    trainer: training.Trainer = field(default_factory=lambda: training.Trainer(max_epochs=40))


def network(channels: int) -> Any:
    """Images of 8 x 8 pixels, flat (rows, 64), to ten scores (rows, 10)."""
    from manualgrad import functional as F
    from manualgrad import nn

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.look = nn.Conv2d(1, channels, 3, padding=1)
            self.norm = nn.BatchNorm2d(channels)
            self.look_again = nn.Conv2d(channels, 2 * channels, 3, padding=1)
            self.norm_again = nn.BatchNorm2d(2 * channels)
            self.drop = nn.Dropout(0.5)
            self.decide = nn.Linear(2 * channels * 4 * 4, 10)

        def forward(self, x: Any) -> Any:
            x = F.reshape(x, (len(x), 1, 8, 8))
            x = F.relu(self.norm(self.look(x)))
            x = F.relu(self.norm_again(self.look_again(x)))
            x = F.max_pool2d(x, 2)
            return self.decide(self.drop(F.reshape(x, (len(x), -1))))

    return Network()


def build(config: Config) -> tuple[training.Learner, training.Table]:
    """The network with its loss and optimizer, and the data."""
    from manualgrad import nn

    data = config.table(training.Digits)
    loss = nn.CrossEntropyLoss(label_smoothing=0.1)
    return training.Classifier(network(config.channels), loss, classes=10, **config.learning()), data


def run(config: Config, run: training.Run) -> dict[str, float]:
    """Train, test, draw, and return the test metrics."""
    learner, data = build(config)
    found = training.fit(learner, data, config.trainer, run)
    draw(learner, data, run)
    return found


def draw(learner: training.Learner, data: training.Table, run: training.Run) -> None:
    """A test digit of each class, and below it the gradient of its winning score by the pixels."""
    x, y = data.parts["test"]
    x = x[[int((y == digit).nonzero()[0]) for digit in range(10)]].requires_grad_()
    learner.eval()
    best, read_as = learner(x).max(dim=1)
    best.sum().backward()
    slopes: Any = x.grad
    title = "Which pixels speak for the class (purple), which against it (orange)"
    with training.picture(run, title, 2, 10, (1, 1)) as axes:
        for column, (digit, found, gradient) in enumerate(zip(x, read_as, slopes, strict=True)):
            training.show(axes[0, column], digit, f"read as {found}")
            training.show(axes[1, column], gradient, signed=True)


if __name__ == "__main__":
    cli.run_recipe(__file__)
