"""How often something took how much: what monitoring makes a histogram of."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds that fit what a database does."""

OPERATIONS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Upper bounds that fit how many operations share a commit."""


@dataclass(frozen=True, slots=True)
class Tallied:
    """What was observed up to a moment.

    Attributes:
        counts: how many were at most each bound, and above the one before it; the last is above all bounds.
        total: the sum of all that was observed.
    """

    bounds: Sequence[float]
    counts: Sequence[int]
    total: float


class Tally:
    """Counts observations by size.

    Observing takes no lock: one thread at a time may, or an observation may be lost now and then.

    Args:
        bounds: the upper bounds, ascending.
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._total = 0.0

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._total += value

    def read(self) -> Tallied:
        return Tallied(self._bounds, tuple(self._counts), self._total)
