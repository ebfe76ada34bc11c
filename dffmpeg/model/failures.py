"""How often somebody may fail before they have to wait."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from ipaddress import IPv4Address, IPv6Address, ip_network

REMEMBERED = 10_000


class FailureLimit:
    """Counts failures by whoever they are of, and forgets them one by one as time goes by.

    A try is taken before it is known how it ends, so that many at once are no more than many in a row; one
    that does not fail is given back.

    Args:
        most: tries at once.
        every: seconds after which one more is given.
        clock: seconds from any time on; never goes back.
        remembered: of how many are remembered; beyond, those of whom nothing was heard for longest are
            forgotten, so that memory is bounded whoever asks.
    """

    def __init__(
        self, most: int, every: float, *, clock: Callable[[], float], remembered: int = REMEMBERED
    ) -> None:
        self._most = most
        self._every = every
        self._clock = clock
        self._remembered = remembered
        # When it will all be forgotten, the one that tried last at the end.
        self._clear_at: OrderedDict[Hashable, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._clear_at)

    def take(self, who: Hashable) -> float:
        """Take a try.

        Returns:
            0; or the seconds until there is one, and none was taken.
        """
        now = self._clock()
        clear_at = max(now, self._clear_at.get(who, now)) + self._every
        wait = clear_at - now - self._most * self._every
        # Sums of floats are off by a little, and a wait of nothing is none.
        if wait > 1e-9 * max(1.0, abs(now)):
            return wait
        self._clear_at[who] = clear_at
        self._clear_at.move_to_end(who)
        if len(self._clear_at) > self._remembered:
            self._clear_at.popitem(last=False)
        return 0.0

    def give_back(self, who: Hashable) -> None:
        """It did not fail."""
        clear_at = self._clear_at.get(who)
        if clear_at is None:
            return
        if clear_at - self._every <= self._clock():
            del self._clear_at[who]
        else:
            self._clear_at[who] = clear_at - self._every


def neighbourhood(address: IPv4Address | IPv6Address | None) -> str:
    """Whom an address stands for: with IPv6 all that one subscriber has, a /64."""
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False))
    return str(address)
