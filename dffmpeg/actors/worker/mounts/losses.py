"""Whether a program failed because the ground was taken from under it."""

from __future__ import annotations

import trio

from dffmpeg.actors.runtime import ActorError, ActorRef
from dffmpeg.actors.worker.mounts.messages import LostPaths

_ASK_SECONDS = 65.0
"""Longer than any look may take."""


async def why_lost(mounts: ActorRef[LostPaths], names: frozenset[str]) -> str | None:
    """Why the paths of these names are lost, if one of them lies on a mount that is.

    Args:
        mounts: who looks at it.
    """
    if not names:
        return None
    try:
        lost = await mounts.ask(LostPaths(names), _ASK_SECONDS)
    except (ActorError, trio.TooSlowError):
        return None
    return next(iter(lost.values()), None)
