"""Lightning as it comes: what the time of a step of `fit` is compared with."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import time
import warnings
from typing import Any

import lightning.pytorch as lightning
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from manualgrad.training.data import Table
from manualgrad.training.lean import EpochCallback
from manualgrad.training.learners import Batch


class EpochClock(EpochCallback):
    """The processor time at the start of each epoch, and at the end of the training."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_train_epoch_start(self, trainer: Any, learner: Any) -> None:
        self.times.append(time.process_time())

    def on_train_end(self, trainer: Any, learner: Any) -> None:
        self.times.append(time.process_time())


class StockClassifier(lightning.LightningModule):
    """A classifier of torch.nn layers as Lightning's introduction writes it: a loss, logged at each step, and AdamW."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.loss = nn.CrossEntropyLoss()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor | None:
        x, y = batch
        loss: Tensor = self.loss(self.network(x), y)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        x, y = batch
        output = self.network(x)
        self.log("val_loss", self.loss(output, y))
        self.log("val_accuracy", (output.argmax(dim=1) == y).float().mean())

    def configure_optimizers(self) -> Any:
        return torch.optim.AdamW(self.parameters(), lr=0.01)


class EmptyStep(StockClassifier):
    """The same, but that nothing is done in a step."""

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        pass

    def configure_optimizers(self) -> None:
        pass


def train_stock(network: nn.Module, data: Table, epochs: int) -> list[float]:
    """Train by a Trainer of Lightning's defaults, from DataLoaders; the times of an EpochClock."""
    train, validation = (TensorDataset(*data.parts[part]) for part in ("train", "validation"))
    loaders = DataLoader(train, data.batch_size, shuffle=True), DataLoader(validation, len(validation))
    return _fitted(StockClassifier(network), loaders, max_epochs=epochs)


def train_empty(network: nn.Module, data: Table, epochs: int) -> list[float]:
    """Lightning's loop and nothing in it: no loss, optimizer, validation, logger, progress bar and checkpoints."""
    off = dict.fromkeys(("logger", "enable_progress_bar", "enable_checkpointing", "enable_model_summary"), False)
    return _fitted(EmptyStep(network), (data.train_dataloader(),), max_epochs=epochs, limit_val_batches=0, **off)


def _fitted(module: lightning.LightningModule, loaders: Any, **settings: Any) -> list[float]:
    clock, log, nowhere = EpochClock(), logging.getLogger("lightning.pytorch"), io.StringIO()
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            warnings.catch_warnings(),
            contextlib.redirect_stdout(nowhere),
            contextlib.redirect_stderr(nowhere),
        ):
            warnings.simplefilter("ignore")  # of a step without a loss, workers and tensorboard
            trainer = lightning.Trainer(accelerator="cpu", callbacks=[clock], default_root_dir=folder, **settings)
            trainer.fit(module, *loaders)
    finally:
        log.setLevel(level)
    return clock.times
