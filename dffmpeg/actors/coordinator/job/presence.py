"""Whether a job's requester is still there: by what it says, and by the connections over which it follows.

Not an actor: the job's actor owns it and calls it. Times are those of trio's clock, in seconds.
"""

from __future__ import annotations

import trio


class Presence:
    """Of one job's requester. Silence is counted from when this was made: whoever could not reach a
    coordinator that was away gets a whole lease to come back."""

    def __init__(self) -> None:
        self._seen = self._left = trio.current_time()
        self._connections: set[int] = set()

    def renew(self) -> None:
        """It gave a sign of life."""
        self._seen = trio.current_time()

    def remaining(self, lease: float) -> float:
        """Seconds that are left of a lease that its last sign of life began; none or less once it is over."""
        return self._seen + lease - trio.current_time()

    def connected(self, connection: int) -> None:
        """It follows over a connection."""
        self._connections.add(connection)

    def disconnected(self, connection: int) -> bool:
        """A connection has ended; whether it was the requester's, and its last one."""
        if connection not in self._connections:
            return False
        self._connections.discard(connection)
        return not self._connections

    def leave(self) -> None:
        """It closed its last connection by itself."""
        self._left = trio.current_time()

    @property
    def gone(self) -> bool:
        """Whether nothing was heard of it since it left."""
        return not self._connections and self._seen <= self._left
