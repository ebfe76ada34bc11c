"""Stopping: whether it has begun, and whom to tell."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import trio


class Closing:
    """Interrupts what only waits (polls, streams, WebSockets), so that a stop does not wait for it."""

    def __init__(self) -> None:
        self.begun = False
        self._scopes: set[trio.CancelScope] = set()

    @contextmanager
    def interruptible(self) -> Iterator[trio.CancelScope]:
        """A block that is cancelled when the stop begins, or at once if it has; `cancelled_caught` tells."""
        with trio.CancelScope() as scope:
            if self.begun:
                scope.cancel()
            self._scopes.add(scope)
            try:
                yield scope
            finally:
                self._scopes.discard(scope)

    def begin(self) -> None:
        """Interrupt all such blocks. Repeating it is harmless."""
        self.begun = True
        for scope in tuple(self._scopes):
            scope.cancel()
