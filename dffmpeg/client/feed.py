"""The change feed as a client reads it: over one connection after the other, without losing its place."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

import trio

from dffmpeg.backoff import Backoff
from dffmpeg.errors import BadInput, Refused, Unreachable
from dffmpeg.transports.signed_http import SignedHttp

PATH = "/api/v1/events"

SILENCE = 35.0
"""Seconds without a byte after which a connection is given up: twice what a coordinator lets pass."""

LATER_KINDS = ("progress",)
"""What coordinators before this version do not tell, and refuse to be asked for."""

_BACKOFF = Backoff(minimum=0.2, maximum=5.0, jitter=0.5)


@dataclass(frozen=True, slots=True)
class Told:
    """An event.

    Attributes:
        kind: its name.
        data: its JSON.
    """

    kind: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Lost:
    """There is no connection; it is tried again."""

    reason: str


@dataclass(frozen=True, slots=True)
class Connected:
    """There is a connection, the first one or another."""


News = Told | Lost | Connected


class Feed:
    """Follows what changes. For one use.

    Args:
        http: the connection to the coordinator, which stays the caller's.
        kinds: which events are wanted, of those that a wire.events.EventMessage may have.
        interval: seconds between two deliveries, at least.
        reached: whether the coordinator has answered before, so that it is waited for from the beginning.
    """

    def __init__(
        self, http: SignedHttp, kinds: Sequence[str], *, interval: float = 0.2, reached: bool = False
    ) -> None:
        self._http = http
        self._kinds = list(kinds)
        self._interval = interval
        self._last: str | None = None
        self._connected = reached

    @property
    def kinds(self) -> Sequence[str]:
        """The events that the coordinator tells, once `Connected` was."""
        return self._kinds

    async def run(self, take: Callable[[News], Awaitable[None]]) -> NoReturn:
        """Deliver everything that is told, until this is cancelled.

        The first event is `here`, or `missed`: then what is kept of the subjects has to be read.
        After that a connection that breaks is made again, however long that takes.

        Raises:
            NotConnected, Unreachable: the first connection could not be made, and it was not reached before.
            Refused: the coordinator says no, and another try will not change that.
            Exception: whatever `take` raised.
        """
        failures = 0
        while True:
            before = self._last
            try:
                await self._follow(take)
                reason: Unreachable | Refused = Unreachable(
                    "the coordinator has ended the feed", retry_after=0
                )
            except Unreachable as error:
                reason = error
            except Refused as error:
                if error.status in (400, 422) and self._give_up_later_kinds():
                    continue
                if not error.temporary:
                    raise
                reason = error
            if not self._connected:
                raise reason
            # One that told something was a good one.
            failures = 1 if self._last != before else failures + 1
            await take(Lost(str(reason)))
            await trio.sleep(_BACKOFF.wait(failures, random.random(), asked=reason.retry_after))  # noqa: S311

    def _give_up_later_kinds(self) -> bool:
        kept = [kind for kind in self._kinds if kind not in LATER_KINDS]
        fewer, self._kinds = len(kept) < len(self._kinds), kept
        return fewer

    async def _follow(self, take: Callable[[News], Awaitable[None]]) -> None:
        query = {"kind": ",".join(self._kinds), "interval": f"{self._interval:g}"}
        if self._last is not None:
            query["last_event_id"] = self._last
        lines = self._http.lines(PATH, accept="text/event-stream", query=query, timeout=SILENCE)
        async with lines as found:
            self._connected = True
            await take(Connected())
            async for event_id, told in _events(found):
                await take(told)
                self._last = event_id


async def _events(lines: AsyncIterator[bytes]) -> AsyncIterator[tuple[str, Told]]:
    """Server-sent events as far as the coordinator uses them: three fields, one line each."""
    fields: dict[bytes, bytes] = {}
    async for line in lines:
        name, colon, value = line.rstrip(b"\r").partition(b":")
        if name:
            fields[name] = value.removeprefix(b" ")
        elif not colon and fields:
            try:
                yield fields[b"id"].decode("ascii"), Told(fields[b"event"].decode("ascii"), fields[b"data"])
            except (KeyError, UnicodeDecodeError):
                raise BadInput(f"{PATH}: not an event of ours") from None
            fields = {}
