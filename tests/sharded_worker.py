"""An epoch of digits by Lightning: argv[1] processes, parameters sharded by FSDP2, metrics to the file argv[2]."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import torch
from lightning.pytorch.strategies import ModelParallelStrategy
from torch.distributed.fsdp import fully_shard

from manualgrad import nn, training


class Sharded(training.Classifier):
    def configure_model(self) -> None:
        if self.device_mesh is not None:
            layers: Any = self.network
            for layer in (*(child for child in layers if any(True for _ in child.parameters())), layers):
                fully_shard(layer, mesh=self.device_mesh["data_parallel"])


def main() -> None:
    torch.manual_seed(0)
    processes = int(sys.argv[1])
    network = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    trainer = lightning.Trainer(
        max_epochs=1,
        accelerator="cpu",
        devices=processes,
        strategy=ModelParallelStrategy(data_parallel_size=processes, tensor_parallel_size=1)
        if processes > 1
        else "auto",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        use_distributed_sampler=False,
    )
    trainer.fit(Sharded(network, nn.CrossEntropyLoss(), classes=10), training.Digits(batch_size=64))
    if trainer.is_global_zero:
        found = {name: float(value) for name, value in trainer.callback_metrics.items()}
        Path(sys.argv[2]).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
