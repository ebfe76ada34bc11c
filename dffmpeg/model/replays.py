"""Which requests may be repeated, and what is remembered of those that were accepted. Pure: time is given."""

from __future__ import annotations

from enum import Enum


class Repetition(Enum):
    """What becomes of a request that comes a second time, within the time in which its signature is fresh.

    At the coordinator that had it the first time it is always refused. The rest is about another
    coordinator, or the same one after a restart.
    """

    HARMLESS = "it changes nothing that the first one has not changed: attempts, offsets and states fence it"
    CLAIMED = "it would do something again, so that it stands in the database before it is carried out"
    NAMED = "harmless where the submission names its job, claimed where it does not"


class MemoryFull(Exception):
    """No more can be remembered now."""


class ReplayWindow:
    """Marks that were seen lately, each remembered for `lifetime` seconds at least, and twice that at most.

    Two generations: what is too old goes all at once, and costs nothing until then.

    Args:
        lifetime: seconds, above 0.
        places: marks in a generation; more are refused rather than forgotten early.
    """

    def __init__(self, lifetime: float, places: int) -> None:
        self._lifetime = lifetime
        self._places = places
        self._current: dict[bytes, str] = {}
        self._previous: dict[bytes, str] = {}
        self._since = float("-inf")

    def __len__(self) -> int:
        return len(self._current) + len(self._previous)

    def take(self, mark: bytes, now: float, by: str = "") -> bool:
        """Remember a mark.

        Args:
            mark: what is the same for the same request only.
            now: seconds on a clock that does not jump.
            by: who vouches for it; "" where it came by itself. The same one may bring it again.

        Returns:
            Whether it may pass: nobody else brought it before.

        Raises:
            MemoryFull: it may be new, and could not be remembered.
        """
        self._turn(now)
        known = self._current.get(mark)
        if known is None:
            known = self._previous.get(mark)
        if known is not None:
            return bool(by) and known == by
        if len(self._current) >= self._places:
            raise MemoryFull
        self._current[mark] = by
        return True

    def _turn(self, now: float) -> None:
        age = now - self._since
        if age < self._lifetime:
            return
        self._previous = self._current if age < 2 * self._lifetime else {}
        self._current, self._since = {}, now
