"""Public functions that say which of their arguments should have been a tensor."""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Callable, Sequence
from numbers import Number
from typing import Any, TypeVar

import torch
from torch import Tensor

Function = TypeVar("Function", bound=Callable[..., Any])

_TENSORS = {Tensor, Sequence[Tensor]}
# What annotations admit, tensors and what may stand for one: whether a value is such a thing, and what to call it.
_KINDS: dict[Any, tuple[Callable[[Any], bool], str]] = {
    Tensor: (lambda value: isinstance(value, Tensor), "a tensor"),
    Sequence[Tensor]: (lambda value: _is_sequence(value, Tensor), "a sequence of tensors"),
    float: (lambda value: isinstance(value, Number), "a number"),
    int: (lambda value: isinstance(value, int), "an integer"),
    Sequence[int]: (lambda value: _is_sequence(value, int), "a sequence of integers"),
    type(None): (lambda value: value is None, "None"),
}


def _is_sequence(value: Any, of: type) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(part, of) for part in value)


def public(function: Function) -> Function:
    """`function`, whose errors name it and the argument where something else was given for a tensor: a TypeError.

    For functions that look at their arguments before a formula is called, or have other names than the formula, which
    would explain the error by itself. Arguments are looked at only when something was raised: what is right costs one
    Python call more. A warning that is raised in `function` has one frame more below it.

    >>> @public
    ... def double(input: Tensor) -> Tensor:
    ...     return input.mul(2)
    >>> double([1.0])
    Traceback (most recent call last):
    TypeError: double: input must be a tensor, got a list
    """

    @functools.wraps(function)
    def run(*args: Any, **keywords: Any) -> Any:
        try:
            return function(*args, **keywords)
        except Exception:
            mistake = None if torch.compiler.is_compiling() else _mistake(function, args, keywords)
            if mistake is None:
                raise
        raise TypeError(mistake)

    # Dynamo keeps what it has compiled by code object, and not for ever many: every function has its own.
    named: Any = run
    named.__code__ = named.__code__.replace(co_name=function.__name__)
    return typing.cast(Function, named)


def _mistake(function: Callable[..., Any], args: tuple[Any, ...], keywords: dict[str, Any]) -> str | None:
    """What is wrong with the first argument that should be a tensor and is none."""
    signature, hints = inspect.signature(function), typing.get_type_hints(function)
    try:
        given = signature.bind(*args, **keywords).arguments
    except TypeError:
        return None  # says itself what is wrong
    for name, value in given.items():
        hint, places = hints[name], {name: value}
        if hint == Sequence[Tensor] and _is_sequence(value, object):
            hint, places = Tensor, {f"{name}[{i}]": part for i, part in enumerate(value)}
        elif signature.parameters[name].kind is inspect.Parameter.VAR_POSITIONAL:
            places = {f"{name}[{i}]": part for i, part in enumerate(value)}
        is_union = typing.get_origin(hint) in (typing.Union, types.UnionType)
        kinds = typing.get_args(hint) if is_union else (hint,)
        if _TENSORS.isdisjoint(kinds) or not _KINDS.keys() >= set(kinds):
            continue
        for place, part in places.items():
            if not any(_KINDS[kind][0](part) for kind in kinds):
                words = " or ".join(_KINDS[kind][1] for kind in kinds)
                return f"{function.__name__}: {place} must be {words}, got {described(part)}"
    return None


def expect_floating(name: str, x: Tensor) -> None:
    """Raise NotImplementedError, as torch's kernels do, for an argument that holds integers or booleans."""
    if not x.is_floating_point() and not x.is_complex():
        raise NotImplementedError(f"{name} must hold floating-point numbers, got {x.dtype}")


def described(value: Any) -> str:
    """What was given, in an error."""
    return "None" if value is None else f"a {type(value).__name__}"
