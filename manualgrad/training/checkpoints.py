"""Checkpoints: read, from anywhere, without running what is in them, and written whole or not at all."""

from __future__ import annotations

import io
import pickle
import warnings
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from manualgrad.training.files import write_whole


class CheckpointError(RuntimeError):
    """A file that is not a checkpoint of this network; says which and why in one sentence."""


class SafeCheckpoints(TorchCheckpointIO):
    """How Lightning's Trainer saves and loads, as one of its `plugins`: by `write_whole` and `read_checkpoint`.

    Lightning's own is written elsewhere and then moved, which is not one step between two file systems, and when it is
    read, a damaged file is an error of many kinds.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        content = io.BytesIO()
        torch.save(checkpoint, content)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_whole(Path(path), content.getvalue())

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        return read_checkpoint(path)


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """The checkpoint in the file, on the CPU. Only tensors, numbers and plain containers are read; no code is run.

    Raises CheckpointError for a file that is missing, truncated, or holds anything else.
    """
    checkpoint = read_tensors(path)
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get("state_dict"), dict):
        raise CheckpointError(f"{path}: holds no state_dict; it was not written by Lightning")
    return checkpoint


def read_tensors(path: str | Path) -> Any:
    """What torch.save has written into the file, read as `read_checkpoint` does."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickle protocols that are not torch's: it fails all the same
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: there is no such checkpoint") from None
    except pickle.UnpicklingError:
        raise CheckpointError(
            f"{path}: not a checkpoint, or one that holds more than tensors and numbers; nothing in it was run"
        ) from None
    except IsADirectoryError:
        raise CheckpointError(f"{path}: a folder, not a checkpoint") from None
    except Exception:  # torch's unpickler stumbles over a damaged file in any way that there is
        reason = "it is truncated, damaged or something else"
        raise CheckpointError(f"{path}: not readable as a checkpoint; {reason}") from None


def load_weights(module: torch.nn.Module, path: str | Path) -> None:
    """Put the weights of the checkpoint in the file into `module`, all of them or none.

    Raises CheckpointError as `read_checkpoint` does, and for a checkpoint of another network.
    """
    weights = read_checkpoint(path)["state_dict"]
    check_weights(module, weights, path)
    module.load_state_dict(weights)


def check_weights(module: torch.nn.Module, weights: dict[str, Any], path: str | Path) -> None:
    """Raise CheckpointError if these weights, of the checkpoint in the file, are not those of such a module."""
    own = module.state_dict()
    if weights.keys() != own.keys():
        name = sorted(weights.keys() ^ own.keys())[0]
        lacking = "the checkpoint has no" if name in own else "this network has no"
        raise CheckpointError(f"{path}: a checkpoint of another network; {lacking} {name}")
    for name, value in weights.items():
        if not isinstance(value, torch.Tensor) or value.shape != own[name].shape:
            shape = tuple(value.shape) if isinstance(value, torch.Tensor) else type(value).__name__
            raise CheckpointError(
                f"{path}: a checkpoint of another network; {name} is {shape}, here {tuple(own[name].shape)}"
            )
