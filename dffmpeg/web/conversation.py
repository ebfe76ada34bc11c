"""How every WebSocket here is spoken: several tasks, one end, one close code."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from dffmpeg.actors.coordinator.operations import Unavailable
from dffmpeg.web import errors
from dffmpeg.web.closing import Closing
from dffmpeg.web.connections import MAX_MESSAGE, Disconnected, Socket

Outcome = tuple[int, str]
"""A close code and its reason."""

STOPPING: Outcome = (errors.CLOSE_RESTART, "the coordinator is stopping; connect again")


async def converse(
    end: Socket, closing: Closing, request: str, talk: Callable[[], Awaitable[Outcome]]
) -> None:
    """Run an accepted WebSocket until `talk` says how to close, and close it.

    An error closes it too, as `errors.close` says; the client's leaving ends it
    silently, and the server's stop with 1012.

    Args:
        request: for the log.
    """
    outcome = STOPPING
    try:
        # Inside: what fails while it is interrupted comes out of it, without the cancellation.
        with closing.interruptible():
            outcome = await talk()
    except Exception as error:  # noqa: BLE001 - the boundary at which errors become close codes
        if _left(error):
            return
        outcome = outcome_of(error, closing, request)
    await end.close(*outcome)


def outcome_of(error: Exception, closing: Closing, request: str) -> Outcome:
    """How to close for an error; logs what is nobody's fault but ours."""
    outcome = errors.close(error, request=request)
    # Whatever it met while we stop, it does not meet at another coordinator.
    return STOPPING if closing.begun else outcome


async def first(*tasks: Callable[[], Awaitable[Outcome]]) -> Outcome:
    """Run all until one of them returns; the others are cancelled, also when one fails."""
    outcomes: list[Outcome] = []
    async with trio.open_nursery() as nursery:

        async def run(task: Callable[[], Awaitable[Outcome]]) -> None:
            outcomes.append(await task())
            nursery.cancel_scope.cancel()

        for task in tasks:
            nursery.start_soon(run, task)
    return outcomes[0]


def _left(error: BaseException) -> bool:
    """Whether the client went away; whatever else failed then was on its behalf, unless it is a defect."""
    if isinstance(error, BaseExceptionGroup):
        return all(_left(part) for part in error.exceptions)
    return isinstance(error, Disconnected)


async def receive(end: Socket, silence: float, limit: int = MAX_MESSAGE) -> str | bytes:
    """The next message, of at most `limit` characters or bytes.

    Raises:
        Disconnected: the client went away.
        Unavailable: nothing was heard for `silence` seconds; if there still is
            somebody, they may connect again.
    """
    with trio.move_on_after(silence):
        return await end.receive(limit)
    raise Unavailable(f"nothing was heard for {silence:g} s")
