"""Several coordinators on one database: who lives, who leads, and who looks after which worker.

No clocks are compared. A member counts its signs of life in its row; whoever watches sees the count grow,
by a clock of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class MemberState(StrEnum):
    ACTIVE = "active"
    DRAINING = "draining"
    """It ends what it has, gives its workers away, and takes no others."""
    GONE = "gone"
    """It has left, or was silent for so long that the others go on without it. There is no way back."""


@dataclass(frozen=True, slots=True)
class Member:
    """A coordinator's process.

    Attributes:
        coordinator_id: a ULID, made when it joined: the oldest is the smallest.
        address: `http://host:port` at which the others reach it; None where it names none.
        state: one of `MemberState`.
        renewals: its signs of life so far.
        started_at: Unix seconds, by its own clock.
    """

    coordinator_id: str
    address: str | None
    state: str
    renewals: int = 0
    version: str | None = None
    started_at: float = 0.0

    @property
    def active(self) -> bool:
        return self.state == MemberState.ACTIVE


def leader(members: Iterable[Member]) -> str | None:
    """Who decides for all: the oldest that is active, or where all of them are about to leave the oldest of
    these. It needs no election, since it is gone before another one is the oldest."""
    there = [one for one in members if one.state != MemberState.GONE]
    return min((not one.active, one.coordinator_id) for one in there)[1] if there else None


@dataclass(slots=True)
class Watch:
    """Since when each of the others has been silent, by the watcher's own monotonic clock.

    Attributes:
        lease: seconds of silence after which one is gone.
    """

    lease: float
    _heard: dict[str, tuple[int, float]] = field(default_factory=dict)
    _looked_at: float = 0.0

    def look(self, members: Iterable[Member], now: float) -> list[Member]:
        """Take in the members as they are now.

        Returns:
            Those that have been silent for too long, with the count at which they were.
        """
        if now - self._looked_at > self.lease / 2:
            # The watcher slept, or could not see: it knows of nobody that he was silent.
            self._heard = {}
        self._looked_at = now
        living = [one for one in members if one.state != MemberState.GONE]
        heard = {one.coordinator_id: self._since(one, now) for one in living}
        self._heard = heard
        return [one for one in living if now - heard[one.coordinator_id][1] > self.lease]

    def _since(self, member: Member, now: float) -> tuple[int, float]:
        before = self._heard.get(member.coordinator_id)
        return before if before is not None and before[0] == member.renewals else (member.renewals, now)


def new_homes(homes: Mapping[str, str | None], active: Iterable[str]) -> dict[str, str]:
    """Who looks after the workers of those that do not any more.

    Args:
        homes: by worker, its home; None for one that has none.
        active: the members that may be one.

    Returns:
        By worker, its new home, for each whose home is not active: the one with the fewest workers. Empty
        where nobody is active.
    """
    load: dict[str, int] = dict.fromkeys(active, 0)
    orphans: list[str] = []
    for worker_id, home in homes.items():
        if home is not None and home in load:
            load[home] += 1
        else:
            orphans.append(worker_id)
    found: dict[str, str] = {}
    for worker_id in sorted(orphans) if load else ():
        home = min(load, key=lambda one: (load[one], one))
        load[home] += 1
        found[worker_id] = home
    return found
