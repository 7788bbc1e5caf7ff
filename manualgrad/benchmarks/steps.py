"""What a training step costs under Lightning: `manualgrad bench --training`.

Digits, batches of 32, the network 64-32-10 and AdamW, trained by `training.fit` with its logging, metrics, checkpoints
and a validation per epoch. Beside it the same in a plain loop, which is what is left when Lightning and the learner
cost nothing. The time of a step is the difference between a long and a short run, so that what is done once does not
count; that of the process, so that what others do on the machine counts less.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Literal

import torch

from manualgrad import nn, training
from manualgrad.tape import Tape

Engine = Literal["autograd", "tape"]
SHORT, LONG = 2, 10  # epochs
LIMITS: dict[Engine, float] = {"autograd": 450.0, "tape": 250.0}  # microseconds, on a machine that does nothing else


def training_steps(rounds: int = 5) -> dict[str, float]:
    """Microseconds a step, medians over `rounds`, in which all ways take turns: "fit, tape", "loop, tape", ..."""
    data = training.Digits(batch_size=32)
    data.setup()
    times: dict[str, list[float]] = {}
    for _ in range(rounds):
        for engine in LIMITS:
            for way, run in (("fit", _fit), ("loop", _loop)):
                steps = (LONG - SHORT) * len(data.train_dataloader())
                taken = run(data, engine, LONG) - run(data, engine, SHORT)
                times.setdefault(f"{way}, {engine}", []).append(taken / steps * 1e6)
    return {name: statistics.median(found) for name, found in times.items()}


def _network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


def _fit(data: training.Table, engine: Engine, epochs: int) -> float:
    optimizer = training.Optimizer("AdamW", lr=0.01)
    learner = training.Classifier(_network(), nn.CrossEntropyLoss(), optimizer.build, classes=10, engine=engine)
    with tempfile.TemporaryDirectory() as folder, training.Run("steps", Path(folder, "run")) as run:
        began = time.process_time()
        training.fit(learner, data, training.Trainer(max_epochs=epochs), run, say=lambda line: None)
        return time.process_time() - began


def _loop(data: training.Table, engine: Engine, epochs: int) -> float:
    network, loss = _network(), nn.CrossEntropyLoss()
    optimizer = training.Optimizer("AdamW", lr=0.01).build(network.parameters())
    batches = data.train_dataloader()
    began = time.process_time()
    for epoch in range(epochs):
        batches.set_epoch(epoch)
        for x, y in batches:
            optimizer.zero_grad()
            if engine == "tape":
                with Tape() as tape:
                    y = loss(network(x), y)
                tape.backward(y)
            else:
                loss(network(x), y).backward()
            optimizer.step()
    return time.process_time() - began
