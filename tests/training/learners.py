"""Learners of every kind, with the data that they learn, for the tests of training."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn as torch_nn

from manualgrad import nn, training
from manualgrad.training.learners import Engine


def ready(table: training.Table) -> training.Table:
    table.setup()
    return table


def network(inputs: int, outputs: int, *last: torch_nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(inputs, 8), nn.ReLU(), nn.Linear(8, outputs), *last)


def cosine(optimizer: torch.optim.Optimizer) -> Any:
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=3)


def momentum(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.05, momentum=0.9)


def learner_of(kind: str, engine: Engine = "autograd") -> tuple[training.Learner, training.Table]:
    keywords: Any = {"optimizer": momentum, "scheduler": cosine, "engine": engine}
    if kind == "digits":
        data = ready(training.Digits(batch_size=100))
        return training.Classifier(network(64, 10), nn.CrossEntropyLoss(), classes=10, **keywords), data
    if kind == "log-probabilities":
        data = ready(training.Digits(batch_size=100))
        log_softmax = network(64, 10, nn.LogSoftmax(dim=1))
        return training.Classifier(log_softmax, nn.NLLLoss(), classes=10, **keywords), data
    if kind == "diabetes":
        data = ready(training.Diabetes(batch_size=40))
        keywords |= {"centre": data.target_centre, "scale": data.target_scale}
        return training.Regressor(network(10, 1), nn.MSELoss(), **keywords), data
    data = ready(training.BreastCancer(batch_size=50))
    if kind == "logit":
        return training.Classifier(network(30, 1), nn.BCEWithLogitsLoss(), classes=2, **keywords), data
    if kind == "flat logit":
        flat = network(30, 1, nn.Flatten(0))
        return training.Classifier(flat, nn.BCEWithLogitsLoss(), classes=2, **keywords), data
    if kind == "probability":
        sigmoid = network(30, 1, nn.Sigmoid())
        return training.Classifier(sigmoid, nn.BCELoss(), classes=2, output="probability", **keywords), data
    assert kind == "two scores"
    return training.Classifier(network(30, 2), nn.CrossEntropyLoss(), classes=2, **keywords), data


KINDS = ["digits", "log-probabilities", "logit", "flat logit", "probability", "two scores", "diabetes"]
