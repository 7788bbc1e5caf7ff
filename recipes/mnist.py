"""MNIST: 70,000 handwritten digits of 28 x 28 pixels, from a folder of your own.

The lesson: nothing changes with the size. A layer's gradients are three products of matrices, of n rows with i inputs
and o outputs,

    dW = dy^T x        dx = dy W        db = sum dy        (o, n)(n, i), (n, o)(o, i), (o,)

and so is the price of a step: twice that of the forward pass, for 784 inputs as for 64.

Protocol: the 10,000 test rows are MNIST's own and looked at once, at the end; a share of its 60,000 training rows is
held out for validation, which chooses the epoch. MNIST does not come with this package: the four files of its own
format, gzipped or not, are looked for in `--folder` and in its `MNIST/raw`, where torchvision puts them.
Not measured: MNIST was not there where the other recipes' figures were taken. Of networks with one hidden layer, LeCun
et al. (1998) report 4.7 % of the test rows wrong with 300 neurons, Simard et al. (2003) 1.6 % with 800.

    manualgrad train mnist --folder data
"""

from __future__ import annotations

from dataclasses import dataclass, field

from jsonargparse.typing import PositiveInt

from manualgrad import cli, training

REFERENCE = "784-800-10 with cross-entropy .984 (Simard et al. 2003)"
FAST = {"trainer.max_epochs": 1}


@dataclass
class Config(training.Settings):
    """The network 784-hidden-10 and its training.

    Args:
        hidden: Width of the hidden layer.
        folder: Where MNIST's files are, or torchvision's root.
    """

    hidden: PositiveInt = 800
    folder: str = "data"
    data: training.Data = field(default_factory=lambda: training.Data(batch_size=128))
    optimizer: training.Optimizer = field(default_factory=lambda: training.Optimizer("AdamW", lr=0.001))
    trainer: training.Trainer = field(default_factory=lambda: training.Trainer(max_epochs=5))

    def __post_init__(self) -> None:
        if self.data.file is not None:
            raise ValueError("data.file: MNIST is a folder; give it as --folder")


def build(config: Config) -> tuple[training.Learner, training.Table]:
    """The network with its loss and optimizer, and the data."""
    from manualgrad import nn

    rows = config.data
    data = training.Mnist(config.folder, rows.split, rows.validation, rows.batch_size, config.seed)
    data.setup()
    network = nn.Sequential(
        nn.Linear(len(data.columns), config.hidden),
        nn.ReLU(),
        nn.Linear(config.hidden, len(data.class_names)),
    )
    classes = len(data.class_names)
    return training.Classifier(network, nn.CrossEntropyLoss(), classes=classes, **config.learning()), data


def run(config: Config, run: training.Run) -> dict[str, float]:
    """Train, test, and return the test metrics."""
    return training.fit(*build(config), config.trainer, run)


if __name__ == "__main__":
    cli.run_recipe(__file__)
