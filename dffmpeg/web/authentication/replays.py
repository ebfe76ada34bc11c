"""A request is carried out once: what was accepted is remembered for as long as it could be repeated."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

import msgspec

from dffmpeg.actors.coordinator.operations import Unavailable
from dffmpeg.model.replays import MemoryFull, Repetition, ReplayWindow
from dffmpeg.web import repetitions
from dffmpeg.wire.forwarding import Passage
from dffmpeg.wire.signature import Claim, SignatureError

PLACES = 500_000
"""Signatures that are remembered in a window; so many do not come."""

MARK = 16
"""Bytes of a signature by which it is known again."""


class Claims(Protocol):
    """Where nonces are claimed for all coordinators: `NonceRepository`."""

    @property
    def shared(self) -> bool: ...

    async def claim(self, client_id: str, nonce: str, expires_at: float) -> bool: ...


class _Named(msgspec.Struct):
    job_id: str | None = None


class Replays:
    """What this coordinator has accepted, and what all of them have.

    Memory does for most. The database is asked for requests that would do something again, where another
    coordinator may have had them, or where an earlier process in this place may have: all that it accepted
    was signed before we started, but for what came from a clock that is fast.

    Args:
        claims: where all coordinators claim nonces; None for memory alone.
        drift: how far clocks may be off, seconds.
        clock: Unix time in seconds.

    Attributes:
        started: since when we remember, Unix seconds.
    """

    def __init__(
        self, claims: Claims | None, drift: float, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._claims = claims
        self._drift = drift
        self._clock = clock
        # From the earliest moment at which a time stamp is accepted to the latest.
        self._window = ReplayWindow(2 * drift, PLACES)
        self.started = clock()

    def remember(self, claim: Claim, method: str, passage: Passage | None) -> None:
        """Take note of a request whose signature is right.

        Args:
            method: of a WebSocket's handshake neither GET nor HEAD: it is remembered in version 1 too.
            passage: how it came from another coordinator, which has checked all this.

        Raises:
            SignatureError: it was here before.
            Unavailable: there is no room to remember it.
        """
        if claim.version == 1 and method in ("GET", "HEAD"):
            # Equal ones within a second have equal signatures, and nothing to tell them apart.
            return
        by = "" if passage is None else passage.by
        try:
            new = self._window.take(claim.signature[:MARK], time.monotonic(), by)
        except MemoryFull:
            raise Unavailable("there are too many requests to remember") from None
        if not new:
            raise _replayed()

    async def claim(self, claim: Claim, route: str, body: bytes, passage: Passage | None) -> None:
        """Have a request for this coordinator alone, if that matters.

        Raises:
            SignatureError: another one had it, or this one before its restart.
            Unavailable: that one may have, who knows.
            StoreUnavailable: the database does not answer.
        """
        if passage is not None or not _counts(route, body):
            return
        claims, mark = self._claims, claim.signature[:MARK].hex()
        if claims is not None and (claim.version == 1 or claims.shared or claim.timestamp > self._clock()):
            if not await claims.claim(claim.client_id, mark, claim.timestamp + self._drift):
                raise _replayed()
        elif claim.timestamp < self.started:
            raise Unavailable(
                "signed before this coordinator started; sign it anew",
                retry_after=max(1.0, self.started - claim.timestamp),
            )


def _counts(route: str, body: bytes) -> bool:
    """Whether a second time would do something again."""
    match repetitions.of(route):
        case Repetition.CLAIMED:
            return True
        case Repetition.NAMED:
            return not _names_job(body)
    return False


def _names_job(body: bytes) -> bool:
    try:
        return msgspec.json.decode(body, type=_Named).job_id is not None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False


def _replayed() -> SignatureError:
    return SignatureError("this very request was made before; each needs a nonce of its own", "replayed")
