"""Classifier and Regressor: any network, loss and optimizer, trained by Lightning, with any engine.

    engine="autograd"   loss.backward() by torch's autograd
    engine="tape"       tape.backward(loss) by `manualgrad.Tape`, in Lightning's `backward` hook
    engine="playback"   the tape of the first batch, played on the others by `manualgrad.Playback`

All run the same formulas in the same order, so their runs are the same run. With a playback, that holds for networks
whose `forward` does the same with every batch of a shape: it is called for the first one only, and so are its hooks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, get_args

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.plugins.precision import MixedPrecision
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics import Metric
from torchmetrics.regression import MeanAbsoluteError, R2Score

from manualgrad.playback import Playback
from manualgrad.tape import Tape
from manualgrad.training.distributed import summed
from manualgrad.training.metrics import Accuracy, Mean

Batch = tuple[Tensor, Tensor]
Engine = Literal["autograd", "tape", "playback"]


class NonFiniteLoss(RuntimeError):
    """The loss became infinite or not a number; says after how many steps."""


class Learner(LightningModule):
    """What Classifier and Regressor share: the training step, and metrics over whole splits.

    Logs `train_loss`, `val_loss`, `test_loss` (means over the rows of an epoch) and `val_NAME`, `test_NAME` for each of
    `metrics`, which are fed with predictions and targets. `optimizer` makes the optimizer from the parameters,
    `scheduler` the scheduler, stepped after each epoch, from the optimizer.

    Raises NonFiniteLoss as soon as a loss is infinite or not a number, before it changes the weights.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: nn.Module | Callable[[Tensor, Tensor], Tensor],
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        scheduler: Callable[[Optimizer], LRScheduler] | None,
        engine: Engine,
        metrics: Mapping[str, Metric],
    ) -> None:
        super().__init__()
        if engine not in get_args(Engine):
            raise ValueError(f"engine must be 'autograd', 'tape' or 'playback', got {engine!r}")
        self.network = network
        self.loss = loss
        self.make_optimizer = optimizer
        self.make_scheduler = scheduler
        self.engine = engine
        self.metrics: Any = nn.ModuleDict(
            {f"{stage}_{name}": metric.clone() for stage in ("val", "test") for name, metric in metrics.items()}
        )
        self._losses = {stage: Mean() for stage in ("train", "val", "test")}
        # The loss whose gradients are not torch's to compute, and the tape that has to; none if they are there already.
        self._recorded: tuple[Tape | None, Tensor] | None = None
        self._playback: Playback | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        # Set at each step, the first some ten times by Lightning; nn.Module would look whether the value is a layer.
        if name in ("_current_fx_name", "_recorded"):
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    def objective(self, output: Tensor, target: Tensor) -> Tensor:
        """The loss of a batch, given the network's output and the targets as the data module has them."""
        raise NotImplementedError

    def prediction(self, output: Tensor) -> Tensor:
        """What the network's output says about each row: (rows,), comparable with the targets."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x)

    def configure_optimizers(self) -> Any:
        optimizer = self.make_optimizer(self.parameters())
        if self.make_scheduler is None:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": self.make_scheduler(optimizer)}

    def on_fit_start(self) -> None:
        if self.engine != "autograd":
            self._check_engine(self.trainer, f"engine={self.engine!r}")
        if self.engine == "playback":
            self._playback = Playback(lambda x, y: self.objective(self.network(x), y))
        if self.trainer.world_size > 1:  # all begin with the same weights; their dropouts need not agree
            torch.manual_seed(torch.initial_seed() + self.trainer.global_rank)

    def _check_engine(self, trainer: Any, engine: str) -> None:
        if trainer.world_size > 1:
            raise ValueError(f"{engine} trains on one device: it does not average gradients between several")
        if getattr(trainer.precision_plugin, "scaler", None) is not None:
            raise ValueError(f"{engine} does not scale losses as precision '16-mixed' needs it; use 'bf16-mixed'")
        if self.engine == "playback":
            if isinstance(trainer.precision_plugin, MixedPrecision):
                raise ValueError(f"{engine} plays nothing under autocast, which mixed precision is; use the tape")
            if trainer.accumulate_grad_batches != 1:
                raise ValueError(f"{engine} replaces gradients, it does not accumulate them; use the tape")

    def on_fit_end(self) -> None:
        self._playback = None

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        x, y = batch
        rows = y.shape[0]
        if self._playback is not None:
            loss = self._playback(x, y)
            self._recorded = None, loss
        elif self.engine == "tape":
            with Tape() as tape:
                loss = self.objective(self.network(x), y)
            self._recorded = tape, loss.requires_grad_()  # what Lightning does with the loss is left to autograd
        else:
            output = self.network(x)
            loss = self.objective(output, y) if rows else 0 * output.sum()  # the mean of no rows is no number
        share = self._follow(loss, rows)
        return loss if share == 1 else loss * share

    def backward(self, loss: Tensor, *arguments: Any, **keywords: Any) -> None:
        if self._recorded is None:
            super().backward(loss, *arguments, **keywords)
            return
        (tape, recorded), self._recorded = self._recorded, None
        if tape is not None:
            tape.backward(recorded, None if loss is recorded else torch.autograd.grad(loss, recorded)[0])
        elif loss is not recorded and not torch.equal(loss, recorded):
            raise ValueError("engine='playback' has the gradients of `objective` only; use the tape to change its loss")

    # What zero_grad() of an optimizer and of a module do, which takes as long as a layer.

    def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: Optimizer) -> None:
        if self._playback is not None:  # it has put this step's gradients in place of those of the last
            return
        for group in optimizer.param_groups:
            for p in group["params"]:
                p.grad = None

    def on_validation_model_zero_grad(self) -> None:
        for p in self.parameters():
            p.grad = None

    def _follow(self, loss: Tensor, rows: int) -> float:
        """Add to the epoch's mean loss, over the rows of all processes.

        Returns what this process's loss has to be multiplied by for the mean of the processes' gradients, which is what
        DDP takes, to be the gradient of the mean over all rows: a process with fewer rows counts for less.
        """
        processes = self.trainer.world_size
        if processes == 1:
            self._losses["train"].add(self._finite("training", loss.item()) * rows, rows)
            return 1.0
        loss_sum, all_rows = summed(loss.item() * rows, rows)
        self._losses["train"].add(self._finite("training", loss_sum), int(all_rows))
        return rows * processes / all_rows

    def _finite(self, what: str, value: float) -> float:
        if not math.isfinite(value):
            raise NonFiniteLoss(
                f"the {what} loss is {value} after {self.global_step} steps (epoch {self.current_epoch + 1}); "
                "a lower learning rate often helps"
            )
        return value

    def on_train_epoch_end(self) -> None:
        self._log_loss("train", *self._losses["train"].take())

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["epoch_loss"] = self._losses["train"].state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._losses["train"] = Mean(*checkpoint.get("epoch_loss", (0.0, 0)))

    def _evaluate(self, batch: Batch, stage: str) -> tuple[Tensor, Tensor]:
        x, y = batch
        output = self.network(x)
        predicted = self.prediction(output)
        if len(y):
            loss = self._finite("validation" if stage == "val" else stage, self.objective(output, y).item())
            self._losses[stage].add(loss * len(y), len(y))
            for name, metric in self.metrics.items():
                if name.startswith(stage):
                    metric.update(predicted, y)
        return predicted, y

    def _log_evaluated(self, stage: str) -> None:
        self._log_loss(stage, *summed(*self._losses[stage].take()))
        self.log_dict({name: metric for name, metric in self.metrics.items() if name.startswith(stage)})

    def _log_loss(self, stage: str, total: float, rows: float) -> None:
        together = self.trainer.world_size > 1  # all have the same number already, but Lightning asks for a mean
        self.log(f"{stage}_loss", total / rows, batch_size=1, sync_dist=together)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self._evaluate(batch, "val")

    def on_validation_epoch_end(self) -> None:
        self._log_evaluated("val")

    def on_test_epoch_start(self) -> None:
        self.tested: list[tuple[Tensor, Tensor]] = []  # predictions and targets, for the plot

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self.tested.append(self._evaluate(batch, "test"))

    def on_test_epoch_end(self) -> None:
        self._log_evaluated("test")

    def predict_step(self, batch: Batch | Tensor, batch_idx: int = 0) -> Tensor:
        return self.prediction(self.network(batch if isinstance(batch, Tensor) else batch[0]))


class Classifier(Learner):
    """Learns the class of each row.

    The network gives scores (rows, classes) or, for two classes, one number per row, (rows,) or (rows, 1): a logit, or
    with `output="probability"` the probability of class 1. Targets are class numbers (rows,), int64. `loss` gets the
    scores with the targets; with one number per row it gets the targets in that shape and dtype.

    >>> from manualgrad import nn
    >>> network = nn.Sequential(nn.Linear(2, 3), nn.Sigmoid(), nn.Linear(3, 1))
    >>> learner = Classifier(network, torch.nn.BCEWithLogitsLoss(), classes=2)
    >>> learner.prediction(torch.tensor([[-0.5], [0.0], [2.0]]))
    tensor([0, 0, 1])
    """

    def __init__(
        self,
        network: nn.Module,
        loss: nn.Module | Callable[[Tensor, Tensor], Tensor],
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer] = torch.optim.Adam,
        scheduler: Callable[[Optimizer], LRScheduler] | None = None,
        *,
        classes: int,
        output: Literal["scores", "probability"] = "scores",
        engine: Engine = "autograd",
        metrics: Mapping[str, Metric] | None = None,
    ) -> None:
        if classes < 2:
            raise ValueError(f"classes must be at least 2, got {classes}")
        if output not in ("scores", "probability"):
            raise ValueError(f"output must be 'scores' or 'probability', got {output!r}")
        if metrics is None:
            metrics = {"accuracy": Accuracy()}
        super().__init__(network, loss, optimizer, scheduler, engine, metrics)
        self.classes = classes
        self.threshold = 0.5 if output == "probability" else 0.0

    def objective(self, output: Tensor, target: Tensor) -> Tensor:
        return self.loss(output, target.to(output.dtype).reshape(output.shape) if self._is_one(output) else target)

    def prediction(self, output: Tensor) -> Tensor:
        return (output > self.threshold).long().flatten() if self._is_one(output) else output.argmax(dim=1)

    def _is_one(self, output: Tensor) -> bool:
        """Whether the network gives one number per row; raises ValueError where it gives neither that nor scores."""
        shape = output.shape
        if len(shape) > 1 and shape[1] == self.classes:
            return False
        if self.classes == 2 and (len(shape) == 1 or shape[1:] == (1,)):
            return True
        wanted = "(rows, 2), (rows, 1) or (rows,)" if self.classes == 2 else f"(rows, {self.classes})"
        raise ValueError(f"network: output has shape {tuple(shape)}; {self.classes} classes need {wanted}")


class Regressor(Learner):
    """Learns a number for each row.

    The network gives one number per row, (rows,) or (rows, 1), and learns (y - centre) / scale, so that its targets are
    of size 1 whatever the unit of y; targets y are (rows,). Predictions, and metrics except the loss, are in the unit
    of y. `centre` and `scale` are saved with the weights.

    >>> from manualgrad import nn
    >>> learner = Regressor(nn.Linear(2, 1), torch.nn.MSELoss(), centre=150.0, scale=80.0)
    >>> learner.prediction(torch.tensor([[0.0], [1.0]]))
    tensor([150., 230.])
    """

    def __init__(
        self,
        network: nn.Module,
        loss: nn.Module | Callable[[Tensor, Tensor], Tensor],
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer] = torch.optim.Adam,
        scheduler: Callable[[Optimizer], LRScheduler] | None = None,
        *,
        centre: float = 0.0,
        scale: float = 1.0,
        engine: Engine = "autograd",
        metrics: Mapping[str, Metric] | None = None,
    ) -> None:
        if not scale > 0:
            raise ValueError(f"scale must be positive, got {scale}")
        if metrics is None:
            metrics = {"r2": R2Score(), "mae": MeanAbsoluteError()}
        super().__init__(network, loss, optimizer, scheduler, engine, metrics)
        self.centre: Tensor
        self.scale: Tensor
        self.register_buffer("centre", torch.tensor(centre))
        self.register_buffer("scale", torch.tensor(scale))

    def objective(self, output: Tensor, target: Tensor) -> Tensor:
        if output.numel() != len(target):
            raise ValueError(
                f"network: output has shape {tuple(output.shape)}; {len(target)} rows need one number each"
            )
        return self.loss(output, ((target - self.centre) / self.scale).to(output.dtype).reshape(output.shape))

    def prediction(self, output: Tensor) -> Tensor:
        return output.flatten() * self.scale + self.centre
