"""Which downlinks this worker asks for, in which order: as configured, those that do not work behind."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import trio

from dffmpeg.backoff import Backoff

logger = logging.getLogger("dffmpeg.worker.downlink")

STEADY_SECONDS = 5.0
"""A connection that lasts for so long works."""

_PENALTY = Backoff(minimum=60.0, maximum=3600.0, jitter=0.0)


class Negotiation:
    """What is known of the downlink in use. The coordinator chooses; this is what it chooses from.

    A downlink is at fault only while the coordinator answers by other means: while that is away, none works.

    Args:
        transports: as configured, in order of preference.
        grace: seconds for which the one in use may fail before others go before it.
    """

    def __init__(self, transports: Sequence[str], grace: float) -> None:
        self._transports = list(transports)
        self._grace = grace
        self._current: str | None = None
        self._connected_at: float | None = None
        self._failing_since: float | None = None
        self._unverified_since: float | None = None
        self._answering_since: float | None = None
        self._failures: dict[str, int] = {}
        self._avoided_until: dict[str, float] = {}

    # The downlink's side

    @property
    def is_connected(self) -> bool:
        """Whether the one in use has been connected, and has not said since that it ended."""
        return self._connected_at is not None

    def opened(self, transport: str) -> None:
        """This one is used from now on."""
        self._current, self._connected_at = transport, None
        self._failing_since, self._unverified_since = trio.current_time(), None

    def connected(self) -> None:
        """It is connected."""
        self._connected_at = trio.current_time()

    def disconnected(self) -> None:
        """It is not, or could not be."""
        now = trio.current_time()
        if self._connected_at is not None and now - self._connected_at >= STEADY_SECONDS:
            self._failing_since = now
        self._connected_at = None

    # The registration's side

    def answered(self, *, verified: bool) -> None:
        """The coordinator has answered a registration.

        Args:
            verified: whether it knows that its messages reach us.
        """
        now = trio.current_time()
        self._answering_since = now if self._answering_since is None else self._answering_since
        if verified:
            self._unverified_since = None
        elif self._unverified_since is None:
            self._unverified_since = now

    def unanswered(self) -> None:
        """It has not."""
        self._answering_since = self._unverified_since = None

    def order(self) -> list[str]:
        """All downlinks, the ones to be preferred first."""
        now = trio.current_time()
        self._judge(now)
        avoided = {name for name, until in self._avoided_until.items() if now < until}
        return sorted(self._transports, key=lambda name: name in avoided)

    def _judge(self, now: float) -> None:
        if self._current is None or self._answering_since is None:
            return
        since = self._fault()
        if since is None:
            if self._connected_at is not None and now - self._connected_at >= STEADY_SECONDS:
                self._failures.pop(self._current, None)
        elif now - max(since, self._answering_since) >= self._grace:
            self._avoid(self._current, now)

    def _fault(self) -> float | None:
        return self._failing_since if self._connected_at is None else self._unverified_since

    def _avoid(self, name: str, now: float) -> None:
        if now < self._avoided_until.get(name, 0.0) or len(self._transports) == 1:
            return
        self._failures[name] = self._failures.get(name, 0) + 1
        seconds = _PENALTY.delay(self._failures[name], 0.0)
        self._avoided_until[name] = now + seconds
        logger.warning("the %s downlink does not work; others go before it for %g s", name, seconds)
