"""What tests of runs that survive share: a recipe of their own, runs in processes to be killed, and their outcome."""

from __future__ import annotations

import hashlib
import itertools
import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from manualgrad import training
from manualgrad.arguments import Mistake
from manualgrad.training import checkpoints, files, plots
from manualgrad.training import finishing as parts
from manualgrad.training.checkpoints import read_checkpoint
from manualgrad.training.command import main
from manualgrad.training.resuming import ExactResume

# A recipe with all that makes resuming hard: dropout, a schedule, a loader with workers that draw random numbers, one
# that stays in one batch, and both engines.
OWN = '''
"""Everything random."""
from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from manualgrad import training


@dataclass
class Config(training.Settings):
    workers: int = -1
    twice: bool = False
    data: training.Data = field(default_factory=lambda: training.Data(batch_size=50))
    optimizer: training.Optimizer = field(
        default_factory=lambda: training.Optimizer("SGD", lr=0.05, momentum=0.9, schedule="cosine")
    )
    trainer: training.Trainer = field(default_factory=lambda: training.Trainer(max_epochs=3))


def run(config, run):
    if config.twice:
        with run.inside("first") as part:
            once(config, part, 1)
    return once(config, run, config.trainer.max_epochs)


def once(config, run, epochs):
    import os
    import random

    import numpy as np
    import torch
    from lightning.pytorch.callbacks import Callback

    from manualgrad import nn

    class Noisy(torch.utils.data.Dataset):
        def __init__(self, x, y):
            self.x, self.y = x, y

        def __len__(self):
            return len(self.y)

        def __getitem__(self, row):
            noise = torch.rand(30) + random.random() + (np.random.rand() if config.workers == 0 else 0)
            return self.x[row] + 0.01 * noise, self.y[row]

    class Signals(Callback):
        """SIGNAL="1 9 15": the second process sends itself SIGTERM in step 9."""

        def on_train_batch_start(self, trainer, learner, batch, batch_idx):
            rank, step, number = map(int, os.environ.get("SIGNAL", "0 0 0").split())
            if (trainer.global_rank, trainer.global_step + 1) == (rank, step):
                os.kill(os.getpid(), number)

    class Data(training.BreastCancer):
        def train_dataloader(self):
            if config.workers < 0:
                return super().train_dataloader()
            rows = Noisy(*self.parts["train"])
            return training.Loader(rows, self.batch_size, seed=self.seed, num_workers=config.workers)

    data = Data(**vars(config.data), seed=config.seed)
    data.setup()
    network = nn.Sequential(nn.Linear(30, 4), nn.ReLU(), nn.Dropout(0.3), nn.Linear(4, 1))
    learner = training.Classifier(
        network, nn.BCEWithLogitsLoss(), config.optimizer.build,
        config.optimizer.scheduler(config.trainer.max_epochs), classes=2, engine=config.engine,
    )
    return training.fit(learner, data, dataclasses.replace(config.trainer, max_epochs=epochs), run, [Signals()])
'''


def with_a_recipe(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder as the working directory, with the recipe `own.py` in it."""
    monkeypatch.chdir(folder)
    Path("own.py").write_text(OWN)
    return folder


# A child of this process has all imported, and it can be killed for good.


def in_child(work: Callable[[], object]) -> int:
    """Do the work in a process of its own; its exit status, or minus the signal that ended it."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        status = 70
        try:
            status = int(work() or 0)  # type: ignore[call-overload]
        except Mistake as mistake:
            print(mistake, file=sys.stderr)
            status = 2
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def train(
    *words: str, at: dict[int, int] | None = None, saving: int | None = None, finishing: int | None = None
) -> int:
    """`manualgrad train` in a child that gets the signal `at[step]` in that step, or SIGKILL within saving it so often
    or when so many of its parts are finished.

    Leaves the digest of parameters, optimizer and random numbers at the end of training in the file `digest`.
    """

    def work() -> int:
        torch.set_num_threads(1)
        step = training.Learner.training_step
        ended = ExactResume.on_train_end

        def stepped(self: Any, batch: Any, batch_idx: int) -> Any:
            if at and (number := at.pop(self.global_step + 1, None)):
                os.kill(os.getpid(), number)
            return step(self, batch, batch_idx)

        def digested(self: Any, trainer: Any, learner: Any) -> None:
            Path("digest").write_text(digest(trainer, learner))
            ended(self, trainer, learner)

        plots.png = lambda figure: b"drawn"  # it takes longer than the training
        training.Learner.training_step = stepped  # type: ignore[method-assign]
        ExactResume.on_train_end = digested  # type: ignore[method-assign]
        if saving is not None:
            kill_while_writing(saving)
        if finishing is not None:
            kill_after_parts(finishing)
        return main(words)

    return in_child(work)


def digest(trainer: Any, learner: Any) -> str:
    from manualgrad.training.randomness import random_state

    found = hashlib.sha256()

    def add(value: Any) -> None:
        if isinstance(value, torch.Tensor):
            found.update(
                str((value.dtype, tuple(value.shape))).encode() + value.detach().contiguous().numpy().tobytes()
            )
        elif isinstance(value, dict):
            for key in sorted(value, key=str):
                found.update(str(key).encode())
                add(value[key])
        elif isinstance(value, list | tuple):
            for each in value:
                add(each)
        else:
            found.update(repr(value).encode())

    add([learner.state_dict(), [o.state_dict() for o in trainer.optimizers], random_state()])
    add([config.scheduler.state_dict() for config in trainer.lr_scheduler_configs])
    return found.hexdigest()


def kill_while_writing(which: int) -> None:
    """Let the writing of the `which`-th file in a folder checkpoints/ be killed in the middle, or before its end."""
    count = 0
    real = files.write_whole

    def counted(path: Path, content: bytes) -> None:
        nonlocal count
        if path.parent.name == "checkpoints":
            count += 1
            if count == which:
                half = random.Random(which).randrange(len(content) + 1)
                if half % 3 == 0:
                    os.fsync = lambda fd: os.kill(os.getpid(), signal.SIGKILL)
                elif half % 3 == 1:
                    os.replace = lambda *names: os.kill(os.getpid(), signal.SIGKILL)
                else:
                    path.with_name(files.PART.format(path.name)).write_bytes(content[:half])
                    os.kill(os.getpid(), signal.SIGKILL)
        real(path, content)

    checkpoints.write_whole = counted  # type: ignore[attr-defined]


def kill_after_parts(which: int) -> None:
    """Let the process be killed as soon as the `which`-th part of the run is finished and kept."""
    real, count = files.write_whole, itertools.count(1)

    def counted(path: Path, content: bytes) -> None:
        real(path, content)
        if next(count) == which:
            os.kill(os.getpid(), signal.SIGKILL)

    parts.write_whole = counted  # type: ignore[attr-defined]


def outcome(folder: Path) -> dict[str, Any]:
    """All that a run leaves, of a checkpoint the weights; these must be the same, and nothing else be there."""
    digested = Path("digest")  # of runs that have a learner
    found: dict[str, Any] = {"digest": digested.read_text()} if digested.exists() else {}
    for path in folder.rglob("*"):
        if path.suffix == ".ckpt":
            weights = read_checkpoint(path)["state_dict"]
            found[str(path.relative_to(folder))] = {name: value.numpy().tobytes() for name, value in weights.items()}
        elif path.is_file():
            found[str(path.relative_to(folder))] = path.read_bytes()
    return found
