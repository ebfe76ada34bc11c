"""Made-up cookies: each costs a look into the database, so that there is a limit to them."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from dffmpeg.actors.coordinator.operations import TooMany
from dffmpeg.model.failures import FailureLimit, neighbourhood
from dffmpeg.web.addresses import Address

PERIOD = 60.0
"""Seconds."""

REMEMBERED = 10_000
"""Sessions that are known to have been good."""


class Guesses:
    """Counts looks that found no session, by address.

    A session that was good here before is looked up however many others fail: nobody's cookie is worth less
    for what comes from the same address.

    Args:
        limit: failures that are borne of an address in a minute.
        count: told the reason of each that is refused.
        clock: seconds from any time on.
    """

    def __init__(
        self, limit: int, count: Callable[[str], None], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = FailureLimit(limit, PERIOD / limit, clock=clock)
        self._count = count
        self._good: OrderedDict[str, None] = OrderedDict()

    def admit(self, address: Address | None, digest: str) -> bool:
        """Before a look: take a try, if there is one.

        Returns:
            Whether one was taken, which `good` gives back.

        Raises:
            TooMany: as many have failed as may, and this one was never good here.
        """
        wait = self._limit.take(neighbourhood(address))
        if wait and digest not in self._good:
            self._count("session")
            raise TooMany("too many cookies were no session's; sign in again", retry_after=wait)
        return not wait

    def good(self, address: Address | None, digest: str, *, tried: bool) -> None:
        """It is somebody's session; `tried` is what `admit` said of it."""
        if tried:
            self._limit.give_back(neighbourhood(address))
        self.remember(digest)

    def remember(self, digest: str) -> None:
        """It is good, as far as we know."""
        self._good[digest] = None
        self._good.move_to_end(digest)
        if len(self._good) > REMEMBERED:
            self._good.popitem(last=False)

    def bad(self, digest: str) -> None:
        """It is nobody's, or nobody's any more."""
        self._good.pop(digest, None)
        self._count("session")
