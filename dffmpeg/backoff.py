"""How long to wait before the next try: of starting a child, of reaching the coordinator."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waiting doubles from `minimum` to `maximum` seconds with each restart in a row.

    `jitter` is the share (0 to 1) of each wait that is left to chance, so that children which failed
    together do not come back together. A child that ran for `reset_after` seconds starts over.
    """

    minimum: float = 0.5
    maximum: float = 30.0
    jitter: float = 0.2
    reset_after: float = 60.0

    def __post_init__(self) -> None:
        if not 0 <= self.minimum <= self.maximum:
            raise ValueError("a backoff needs 0 <= minimum <= maximum")
        if not 0 <= self.jitter <= 1:
            raise ValueError("jitter is a share between 0 and 1")

    def delay(self, attempt: int, chance: float) -> float:
        """Seconds to wait before restart number `attempt` (from 1) in a row; `chance` is in [0, 1)."""
        # The exponent is capped because a float power overflows long before anybody gives up.
        full = min(self.maximum, self.minimum * 2.0 ** min(attempt - 1, 64))
        return full * (1 - self.jitter * chance)

    def wait(self, attempt: int, chance: float, *, asked: float | None) -> float:
        """The same, where the other side may have said when to come again.

        Args:
            asked: seconds that it asked for, which are waited at least. 0: at once, which is
                done the first time only; None: it said nothing.
        """
        if asked == 0 and attempt == 1:
            return 0.0
        return max(asked or 0.0, self.delay(attempt, chance))

    def attempt(self, previous: int, uptime: float) -> int:
        """The number of the next restart in a row, after a life of `uptime` seconds."""
        return 1 if uptime >= self.reset_after else previous + 1
