"""The arguments of torch's recurrent functions, in both of their forms, once everything is seen to fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from manualgrad.public import described

# What both forms have in common, in order, and of what kind each is; those that are not named are True or False.
_ORDER = ("hx", "params", "has_biases", "num_layers", "dropout", "train", "bidirectional")
_KINDS: dict[str, tuple[Any, str]] = {
    "batch_sizes": (Tensor, "a tensor of int64"),
    "params": (Sequence, "a sequence of tensors"),
    "num_layers": (int, "an integer"),
    "dropout": ((int, float, Tensor), "a number"),
}


def read(name: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    """The arguments of either form by name, hx as a list; with torch's exception type for one that does not fit."""
    packed = "batch_sizes" in named or (len(arguments) > 2 and isinstance(arguments[2], Sequence))  # params are third
    order = ("batch_sizes", *_ORDER) if packed else (*_ORDER, "batch_first")
    if len(arguments) > len(order):
        raise TypeError(f"{name}: at most {len(order) + 1} arguments are taken, got {len(arguments) + 1}")
    given = dict(zip(order, arguments, strict=False)) | named
    for what in (*order, *given):
        if what not in order or what not in given:
            raise TypeError(f"{name}: {what} is {'missing' if what in order else 'no argument'}")
        kinds, words = _KINDS.get(what, (bool, "True or False"))
        if what != "hx" and not isinstance(given[what], kinds):
            raise TypeError(f"{name}: {what} must be {words}, got {described(given[what])}")
    if given["train"] and given["num_layers"] > 1 and not 0 <= given["dropout"] <= 1:
        raise RuntimeError(f"{name}: dropout is a probability, from 0 to 1, got {given['dropout']}")
    states = given["hx"] if name == "lstm" and isinstance(given["hx"], Sequence) else [given["hx"]]
    for what, tensors in (("hx", states), ("params", given["params"])):
        for x in tensors:
            if not isinstance(x, Tensor):
                raise TypeError(f"{name}: {what} must be made of tensors, got {described(x)}")
    if len(states) != (2 if name == "lstm" else 1):
        raise RuntimeError(f"{name}: hx must be two states, h and c, got {len(states)}")
    places = given["num_layers"] * (2 if given["bidirectional"] else 1)
    projected = states[0].shape[-1:] != states[-1].shape[-1:]
    share = (4 if given["has_biases"] else 2) + projected
    if len(given["params"]) != places * share:
        raise RuntimeError(
            f"{name}: params must be {share} tensors of each of the {places} layers and directions, "
            f"got {len(given['params'])} in all"
        )
    return given | {"hx": list(states)}


def check_states(name: str, given: dict[str, Any], batch: int) -> None:
    """Raise RuntimeError if the initial states do not fit the batch and the number of layers."""
    places = given["num_layers"] * (2 if given["bidirectional"] else 1)
    for state in given["hx"]:
        if state.dim() != 3 or state.shape[:2] != (places, batch):
            raise RuntimeError(
                f"{name}: hx must have shape ({places}, {batch}, hidden), of {places} layers and directions and a "
                f"batch of {batch}, got {tuple(state.shape)}"
            )
