"""How many of something each one may have at once."""

from __future__ import annotations

from collections.abc import Hashable


class Crowd:
    """Counts what is there, by whom it belongs to. Of whom there is nothing, nothing is remembered.

    Args:
        limit: of each, at most.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._present: dict[Hashable, int] = {}

    def __len__(self) -> int:
        return len(self._present)

    def enter(self, who: Hashable) -> bool:
        """One more; returns whether it may be. Each that may has to `leave`."""
        present = self._present.get(who, 0)
        if present >= self._limit:
            return False
        self._present[who] = present + 1
        return True

    def leave(self, who: Hashable) -> None:
        """One less."""
        present = self._present[who] - 1
        if present:
            self._present[who] = present
        else:
            del self._present[who]
