"""What can be set in a recipe: typed, with defaults, and read without importing torch.

A recipe's own `Config` subclasses `Settings`, adds what is its own (the width of a layer, say) and changes defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

# Not torch's types, even `if TYPE_CHECKING`: jsonargparse runs such a block to find the types of the settings.
from jsonargparse.typing import NonNegativeFloat, NonNegativeInt, OpenUnitInterval, PositiveFloat, PositiveInt

HAVE_MOMENTUM = ("SGD", "RMSprop")
HAVE_FUSED = ("SGD", "Adagrad", "Adam", "AdamW")  # one kernel for the whole step


@dataclass
class Data:
    """Which rows are trained on, and how they are served.

    Args:
        file: CSV file to use in place of the embedded table: a header, numbers only, the target in the last column.
        split: The random_state by which the test rows, and then the validation rows, are drawn.
        validation: The share of the rows left for training that is held out for validation.
        batch_size: Rows per training step.
    """

    file: str | None = None
    split: NonNegativeInt = 0
    validation: OpenUnitInterval = 0.15
    batch_size: PositiveInt = 32

    def __post_init__(self) -> None:
        if self.file is not None and not Path(self.file).is_file():
            raise ValueError(f"data.file: there is no file {self.file}")


@dataclass
class Optimizer:
    """A torch optimizer and its learning-rate schedule.

    Args:
        name: The class in torch.optim.
        lr: Learning rate, at the start if it is scheduled.
        weight_decay: Weight decay.
        momentum: Momentum, of SGD and RMSprop.
        schedule: Keep the learning rate, or let it fall to 0 along half a cosine wave, epoch by epoch.
    """

    name: Literal["SGD", "RMSprop", "Adagrad", "Adam", "AdamW", "NAdam", "RAdam"] = "AdamW"
    lr: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 0.0
    momentum: NonNegativeFloat = 0.0
    schedule: Literal["constant", "cosine"] = "constant"

    def __post_init__(self) -> None:
        if self.momentum and self.name not in HAVE_MOMENTUM:
            raise ValueError(f"optimizer.momentum: {self.name} has none, only {' and '.join(HAVE_MOMENTUM)} have")

    def build(self, parameters: Iterable[Any]) -> Any:
        """The optimizer of `parameters`."""
        import torch

        momentum = {"momentum": self.momentum} if self.name in HAVE_MOMENTUM else {}
        given = list(parameters)
        can_fuse = self.name in HAVE_FUSED and all(p.device.type in ("cpu", "cuda") for p in given)
        fused = {"fused": True} if can_fuse else {}
        kind = getattr(torch.optim, self.name)
        return kind(given, lr=self.lr, weight_decay=self.weight_decay, **momentum, **fused)

    def scheduler(self, epochs: int) -> Callable[[Any], Any] | None:
        """What makes the scheduler of a run of `epochs` epochs from its optimizer; None if the rate stays."""
        if self.schedule == "constant":
            return None
        from torch.optim.lr_scheduler import CosineAnnealingLR

        return lambda optimizer: CosineAnnealingLR(optimizer, T_max=epochs)


@dataclass
class Callbacks:
    """What looks into a run while it goes on, without touching it; none does, unless it is asked for.

    Args:
        gradient_parity: Every how many steps our gradients are compared with torch's.
        gradient_flow: Every how many steps the gradients' size is measured by layer and step of time.
        fail_on_non_finite: Trace the first infinity or NaN to its formula and layer.
    """

    gradient_parity: PositiveInt | None = None
    gradient_flow: PositiveInt | None = None
    fail_on_non_finite: bool = False


@dataclass
class Trainer:
    """How long and on what to train: arguments of Lightning's Trainer.

    Args:
        max_epochs: Passes over the training rows.
        accelerator: Where to compute.
        devices: Processes on a machine, each with a device of its own and its share of every batch.
        num_nodes: Machines, on each of which the command is started, by torchrun or SLURM.
        strategy: How processes work together: ddp, or auto, which is ddp where there are several.
        precision: The dtype of the parameters, or of the computation for bf16-mixed.
        weights: Checkpoint whose weights to start from, instead of random ones.
        checkpoint_seconds: How often the state of the run is saved, to be resumed from.
        checkpoint_steps: How often in steps, too.
        logger: Lightning's logger that gets the metrics besides metrics.csv, in a folder of its name in the run's.
        callbacks: Callbacks
    """

    max_epochs: PositiveInt = 30
    accelerator: Literal["cpu", "cuda", "mps", "auto"] = "cpu"
    devices: PositiveInt = 1
    num_nodes: PositiveInt = 1
    strategy: Literal["auto", "ddp"] = "auto"
    precision: Literal["32-true", "64-true", "bf16-mixed"] = "32-true"
    weights: str | None = None
    checkpoint_seconds: PositiveFloat = 10.0
    checkpoint_steps: PositiveInt | None = None
    logger: Literal["none", "csv", "tensorboard"] = "none"
    callbacks: Callbacks = field(default_factory=Callbacks)

    def __post_init__(self) -> None:
        if self.weights is not None and not Path(self.weights).is_file():
            raise ValueError(f"trainer.weights: there is no file {self.weights}")
        if self.logger == "tensorboard" and not (find_spec("tensorboard") or find_spec("tensorboardX")):
            raise ValueError("trainer.logger: tensorboard is not installed; pip install 'manualgrad[tensorboard]' does")

    @property
    def processes(self) -> int:
        return self.devices * self.num_nodes


@dataclass
class Settings:
    """What every recipe that trains a network has.

    Args:
        engine: Who runs the formulas backward: torch's autograd, the tape, or the tape of the first batch played again.
        seed: Of the initial weights and of the order of the training rows.
        data: Data
        optimizer: Optimizer
        trainer: Trainer
    """

    engine: Literal["autograd", "tape", "playback"] = "autograd"
    seed: NonNegativeInt = 0
    data: Data = field(default_factory=Data)
    optimizer: Optimizer = field(default_factory=Optimizer)
    trainer: Trainer = field(default_factory=Trainer)

    def __post_init__(self) -> None:
        if self.engine != "autograd" and self.trainer.processes > 1:
            raise ValueError("engine: the tape trains in one process; it does not average gradients between several")
        if self.engine == "playback" and self.trainer.precision == "bf16-mixed":
            raise ValueError("engine: a playback plays nothing under autocast, which bf16-mixed is; the tape does")

    def table(self, kind: Callable[..., Any]) -> Any:
        """The data module of this class, such as `training.Digits`, with these settings, ready."""
        data = kind(**vars(self.data), seed=self.seed)
        data.setup()
        return data

    def learning(self) -> dict[str, Any]:
        """How it is trained: optimizer, scheduler and engine, as keyword arguments of a Learner."""
        return {
            "optimizer": self.optimizer.build,
            "scheduler": self.optimizer.scheduler(self.trainer.max_epochs),
            "engine": self.engine,
        }
