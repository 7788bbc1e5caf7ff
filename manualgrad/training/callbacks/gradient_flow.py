"""GradientFlow: how large the gradient is that reaches each layer, and each step of time."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn

from manualgrad.explaining.trace import unchanged
from manualgrad.training.callbacks.rehearsal import Rehearsal, as_batch
from manualgrad.training.files import write_whole
from manualgrad.training.learners import Learner

COLUMNS = ("step", "layer", "time", "rms")


class GradientFlow(Callback):
    """Every `every` steps, the root mean square of the gradient of each parameter and, per time step, of the input of
    each recurrent layer.

    A copy of the network takes the batch forward and back; the run itself is not touched, and either engine is looked
    at alike. Logs after each epoch `gradient_rms/NAME`, the latest; `rows` keeps all figures (step, layer, time step or
    "", rms), written to `file` as CSV when training ends, if one is given. A layer is said to vanish where its gradient
    is less than `vanishing` times that of the parameters of the last layer (the weakest of them that is not zero), and
    to explode where it is more than `exploding` times that; a step of time is measured by the last one. Each verdict is
    told once, by `say`, and kept in `verdicts`.

    Raises ValueError for `every` below 1 and for thresholds that are not 0 < vanishing < 1 < exploding.

    >>> GradientFlow(every=50).verdicts
    []
    """

    def __init__(
        self,
        every: int = 100,
        vanishing: float = 1e-3,
        exploding: float = 1e3,
        file: str | Path | None = None,
        say: Callable[[str], None] = print,
    ) -> None:
        if every < 1:
            raise ValueError(f"GradientFlow: every must be at least 1, got {every}")
        if not 0 < vanishing < 1 < exploding:
            raise ValueError(f"GradientFlow: 0 < vanishing < 1 < exploding must hold, got {vanishing} and {exploding}")
        self.every, self.vanishing, self.exploding = every, vanishing, exploding
        self.file, self.say = file, say
        self.rows: list[tuple[int, str, int | str, float]] = []
        self.verdicts: list[str] = []
        self._told: list[tuple[str, str]] = []  # of whom, a parameter or a layer at a time, and what
        self._latest: dict[str, float] = {}

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "verdicts": self.verdicts, "told": self._told, "latest": self._latest}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows, self.verdicts = state_dict["rows"], state_dict["verdicts"]
        self._told, self._latest = state_dict["told"], state_dict["latest"]

    def on_train_batch_start(self, trainer: Any, learner: Any, batch: Any, batch_idx: int) -> None:
        if trainer.global_step % self.every == 0:
            self._latest, _ = self.measure(learner, batch)

    def on_train_epoch_end(self, trainer: Any, learner: Any) -> None:
        for name, rms in self._latest.items():
            learner.log(f"gradient_rms/{name}", rms, rank_zero_only=True)

    def on_train_end(self, trainer: Any, learner: Any) -> None:
        if self.file is not None:
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows([COLUMNS, *self.rows])
            write_whole(Path(self.file), text.getvalue().encode())

    def summary(self) -> str:
        """What was found in the run, in a sentence."""
        steps = len({step for step, *_ in self.rows})
        found = []
        for what in ("vanishes", "explodes"):
            if names := [name for name, told in self._told if told == what]:
                more = f" and {len(names) - 1} more" if names[1:] else ""
                found.append(f"that of {names[0]}{more} {what}")
        return f"of the gradients looked at in {steps} steps {', '.join(found) or 'none vanishes or explodes'}"

    def measure(self, learner: Learner, batch: Any) -> tuple[dict[str, float], dict[str, list[float]]]:
        """The figures of this batch: by parameter, from the first to the last, and by recurrent layer and time step."""
        rehearsal = Rehearsal(learner)
        inputs: dict[str, Tensor] = {}
        for name, module in rehearsal.named_modules():
            if isinstance(module, nn.RNNBase):
                module.register_forward_pre_hook(_keep_input(name, inputs))
        with unchanged(rehearsal), torch.enable_grad():
            parameters = {n: p for n, p in rehearsal.named_parameters() if p.requires_grad}
            sought = [*parameters.values()]
            loss = rehearsal(*as_batch(batch))
            gradients = torch.autograd.grad(loss, [*sought, *inputs.values()], allow_unused=True)
        layers = {n: _rms(g) for n, g in zip(parameters, gradients, strict=False)}
        times = {
            name: [_rms(part) for part in g.unbind(_time_dimension(rehearsal.get_submodule(name), g))]
            for name, g in zip(inputs, gradients[len(sought) :], strict=True)
            if g is not None
        }
        step = learner.global_step
        self.rows += [(step, name, "", rms) for name, rms in layers.items()]
        self.rows += [(step, name, t, rms) for name, found in times.items() for t, rms in enumerate(found)]
        self._judge(step, layers, times)
        return layers, times

    def _judge(self, step: int, layers: dict[str, float], times: dict[str, list[float]]) -> None:
        owner = next((name.rpartition(".")[0] for name in reversed(layers)), "")
        last = [rms for name, rms in layers.items() if name.rpartition(".")[0] == owner and rms]
        for name, rms in layers.items():
            self._compare(step, name, rms, min(last, default=0.0), f"that of {owner}")
        for name, found in times.items():
            self._compare(step, f"{name} at time 0", found[0], found[-1], f"that at time {len(found) - 1}")

    def _compare(self, step: int, name: str, rms: float, standard: float, of: str) -> None:
        if not standard:
            return
        ratio = rms / standard
        what = "vanishes" if ratio < self.vanishing else "explodes" if ratio > self.exploding else ""
        if what and (name, what) not in self._told:
            self._told.append((name, what))
            self.verdicts.append(f"after {step} steps the gradient of {name} {what}: {ratio:.1e} times {of}")
            self.say(self.verdicts[-1])


def _keep_input(name: str, inputs: dict[str, Tensor]) -> Callable[..., Any]:
    def hook(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        x, *rest = args
        if not isinstance(x, Tensor):  # packed sequences: their steps of time are not side by side
            return args
        x = x if x.requires_grad else x.detach().requires_grad_()
        inputs[name] = x
        return (x, *rest)

    return hook


def _time_dimension(module: nn.Module, x: Tensor) -> int:
    return 1 if getattr(module, "batch_first", False) and x.dim() == 3 else 0


def _rms(gradient: Tensor | None) -> float:
    return 0.0 if gradient is None or not gradient.numel() else float(gradient.double().square().mean().sqrt())
