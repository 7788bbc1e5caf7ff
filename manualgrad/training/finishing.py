"""What is finished of a run: kept as soon as it is made, and not made again when the run is resumed."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, TypeVar

import torch

from manualgrad.training.checkpoints import read_tensors
from manualgrad.training.files import write_whole
from manualgrad.training.randomness import random_state, set_random_state
from manualgrad.training.run import FINISHED, Run

T = TypeVar("T")


def once(run: Run, name: str, make: Callable[..., T], *arguments: Any) -> T:
    """`make(*arguments)`, or what that gave, where the run is resumed and this part of it was finished before.

    The result holds tensors, numbers and texts, in dicts, lists and tuples; what `make` changes besides it is lost. The
    random numbers go on in either case as they do after `make`. Each `name` is that of one part of the run.

    Raises OSError if the result cannot be written, and CheckpointError if what was written is damaged.

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp(), "run")
    >>> try:
    ...     with Run("study", folder) as run:
    ...         first = once(run, "first", torch.rand, 3)
    ...         raise KeyboardInterrupt
    ... except KeyboardInterrupt:
    ...     pass
    >>> with Run("study", folder, resumed=True) as run:
    ...     torch.equal(first, once(run, "first", torch.rand, 3))
    first: finished before
    True
    """
    path = run.folder / FINISHED / f"{name.replace('/', '_')}.pt"
    if run.resumed and path.exists():
        kept = read_tensors(path)
        set_random_state(kept["random"])
        print(f"{name}: finished before", flush=True)
        return kept["result"]
    result = make(*arguments)
    content = io.BytesIO()
    torch.save({"result": result, "random": random_state()}, content)
    path.parent.mkdir(exist_ok=True)
    write_whole(path, content.getvalue())
    return result
