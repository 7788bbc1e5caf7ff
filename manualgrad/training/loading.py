"""Loaders that can begin at any batch of any epoch: what a run needs of its data to be resumed exactly.

The rows come in an order that is a function of seed and epoch alone. Lightning tells the epoch to a loader's sampler,
and keeps what the loader's `state_dict` says in its checkpoints.
"""

from __future__ import annotations

from collections.abc import Iterator, Sized
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from manualgrad.training.distributed import share
from manualgrad.training.randomness import random_state, set_random_state


class Place:
    """Where a loader is: in which epoch, and how many of its batches it has served."""

    def __init__(self) -> None:
        self.epoch = 0
        self.batch = 0
        self._begin = 0

    def set_epoch(self, epoch: int) -> None:
        if epoch != self.epoch:
            self.epoch, self.batch, self._begin = epoch, 0, 0

    def begin(self) -> int:
        """The batch at which to begin now: 0, except for the first time after a checkpoint was loaded."""
        self.batch, self._begin = self._begin, 0
        return self.batch

    def state_dict(self) -> dict[str, int]:
        return {"epoch": self.epoch, "batch": self.batch}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.epoch, self._begin = state["epoch"], state["batch"]


def shuffled(rows: int, seed: int, epoch: int) -> Tensor:
    """The numbers 0 to rows - 1 in the order of this seed and epoch."""
    # numpy mixes the two numbers; torch's generator on the CPU looks at 32 bits of its seed only.
    return torch.from_numpy(np.random.default_rng((seed, epoch)).permutation(rows))


class Batches(Place):
    """Tensors of n rows each, cut into batches of `batch_size` rows; the last one may be smaller.

    With a `seed` the rows are shuffled. Of several processes each gets its share of every batch, which for the last
    one may be empty. A batch is a slice of tensors that are already in memory, not a list of rows
    put together again: a torch DataLoader takes longer over such a batch than a small network over its training step.

    >>> rows = Batches((torch.arange(5), torch.arange(5) * 10), batch_size=2)
    >>> [x.tolist() for x, y in rows], len(rows)
    ([[0, 1], [2, 3], [4]], 3)
    """

    def __init__(self, tensors: tuple[Tensor, ...], batch_size: int, seed: int | None = None) -> None:
        super().__init__()
        self.tensors = tensors
        self.batch_size = batch_size
        self.seed = seed

    def __len__(self) -> int:
        return -(-len(self.tensors[0]) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        tensors = self.tensors
        if self.seed is not None:
            order = shuffled(len(tensors[0]), self.seed, self.epoch)
            tensors = tuple(t[order] for t in tensors)
        begin = self.begin() * self.batch_size
        for batch in zip(*(t[begin:].split(self.batch_size) for t in tensors), strict=True):
            self.batch += 1
            yield share(batch)

    batch_sampler = None  # Lightning looks for one wherever it finds a sampler

    @property
    def sampler(self) -> Batches:
        return self


class Shuffled(Place, Sampler[int]):
    """The row numbers of a data set, in the order of the seed and the epoch."""

    def __init__(self, data: Sized, seed: int) -> None:
        super().__init__()
        self.data = data
        self.seed = seed

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[int]:
        yield from shuffled(len(self.data), self.seed, self.epoch).tolist()


class Loader(DataLoader[Any]):
    """A torch DataLoader over a data set of known length, shuffled, that can begin at any batch of any epoch.

    It takes DataLoader's arguments, except those that say in which order rows come. To begin in the middle it draws the
    batches before it again and drops them: what random numbers a data set uses, in a worker or not, is as it was then.

    >>> loader = Loader(torch.arange(6), batch_size=2, seed=1)
    >>> whole = [batch.tolist() for batch in loader]
    >>> loader.load_state_dict({"epoch": 0, "batch": 2})
    >>> [batch.tolist() for batch in loader] == whole[2:]
    True
    """

    def __init__(self, dataset: Dataset[Any] | Tensor, batch_size: int = 1, *, seed: int = 0, **keywords: Any) -> None:
        self.place = Shuffled(dataset, seed)  # type: ignore[arg-type]  # a Dataset need not say that it has a length
        generator = torch.Generator()  # of the workers' seeds
        super().__init__(dataset, batch_size, sampler=self.place, generator=generator, **keywords)  # type: ignore[arg-type]

    def __iter__(self) -> Any:  # a generator: Lightning asks for an iterator before it knows the epoch
        assert isinstance(self.generator, torch.Generator)
        self.generator.manual_seed(self.place.seed * 1_000_003 + self.place.epoch)
        batches = super().__iter__()
        if begin := self.place.begin():
            before = random_state()
            for _ in range(begin):
                next(batches)
            set_random_state(before)  # which is the one after those batches already
        for batch in batches:
            self.place.batch += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        return self.place.state_dict()

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.place.load_state_dict(state)
