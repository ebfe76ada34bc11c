"""Finding the one actor of a job or a worker by its id, or starting it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import trio

from dffmpeg.actors.runtime import ActorRef, ActorStopped
from dffmpeg.supervisors import AlreadyPresent, AlreadyStarted, ChildSpec, NotFound, SupervisorRef

M = TypeVar("M")


class Directory(Generic[M]):
    """The actors under one dynamic supervisor, by id.

    Args:
        supervisor: the dynamic supervisor whose children they are.
        spec: how to make the child of an id.
    """

    def __init__(self, supervisor: SupervisorRef, spec: Callable[[str], ChildSpec]) -> None:
        self.supervisor = supervisor
        self._spec = spec

    def find(self, identifier: str) -> ActorRef[M] | None:
        """The actor, if it lives; costs a look into a dictionary."""
        return self.supervisor.find(identifier)

    async def reach(self, identifier: str) -> ActorRef[M]:
        """The actor, started now if there is none; it loads its state from the database.

        Raises:
            ActorStopped: it found nothing to do and has ended already.
            SupervisorNotRunning: its supervisor is being restarted.
            ChildStartFailed: it crashed in its start.
        """
        while True:
            found = self.find(identifier)
            if found is not None:
                return found
            try:
                return await self.supervisor.start_child(self._spec(identifier))
            except AlreadyStarted as present:
                return present.ref
            except AlreadyPresent:
                # Somebody else is starting or stopping it at this moment.
                await trio.lowlevel.checkpoint()
            except NotFound:
                raise ActorStopped(f"{identifier} had nothing to do") from None

    async def ensure(self, identifier: str) -> None:
        """See to it that the actor lives, if there is anything for it to do."""
        try:
            await self.reach(identifier)
        except ActorStopped:
            return
