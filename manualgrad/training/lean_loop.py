"""Lightning's loop over the batches of an epoch, without the parts of a step that do nothing there."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loops.evaluation_loop import _EvaluationLoop
from lightning.pytorch.loops.fetchers import _DataFetcher, _PrefetchDataFetcher, _profile_nothing
from lightning.pytorch.loops.training_epoch_loop import _TrainingEpochLoop
from lightning.pytorch.plugins.precision import Precision
from lightning.pytorch.profilers import PassThroughProfiler
from lightning.pytorch.strategies import SingleDeviceStrategy
from lightning.pytorch.trainer.connectors.logger_connector.result import _ResultCollection, _ResultMetric
from lightning.pytorch.trainer.states import RunningStage, TrainerFn

from manualgrad.training.lean import NoProfiler
from manualgrad.training.learners import Learner

# The hooks of a step, in the order in which Lightning calls them.
TRANSFER = ("on_before_batch_transfer", "transfer_batch_to_device", "on_after_batch_transfer")
BEFORE = ("on_before_zero_grad", "on_before_backward", "on_after_backward", "on_before_optimizer_step")
HOOKS = ("on_train_batch_start", *BEFORE, "on_train_batch_end")
OF_THE_MODULE = (*TRANSFER, *HOOKS, "optimizer_step", "configure_gradient_clipping")


class _Result(_ResultMetric):
    """A logged value, which Lightning moves to its own device, attribute by attribute, each time that it is logged."""

    def to(self, *arguments: Any, **keywords: Any) -> Any:
        value = getattr(self, "value", None)
        there = value is not None and arguments and value.device == torch.device(arguments[0])
        return self if there else super().to(*arguments, **keywords)


class _Results(_ResultCollection):
    def __setitem__(self, key: str, result: _ResultMetric) -> None:
        super().__setitem__(key, _Result(result.meta, result.is_tensor))


class _ValidationLoop(_EvaluationLoop):
    """Lightning's, that reads the signatures of the hooks once, not before each validation."""

    def __init__(self, trainer: Trainer) -> None:
        super().__init__(trainer, TrainerFn.FITTING, RunningStage.VALIDATING, verbose=False, inference_mode=False)
        self._results = _Results(training=False)
        self._verified = False

    def _verify_dataloader_idx_requirement(self) -> None:
        if not self._verified:
            super()._verify_dataloader_idx_requirement()
            self._verified = True


class LeanEpochLoop(_TrainingEpochLoop):
    """Lightning's loop over the batches of an epoch, that does not ask for what nobody has.

    A step of Lightning's goes through some twenty hooks, of callbacks, module, strategy and precision, most of which do
    nothing; that takes longer than the forward pass of a small network. Here it is looked once an epoch which hooks of
    callbacks there are. Those are called, with the same arguments in the same order, and counters and logged values are
    kept as Lightning keeps them: a checkpoint of one loop is one of the other. The validation is Lightning's, and so is
    every step where anything but the callbacks is other than a Learner in one process has it.

    It is Lightning's own loop that is extended, of which Lightning does not promise that it stays as it is: `lean`
    knows the versions that were tried.
    """

    def __init__(self, trainer: Trainer, min_steps: int | None, max_steps: int) -> None:
        super().__init__(trainer, min_steps, max_steps)
        self._results = _Results(training=True)
        self.val_loop = _ValidationLoop(trainer)

    def advance(self, data_fetcher: _DataFetcher) -> None:
        if self.is_lean(data_fetcher):
            self._steps(data_fetcher)
        else:
            super().advance(data_fetcher)

    def is_lean(self, fetcher: _DataFetcher) -> bool:
        """Whether nothing that is left out here is needed in this epoch."""
        trainer = self.trainer
        module, data = trainer.lightning_module, trainer.datamodule
        return (
            not self.restarting
            and type(module).training_step is Learner.training_step
            and module.automatic_optimization
            and type(fetcher) is _PrefetchDataFetcher
            and fetcher.length is not None
            and type(trainer.strategy) is SingleDeviceStrategy
            and type(trainer.precision_plugin) is Precision
            and type(trainer.profiler) in (NoProfiler, PassThroughProfiler)
            and trainer.accumulate_grad_batches == 1
            and trainer.gradient_clip_val is None
            and self.max_steps == -1
            and trainer.val_check_interval == 1.0
            and all(c.interval == "epoch" for c in trainer.lr_scheduler_configs)
            and not any(_overrides(module, LightningModule, hook) for hook in OF_THE_MODULE)
            and not (data and any(_overrides(data, LightningDataModule, hook) for hook in TRANSFER))
        )

    def _steps(self, fetcher: _DataFetcher) -> None:
        trainer, module, optimizer = self.trainer, self.trainer.lightning_module, self.trainer.optimizers[0]
        connector, batches = trainer._logger_connector, self.batch_progress
        counts = self.automatic_optimization.optim_progress.optimizer
        epoch, results, elsewhere = trainer.current_epoch, self._results, trainer.strategy.root_device.type != "cpu"
        fetcher._start_profiler = fetcher._stop_profiler = _profile_nothing
        heard = {h: [getattr(c, h) for c in trainer.callbacks if _overrides(c, Callback, h)] for h in HOOKS}

        def tell(hook: str, *arguments: Any) -> None:
            if listeners := heard[hook]:
                module._current_fx_name = hook
                for listener in listeners:
                    listener(trainer, module, *arguments)

        while True:
            batch, _, _ = next(fetcher)
            batch_idx = self.batch_idx + 1
            batches.is_last_batch = fetcher.done
            if elsewhere:
                batch = trainer.strategy.batch_to_device(batch)
            batches.increment_ready()
            connector._first_loop_iter = connector._first_loop_iter is None
            results.batch, results.batch_size = batch, None
            tell("on_train_batch_start", batch, batch_idx)
            batches.increment_started()

            counts.step.increment_ready()
            module._current_fx_name = "training_step"
            loss = module.training_step(batch, batch_idx)
            counts.zero_grad.increment_ready()
            tell("on_before_zero_grad", optimizer)
            counts.zero_grad.increment_started()
            module.optimizer_zero_grad(epoch, batch_idx, optimizer)
            counts.zero_grad.increment_completed()
            tell("on_before_backward", loss)
            module.backward(loss)
            tell("on_after_backward")
            tell("on_before_optimizer_step", optimizer)
            optimizer.step()
            counts.step.increment_completed()

            batches.increment_processed()
            if fetcher.done:
                self.update_lr_schedulers("epoch", update_plateau_schedulers=False)
            tell("on_train_batch_end", {"loss": loss.detach()}, batch, batch_idx)
            logged = any(result.meta.on_step for result in results.values())
            if logged:
                connector.on_batch_end()
            batches.increment_completed()
            if logged:
                connector.update_train_step_metrics()
            if fetcher.done or trainer.should_stop or trainer.received_sigterm:
                module._current_fx_name = results.batch = None
                return  # to Lightning, which counts this step and sees what comes next
            self._batches_that_stepped += 1


def _overrides(what: Any, parent: type, hook: str) -> bool:
    return callable(getattr(what, hook)) and getattr(type(what), hook) is not getattr(parent, hook)
