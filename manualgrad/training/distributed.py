"""One run in several processes, each with its share of every batch: started by Lightning, torchrun or SLURM.

Lightning's strategies and torch.distributed do the work. What is here is what has to be done by rows rather than by
processes for the run to be the one of a single process.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")


def share(batch: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The rows of a batch that are this process's: all if it is alone, none where there are fewer rows than processes.

    >>> [part.tolist() for part in share((torch.arange(3), torch.arange(3)))]
    [[0, 1, 2], [0, 1, 2]]
    """
    if not dist.is_initialized():
        return tuple(batch)
    return tuple(t.tensor_split(dist.get_world_size())[dist.get_rank()] for t in batch)


def summed(*numbers: float) -> list[float]:
    """Each number summed over the processes."""
    return _reduced(numbers, dist.ReduceOp.SUM)


def largest(*numbers: float) -> list[float]:
    """The largest that any of the processes has of each number."""
    return _reduced(numbers, dist.ReduceOp.MAX)


def _reduced(numbers: Sequence[float], how: dist.ReduceOp.RedOpType) -> list[float]:
    if not dist.is_initialized():
        return list(numbers)
    device = torch.device("cuda", torch.cuda.current_device()) if dist.get_backend() == "nccl" else None
    total = torch.tensor(numbers, dtype=torch.float64, device=device)
    dist.all_reduce(total, how)
    return total.tolist()


def of_each(value: T) -> list[T]:
    """The values of all processes, in their order."""
    if not dist.is_initialized():
        return [value]
    values = [value] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values


def own(values: Sequence[T]) -> T:
    """This process's value of those that `of_each` gave."""
    return values[dist.get_rank() if dist.is_initialized() else 0]


def gathered(tensor: Tensor) -> Tensor:
    """The rows of all processes, in the order of the processes, on the CPU."""
    return torch.cat(of_each(tensor.cpu()))
