"""Ending what is open for those who may not have it any more.

A request is checked when it comes. What stays open (a WebSocket, a stream, a poll) outlives that check, and
so it is looked whether whoever has it open would still be let in: at once when a request to this coordinator
has changed that, and every second for what a command or another coordinator wrote into the database, and for
what time ends.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

import trio
from quart import Response
from quart.wrappers.response import IterableBody

from dffmpeg.model.identities import Identity
from dffmpeg.model.sessions import stands
from dffmpeg.store import SessionRepository, StoreUnavailable
from dffmpeg.web.authentication.entrance import NETWORK_VIEWER, Entrance
from dffmpeg.web.authentication.signatures import Identities
from dffmpeg.wire.signature import SignatureError

logger = logging.getLogger("dffmpeg.web.authentication")

EVERY = 1.0
"""Seconds between two looks, where nothing asks for one."""


class Revoked(SignatureError):
    """Whoever has it open may not have it any more."""

    def __init__(self) -> None:
        super().__init__("not let in any more: signed out, or the user, its key or its networks have changed")


class Revocation:
    """Watches what is open.

    Args:
        sessions: who is signed in; None where nobody is.
        clock: Unix time in seconds.
    """

    def __init__(
        self,
        identities: Identities,
        sessions: SessionRepository | None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._identities = identities
        self._sessions = sessions
        self._clock = clock
        self._open: dict[trio.CancelScope, Entrance] = {}
        self._hurry = trio.Event()

    @contextmanager
    def watched(self, entrance: Entrance | None) -> Iterator[None]:
        """A block that ends when whoever came in so would not be let in any more.

        Args:
            entrance: None, or that of a mere viewer, is watched by nobody: it is the configuration's.

        Raises:
            Revoked: it has ended.
        """
        if entrance is None or entrance.identity is NETWORK_VIEWER:
            yield
            return
        with trio.CancelScope() as scope:
            if entrance.over:
                scope.cancel()
            self._open[scope] = entrance
            try:
                yield
            finally:
                del self._open[scope]
        if scope.cancelled_caught:
            raise Revoked

    def follow(self, answer: Response, entrance: Entrance | None) -> None:
        """Have an answer that goes on for as long as it likes end then."""
        if answer.timeout is None and isinstance(answer.response, IterableBody):
            answer.response = IterableBody(self._pieces(answer.response, entrance))

    async def _pieces(self, body: IterableBody, entrance: Entrance | None) -> AsyncIterator[bytes]:
        async with body as opened:
            pieces = aiter(opened)
            while True:
                try:
                    with self.watched(entrance):
                        piece = await anext(pieces)
                except (StopAsyncIteration, Revoked):
                    # The status is sent already: all that is left is to end.
                    return
                yield piece

    def hurry(self) -> None:
        """Look at once: somebody may not be let in any more."""
        self._hurry.set()

    async def run(self) -> None:
        """Look again and again, until it is cancelled."""
        while True:
            with trio.move_on_after(EVERY):
                await self._hurry.wait()
            # What is written while it is looked may ask for another look.
            self._hurry = trio.Event()
            if not self._open:
                continue
            try:
                await self._look()
            except StoreUnavailable as error:
                logger.debug("whether all who have something open still may was not found out: %s", error)

    async def _look(self) -> None:
        seen = set(self._open.values())
        identities = await self._identities.current({one.identity.client_id for one in seen})
        digests = {one.session.digest for one in seen if one.session is not None}
        there = await self._sessions.there(digests) if self._sessions is not None and digests else set()
        now = self._clock()
        for scope, entrance in tuple(self._open.items()):
            identity = identities.get(entrance.identity.client_id)
            if entrance not in seen or (_holds(entrance, identity, now) and _lasts(entrance, there, now)):
                continue
            if not entrance.over:
                logger.info("what %s had open is ended", entrance.identity.client_id)
            entrance.over = True
            scope.cancel()


def _holds(entrance: Entrance, identity: Identity | None, now: float) -> bool:
    if identity is None or not stands(entrance.stamp, identity, now):
        return False
    return entrance.address is not None and identity.permits(str(entrance.address))


def _lasts(entrance: Entrance, there: set[str], now: float) -> bool:
    session = entrance.session
    return session is None or (session.digest in there and session.expires_at > now)
