"""Ctrl-C and SIGTERM, the signal by which machines are taken back: a run ends in good order, and can be resumed."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
PATIENCE = 3.0  # seconds in which a step, or a validation, has to end after a signal

Handler = Callable[[int, FrameType | None], Any]


class Interrupted(BaseException):
    """A signal has ended the run. Like KeyboardInterrupt, it is no Exception: only who ends the program catches it."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def interrupt(number: int, frame: FrameType | None) -> None:
    """A signal handler: raise Interrupted where the program is."""
    raise Interrupted(number)


@contextmanager
def handled(handler: Handler) -> Iterator[None]:
    """Within the block `handler` gets the signals; outside the main thread, which alone gets any, nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


class StopLater:
    """Within the context a signal is only noted, in `received`, so that the step that runs can be finished.

    The second signal, or PATIENCE seconds after the first, raises Interrupted wherever the program is.
    """

    def __init__(self) -> None:
        self.received: int | None = None

    def __enter__(self) -> StopLater:
        self._handled = handled(self._note)
        self._handled.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        if self.received is not None and hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
        self._handled.__exit__(None, None, None)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            raise Interrupted(number)
        self.received = number
        if hasattr(signal, "setitimer"):  # not on Windows
            signal.signal(signal.SIGALRM, lambda *_: interrupt(number, None))
            signal.setitimer(signal.ITIMER_REAL, PATIENCE)
