"""What a training step costs under Lightning: `manualgrad bench --training`.

Digits, batches of 32, the network 64-32-10 and AdamW.

    fit        `training.fit` with its logging, metrics, checkpoints and a validation per epoch
    loop       the same in a plain loop, which is what is left when Lightning and the learner cost nothing
    Lightning  torch.nn layers, a DataLoader, the loss logged at each step and a validation, by a Trainer of defaults
    empty      Lightning's loop with nothing in it

A step's time is that of an epoch by its number of steps, so that the validation counts; of the process, so that what
others do on the machine counts less; the median of the epochs, of which the first does not count.
"""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch

from manualgrad import nn, training
from manualgrad.playback import Playback
from manualgrad.tape import Tape
from manualgrad.training.stock import EpochClock, train_empty, train_stock

Engine = Literal["autograd", "tape", "playback"]
EPOCHS = 12
# Microseconds, on a machine that does nothing else.
LIMITS: dict[Engine, float] = {"autograd": 450.0, "tape": 250.0, "playback": 250.0}


def training_steps(rounds: int = 5) -> dict[str, float]:
    """Microseconds a step, medians over `rounds`, in which all ways take turns: "fit, tape", "Lightning", ..."""
    data = training.Digits(batch_size=32)
    data.setup()
    ways: dict[str, Callable[[training.Table], list[float]]] = {
        "Lightning": lambda data: train_stock(_network(torch.nn), data, EPOCHS),
        "empty": lambda data: train_empty(_network(torch.nn), data, EPOCHS),
    }
    for engine in LIMITS:
        ways |= {f"fit, {engine}": partial(_fit, engine), f"loop, {engine}": partial(_loop, engine)}
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            epochs = [end - begin for begin, end in itertools.pairwise(way(data))]
            found[name].append(statistics.median(epochs[1:]) / len(data.train_dataloader()) * 1e6)
    return {name: statistics.median(times) for name, times in found.items()}


def _network(layers: Any = nn) -> torch.nn.Sequential:
    torch.manual_seed(0)
    network: torch.nn.Sequential = layers.Sequential(layers.Linear(64, 32), layers.ReLU(), layers.Linear(32, 10))
    return network


def _fit(engine: Engine, data: training.Table) -> list[float]:
    optimizer = training.Optimizer("AdamW", lr=0.01)
    learner = training.Classifier(_network(), nn.CrossEntropyLoss(), optimizer.build, classes=10, engine=engine)
    clock = EpochClock()
    with tempfile.TemporaryDirectory() as folder, training.Run("steps", Path(folder, "run")) as run:
        settings = training.Trainer(max_epochs=EPOCHS)
        training.fit(learner, data, settings, run, [clock], say=lambda line: None)
    return clock.times


def _loop(engine: Engine, data: training.Table) -> list[float]:
    network, loss = _network(), nn.CrossEntropyLoss()
    optimizer = training.Optimizer("AdamW", lr=0.01).build(network.parameters())
    batches, played = data.train_dataloader(), Playback(lambda x, y: loss(network(x), y))
    times = [time.process_time()]
    for epoch in range(EPOCHS):
        batches.set_epoch(epoch)
        for x, y in batches:
            if engine == "playback":
                played(x, y)
            else:
                optimizer.zero_grad()
            if engine == "tape":
                with Tape() as tape:
                    y = loss(network(x), y)
                tape.backward(y)
            elif engine == "autograd":
                loss(network(x), y).backward()
            optimizer.step()
        times.append(time.process_time())
    return times
