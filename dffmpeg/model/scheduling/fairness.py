"""What each requester has got: the slot-time that it used, of which the past counts less and less. Pure.

Who has got the least goes first. One that comes back after a rest is put on a level with those who are
being served: it has no claim to what it did not ask for, and nothing held against it that cost nobody.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

_FIRST_GUESS = 60.0
_LEARNING = 0.05
_QUANTUM = (0.1, 3600.0)
_FORGOTTEN = 1e-3


@dataclass(slots=True)
class _Account:
    used: float
    at: float
    running: int = 0


class Usage:
    """Slot-seconds by requester.

    Args:
        half_life: seconds after which use counts half.
    """

    def __init__(self, half_life: float) -> None:
        self._half_life = half_life
        self._area = half_life / math.log(2.0)
        self._accounts: dict[str, _Account] = {}
        self._floor = 0.0
        self._floor_at = 0.0
        # What a job that has just begun is going to take, as far as one can tell: otherwise all that
        # begins at one moment would go to one requester.
        self._quantum = _FIRST_GUESS

    def score(self, requester: str, now: float) -> float:
        """The less the sooner: what it used, and what it is about to use with what it runs."""
        account = self._accounts.get(requester)
        if account is None:
            return 0.0
        return self._used(account, now) + self._quantum * account.running

    def joined(self, requester: str, now: float) -> None:
        """It had neither waiting nor running jobs, and now has."""
        account = self._account(requester, now)
        account.used = max(account.used, self._floor * self._factor(now - self._floor_at))

    def started(self, requester: str, now: float) -> None:
        """One of its jobs took a slot."""
        account = self._account(requester, now)
        floor = self._floor * self._factor(now - self._floor_at)
        self._floor, self._floor_at = max(floor, account.used), now
        account.running += 1

    def ended(self, requester: str, now: float, seconds: float) -> None:
        """One of its jobs gave its slot back, after so many seconds."""
        account = self._account(requester, now)
        account.running -= 1
        guess = self._quantum + _LEARNING * (seconds - self._quantum)
        self._quantum = min(max(guess, _QUANTUM[0]), _QUANTUM[1])

    def recall(self, requester: str, begin: float, end: float, now: float) -> None:
        """It used a slot at some time in the past."""
        account = self._account(requester, now)
        account.used += self._area * (self._factor(now - end) - self._factor(now - begin))

    def forget(self, now: float) -> None:
        """Drop accounts that say nothing any more."""
        for requester, account in list(self._accounts.items()):
            if not account.running and self._used(account, now) < _FORGOTTEN:
                del self._accounts[requester]

    def __len__(self) -> int:
        return len(self._accounts)

    def _factor(self, seconds: float) -> float:
        return math.pow(0.5, max(0.0, seconds) / self._half_life)

    def _used(self, account: _Account, now: float) -> float:
        factor = self._factor(now - account.at)
        return account.used * factor + account.running * self._area * (1.0 - factor)

    def _account(self, requester: str, now: float) -> _Account:
        account = self._accounts.get(requester)
        if account is None:
            account = self._accounts[requester] = _Account(0.0, now)
        account.used, account.at = self._used(account, now), max(now, account.at)
        return account
