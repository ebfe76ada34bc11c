"""Whether what a database refused is tried again, and when."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field

from dffmpeg.store.errors import Conflict, Disconnected, StoreUnavailable, Unreachable

LONGEST_PAUSE = 1.0


@dataclass(slots=True)
class Trial:
    """One piece of work, and how often it was tried."""

    began: float = field(default_factory=time.monotonic)
    failures: int = 0


class Patience:
    """Of one database, for all of its threads.

    A connection that was lost is opened again at once. A server that cannot be reached is waited for, but
    only so long from when it went away: whoever comes after that has one answer at once, until it is back.

    Args:
        limit: seconds; with 0 nothing is tried again.
    """

    def __init__(self, limit: float = 0.0) -> None:
        self._limit = limit
        self._away_since: float | None = None
        self._closing = threading.Event()

    def well(self) -> None:
        """The database did what was asked."""
        self._away_since = None

    def again(self, error: StoreUnavailable, trial: Trial) -> bool:
        """Whether to try again, now: it returns after the pause that is due before that."""
        pause = self._pause(error, trial)
        trial.failures += 1
        # Whoever closes waits for nothing.
        return pause is not None and not self._closing.wait(pause)

    def close(self) -> None:
        """Nothing is waited for any more."""
        self._closing.set()

    def open(self) -> None:
        self._closing.clear()

    def _pause(self, error: StoreUnavailable, trial: Trial) -> float | None:
        now = time.monotonic()
        if isinstance(error, Disconnected) and self._limit:
            # There was a connection until now.
            self._away_since = now
            return _backoff(trial.failures) if now - trial.began < self._limit else None
        if isinstance(error, Unreachable) and self._limit:
            if self._away_since is None:
                self._away_since = now
            return _backoff(trial.failures) if now - self._away_since < self._limit else None
        if isinstance(error, Conflict):
            return _backoff(trial.failures) if now - trial.began < self._limit else None
        return None


def _backoff(failures: int) -> float:
    """Not at all at first; then longer and longer, and never all at the same time."""
    if failures == 0:
        return 0.0
    return min(0.01 * 2.0**failures, LONGEST_PAUSE) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
