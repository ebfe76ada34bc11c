"""How busy it was: what is counted within stretches of time, and how that is put together. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

MINUTE = 60
QUARTER = 900
"""Seconds of the two kinds of samples. A quarter of an hour is made of its minutes."""

MINUTES_KEPT = 25 * 3600
QUARTERS_KEPT = 32 * 86_400
"""Seconds for which samples of each kind are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was counted. Jobs and bytes add up, over time and over those who count.

    What the cluster is like (jobs that wait or run, slots) only one of them counts: as a sum over so many
    looks.

    Attributes:
        waits: jobs whose waiting time is in `waited` and `waited_max`, seconds.
        bytes: of programs' inputs and outputs.
        looks: how often the cluster was looked at; the four behind it are sums over these.
    """

    submitted: int = 0
    started: int = 0
    completed: int = 0
    failed: int = 0
    canceled: int = 0
    waits: int = 0
    waited: float = 0.0
    waited_max: float = 0.0
    bytes: int = 0
    looks: int = 0
    queued: int = 0
    running: int = 0
    slots: int = 0
    used_slots: int = 0

    @property
    def ended(self) -> int:
        return self.completed + self.failed + self.canceled

    def plus(self, other: Figures) -> Figures:
        """Both together."""
        sums = {name: getattr(self, name) + getattr(other, name) for name in _ADDED}
        return Figures(waited_max=max(self.waited_max, other.waited_max), **sums)

    def with_look(self, *, queued: int, running: int, slots: int, used_slots: int) -> Figures:
        """And the cluster was like this once more."""
        return replace(
            self,
            looks=self.looks + 1,
            queued=self.queued + queued,
            running=self.running + running,
            slots=self.slots + slots,
            used_slots=self.used_slots + used_slots,
        )

    def mean(self, of: int) -> float | None:
        """The mean over all looks of one of their sums; None if nobody looked."""
        return of / self.looks if self.looks else None


_ADDED = tuple(name for name in Figures.__slots__ if name != "waited_max")


@dataclass(frozen=True, slots=True)
class Sample:
    """What one coordinator counted.

    Attributes:
        step: `MINUTE` or `QUARTER`.
        at: when it began, Unix seconds, a multiple of the step.
    """

    step: int
    at: int
    coordinator_id: str
    figures: Figures


def begin(moment: float, step: int) -> int:
    """When the step that a moment is in began."""
    return int(moment // step) * step


def total(found: Iterable[Figures]) -> Figures:
    """All together."""
    result = Figures()
    for one in found:
        result = result.plus(one)
    return result


def quarters(minutes: Iterable[Sample]) -> list[Sample]:
    """What each coordinator's minutes come to, by quarters of an hour."""
    found: dict[tuple[int, str], Figures] = {}
    for one in minutes:
        key = (begin(one.at, QUARTER), one.coordinator_id)
        found[key] = found.get(key, Figures()).plus(one.figures)
    return [Sample(QUARTER, at, coordinator_id, one) for (at, coordinator_id), one in sorted(found.items())]


def series(samples: Iterable[Sample], step: int, first: int, number: int) -> list[tuple[int, Figures | None]]:
    """Points of a history, over all coordinators.

    Args:
        samples: of any step up to this one. Where there is a coordinator's quarter, its minutes do not count.
        first: when the first point begins.

    Returns:
        So many points, the oldest first; None where nobody recorded anything.
    """
    whole: set[tuple[int, str]] = set()
    parts: list[Sample] = []
    found: dict[int, Figures] = {}

    def add(at: int, figures: Figures) -> None:
        found[at] = found.get(at, Figures()).plus(figures)

    for one in samples:
        if one.step == step:
            whole.add((one.at, one.coordinator_id))
            add(one.at, one.figures)
        elif one.step < step:
            parts.append(one)
    for one in parts:
        at = begin(one.at, step)
        if (at, one.coordinator_id) not in whole:
            add(at, one.figures)
    points = range(first, first + number * step, step)
    return [(at, found.get(at)) for at in points]
