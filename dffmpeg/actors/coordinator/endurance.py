"""What becomes of an actor's message while the database is gone: it is put off, and the actor lives on.

A crash would be healed, but with every actor of the cluster in it, and their followers' connections. So what
is known to pass is not one. What was asked is answered with "not now"; what was told, a timer or a hint, is
said once more in a while.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from dffmpeg.actors.coordinator.refusals import DatabaseGone
from dffmpeg.actors.runtime import Actor, Timer
from dffmpeg.store import StoreUnavailable

log = logging.getLogger(__name__)

R = TypeVar("R")

AGAIN = 1.0
"""Seconds until what was told is said once more."""


class Endurance:
    """Of one actor.

    Args:
        consistent: asked after a failure, whether the actor can go on with what it remembers; if not it
            crashes, and begins anew from rows.
    """

    def __init__(self, actor: Actor[Any], consistent: Callable[[], bool] = lambda: True) -> None:
        self._actor = actor
        self._consistent = consistent
        self._again: list[tuple[Any, Timer]] = []

    async def handle(self, message: Any, work: Callable[[Any], Awaitable[R]]) -> R | None:
        """Have a message handled.

        Raises:
            DatabaseGone: to whoever asked.
        """
        self._settle(message)
        try:
            return await work(message)
        except Exception as error:
            # It may be a nursery's group of them, too; whatever else it is goes on.
            if not is_gone(error) or not self._consistent():
                raise
            reason = error
        log.debug("%s puts off %s: %r", self._actor.context.ref, type(message).__qualname__, reason)
        if self._actor.context.asked:
            raise DatabaseGone from reason
        self.repeat(message)
        return None

    def repeat(self, message: Any) -> None:
        """Say it to the actor once more in a while, unless that is planned already."""
        if all(known != message for known, _ in self._again):
            self._again.append((message, self._actor.context.tell_after(AGAIN, message)))

    def _settle(self, message: Any) -> None:
        """It is handled now, for all that was planned."""
        for known, timer in self._again:
            if known == message:
                timer.cancel()
        self._again = [one for one in self._again if one[0] != message]


def is_gone(error: BaseException) -> bool:
    """Whether that the database cannot be used now is all that is wrong."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_gone(inner) for inner in error.exceptions)
    return isinstance(error, StoreUnavailable | DatabaseGone)
