"""What becomes of a request that nobody has signed rightly: it is counted, logged, and put off among many.

Whoever signs rightly always gets in: that others fail, from the same address or in the same name, holds
up nobody.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import trio

from dffmpeg.actors.coordinator.operations import TooMany
from dffmpeg.model.failures import FailureLimit, neighbourhood
from dffmpeg.web.addresses import Address
from dffmpeg.web.connections import Scope
from dffmpeg.web.origins import origin
from dffmpeg.wire.signature import SignatureError

logger = logging.getLogger("dffmpeg.web.authentication")

PERIOD = 60.0
"""Seconds."""

GUESSES = frozenset({"signature", "expired", "address", "replayed", "digest"})
"""Reasons that an attacker would meet. A clock that is off, or no signature at all, is only told so."""


class Failures:
    """Counts what was refused.

    Args:
        limit: failures that are borne of an address, and of an identity, in a minute.
        count: told the reason of each.
    """

    def __init__(self, limit: int, count: Callable[[str], None]) -> None:
        self._limit = FailureLimit(limit, PERIOD / limit, clock=trio.current_time)
        self._lines = FailureLimit(limit, PERIOD / limit, clock=trio.current_time)
        self._count = count

    def refused(self, scope: Scope, route: str, client_id: str, error: SignatureError) -> Exception:
        """Take note of a refusal; returns what to raise in its place.

        Args:
            client_id: in whose name it came, as far as it says.
        """
        self._count(error.reason)
        address = origin(scope).address
        wait = self._wait(address, client_id) if error.reason in GUESSES else 0.0
        if not wait:
            # What is no guess is not put off, but no reason for lines without end either.
            many = error.reason not in GUESSES and self._lines.take(neighbourhood(address))
            level = logging.DEBUG if many else logging.INFO
            said = (route, client_id, address, error, error.reason)
            logger.log(level, "refused %s as %r from %s: %s (%s)", *said)
            return error
        logger.debug("refused %s as %r from %s, like many before: %s", route, client_id, address, error)
        return TooMany("too many requests were not signed rightly; check the key", retry_after=wait)

    def _wait(self, address: Address | None, client_id: str) -> float:
        whose = (("address", neighbourhood(address)), ("identity", client_id))
        return max(self._limit.take(who) for who in whose)
