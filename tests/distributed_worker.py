"""What each of the processes of tests/test_distributed.py does; rank 0 writes the differences to the file in argv[1].

Started by torchrun. Every case computes the gradients of one model on one batch twice: by all processes together, with
the rows or the weights divided among them, and by rank 0 alone. Rows are uneven: the last rank has fewer.
"""

from __future__ import annotations

import gc
import json
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module
from torch.nn.parallel import DistributedDataParallel

import manualgrad
from manualgrad import functional as F
from manualgrad import nn

ROWS = 13  # 7 for the first rank, 6 for the second


def perceptron() -> torch.nn.Module:
    return nn.Sequential(nn.Linear(8, 16), nn.Sigmoid(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 4))


def convolutional() -> torch.nn.Module:
    layers = (nn.Unflatten(1, (1, 2, 4)), nn.Conv2d(1, 4, 3, padding=1), nn.GELU(), nn.Flatten(), nn.LayerNorm(32))
    return nn.Sequential(*layers, nn.Linear(32, 4))


class Reader(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.recurrent = nn.LSTM(2, 6)
        self.out = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.recurrent(x.unflatten(1, (4, 2)).transpose(0, 1))[1][0][-1])


def transformer() -> torch.nn.Module:
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    return nn.Sequential(nn.Unflatten(1, (1, 8)), layer, nn.Flatten(), nn.Linear(8, 4))


def converted() -> torch.nn.Module:
    model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Tanh(), torch.nn.Linear(16, 4))
    manualgrad.convert(model, strict=True)
    return model


MODELS: dict[str, Callable[[], torch.nn.Module]] = {
    "perceptron": perceptron,
    "convolutional": convolutional,
    "recurrent": Reader,
    "transformer": transformer,
    "converted": converted,
}


def built(build: Callable[[], torch.nn.Module]) -> torch.nn.Module:
    torch.manual_seed(0)
    return build()


def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(ROWS, 8, generator=generator), torch.randint(0, 4, (ROWS,), generator=generator)


def part(rank: int, world: int) -> tuple[Tensor, Tensor]:
    x, y = batch()
    return x.tensor_split(world)[rank], y.tensor_split(world)[rank]


def share(loss: Tensor, rows: int, world: int) -> Tensor:
    """The loss whose gradients, averaged over ranks of unlike numbers of rows, are those of the mean over all rows."""
    return loss * rows * world / ROWS


def alone(build: Callable[[], torch.nn.Module]) -> list[Tensor]:
    model = built(build)
    x, y = batch()
    F.cross_entropy(model(x), y).backward()
    return [p.grad for p in model.parameters() if p.grad is not None]


def whole(gradient: Tensor | None) -> Tensor:
    assert gradient is not None
    return gradient.full_tensor() if isinstance(gradient, DTensor) else gradient


def apart(model: torch.nn.Module, build: Callable[[], torch.nn.Module]) -> float:
    """The largest difference of a gradient, relative to the largest element of all."""
    ours, expected = [whole(p.grad) for p in model.parameters()], alone(build)
    size = max(float(e.abs().max()) for e in expected)
    return max(float((a - b).abs().max()) for a, b in zip(ours, expected, strict=True)) / size


def cases(rank: int, world: int) -> Iterator[tuple[str, float]]:
    x, y = part(rank, world)
    for name, build in MODELS.items():
        replicated = DistributedDataParallel(built(build))
        share(F.cross_entropy(replicated(x), y), len(y), world).backward()
        yield f"DDP {name}", apart(replicated.module, build)

        sharded = built(build)
        for layer in sharded.children():
            if any(True for _ in layer.parameters()):
                fully_shard(layer)
        fully_shard(sharded)
        share(F.cross_entropy(sharded(x), y), len(y), world).backward()
        yield f"FSDP2 {name}", apart(sharded, build)

    mesh = init_device_mesh("cpu", (world,))
    divided = parallelize_module(built(perceptron), mesh, {"0": ColwiseParallel(), "2": RowwiseParallel()})
    x, y = batch()
    F.cross_entropy(divided(x), y).backward()
    yield "tensor parallel perceptron", apart(divided, perceptron)

    steps = [built(perceptron), DistributedDataParallel(built(perceptron))]
    for k, model in enumerate(steps):
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
        for _ in range(5):
            x, y = part(rank, world) if k else batch()
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            (share(loss, len(y), world) if k else loss).backward()
            optimizer.step()
    one, many = (torch.nn.utils.parameters_to_vector(model.parameters()).detach() for model in steps)
    yield "five steps of AdamW under DDP", float((one - many).abs().max())


def main() -> None:
    torch.use_deterministic_algorithms(True)
    dist.init_process_group("gloo")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.filterwarnings("ignore", "FSDP2-wrapped")  # of any recurrent layer, torch's too: its output is a view
        found = dict(cases(dist.get_rank(), dist.get_world_size()))
    if dist.get_rank() == 0:
        Path(sys.argv[1]).write_text(json.dumps(found), encoding="utf-8")
    gc.collect()  # DDP's reducers hold threads of the group: they go first
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
