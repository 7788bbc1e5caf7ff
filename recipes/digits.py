"""Handwritten digits: ten classes, one hidden layer, cross-entropy.

The lesson: softmax and cross-entropy belong together. Of a row of scores z with softmax p, for the class t,

    loss = -log p_t        d loss / d z = p - onehot(t)

so what flows back from the loss is simply how far each probability is off. `manualgrad.functional.cross_entropy`
computes the two as one formula, ReLU lets its part through where it was open, and a linear layer makes it dW = dy' x.

Protocol: for each split, a fifth of the rows is set aside for the test, and a share of the rest for validation. The
width, learning rate, weight decay and number of epochs were chosen by accuracy on rows held out of the training part
of the five splits; the epoch is chosen by validation loss; the test rows are looked at once, at the end.
Measured with seeds 0, 1 and 2: mean test accuracy .983, .980, .981 (scikit-learn's MLP .982, its SVC .990).

    manualgrad train digits                        one run, on split 0
    manualgrad train digits --splits 5             the mean over the splits
    manualgrad train digits --engine tape          the same run without torch's autograd
"""

from __future__ import annotations

from dataclasses import dataclass, field

from jsonargparse.typing import PositiveInt

from manualgrad import cli, training


@dataclass
class Config(training.Settings):
    """The network 64-hidden-10 and its training.

    Args:
        hidden: Width of the hidden layer.
    """

    hidden: PositiveInt = 512
    data: training.Data = field(default_factory=lambda: training.Data(batch_size=64))
    optimizer: training.Optimizer = field(
        default_factory=lambda: training.Optimizer("AdamW", lr=0.01, weight_decay=0.3, schedule="cosine")
    )
    trainer: training.Trainer = field(default_factory=lambda: training.Trainer(max_epochs=30))


REFERENCE = "scikit-learn's MLP .982, its SVC .990"
FAST = {"trainer.max_epochs": 2}


def build(config: Config) -> tuple[training.Learner, training.Table]:
    """The network with its loss and optimizer, and the data."""
    from manualgrad import nn

    data = config.table(training.Digits)
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
