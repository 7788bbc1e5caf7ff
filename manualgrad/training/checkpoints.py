"""Reading checkpoints, from anywhere, without running what is in them."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import torch


class CheckpointError(RuntimeError):
    """A file that is not a checkpoint of this network; says which and why in one sentence."""


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """The checkpoint in the file, on the CPU. Only tensors, numbers and plain containers are read; no code is run.

    Raises CheckpointError for a file that is missing, truncated, or holds anything else.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickle protocols that are not torch's: it fails all the same
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
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
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get("state_dict"), dict):
        raise CheckpointError(f"{path}: holds no state_dict; it was not written by Lightning")
    return checkpoint


def load_weights(module: torch.nn.Module, path: str | Path) -> None:
    """Put the weights of the checkpoint in the file into `module`, all of them or none.

    Raises CheckpointError as `read_checkpoint` does, and for a checkpoint of another network.
    """
    weights, own = read_checkpoint(path)["state_dict"], module.state_dict()
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
    module.load_state_dict(weights)
