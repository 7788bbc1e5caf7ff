"""Breast cancer: benign or malignant, one hidden layer, binary cross-entropy.

The lesson: sigmoid and cross-entropy belong together. Of a logit z with probability p = sigmoid(z), for the class t,

    loss = -t log p - (1 - t) log(1 - p)        d loss / d z = p - t

The sigmoid's own derivative p (1 - p), which vanishes where the network is sure, cancels: a row that is classified
wrongly with great confidence still sends back a gradient near 1. `binary_cross_entropy_with_logits` computes the two as
one formula, and without the overflow that exp has in the other order.

Protocol: for each split, a fifth of the rows is set aside for the test, and a share of the rest for validation. The
activation, learning rate, weight decay and number of epochs were chosen by accuracy on rows held out of the training
part of the five splits; the epoch is chosen by validation loss; the test rows are looked at once, at the end.
Measured with seeds 0, 1 and 2: mean test accuracy .981, .982, .981 (logistic regression .981).

    manualgrad train breast_cancer                 one run, on split 0
    manualgrad train breast_cancer --splits 5      the mean over the splits
"""

from __future__ import annotations

from dataclasses import dataclass, field

from jsonargparse.typing import PositiveInt

from manualgrad import cli, training


@dataclass
class Config(training.Settings):
    """The network 30-hidden-1 and its training.

    Args:
        hidden: Width of the hidden layer.
    """

    hidden: PositiveInt = 16
    data: training.Data = field(default_factory=lambda: training.Data(batch_size=32))
    optimizer: training.Optimizer = field(
        default_factory=lambda: training.Optimizer("AdamW", lr=0.003, weight_decay=1.0)
    )
    trainer: training.Trainer = field(default_factory=lambda: training.Trainer(max_epochs=30))


REFERENCE = "scikit-learn's logistic regression .981"
FAST = {"trainer.max_epochs": 2}


def build(config: Config) -> tuple[training.Learner, training.Table]:
    """The network with its loss and optimizer, and the data."""
    from manualgrad import nn

    data = config.table(training.BreastCancer)
    network = nn.Sequential(nn.Linear(len(data.columns), config.hidden), nn.ReLU(), nn.Linear(config.hidden, 1))
    return training.Classifier(network, nn.BCEWithLogitsLoss(), classes=2, **config.learning()), data


def run(config: Config, run: training.Run) -> dict[str, float]:
    """Train, test, and return the test metrics."""
    return training.fit(*build(config), config.trainer, run)


if __name__ == "__main__":
    cli.run_recipe(__file__)
