"""The coordinator's `[scheduling]`: order, shares, limits, quarantine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import field

from dffmpeg.configuration.common import Count, Seconds, Section
from dffmpeg.model.resources import RESOURCES
from dffmpeg.model.scheduling import policy, quarantine
from dffmpeg.model.scheduling.policy import Policy, PriorityClass

Priority = Annotated[int, msgspec.Meta(ge=-100, le=100)]
Slots = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]


class JobLimit(Section, frozen=True):
    """None is any number."""

    running: Count | None = None
    queued: Count | None = None

    @property
    def limit(self) -> policy.Limit:
        return policy.Limit(running=self.running, queued=self.queued)


class Quarantine(Section, frozen=True):
    strikes: Count = 3
    minimum: Seconds = 60.0
    maximum: Seconds = 3600.0


class Scheduling(Section, frozen=True):
    aging: Seconds = 60.0
    half_life: Seconds = 600.0
    patience: Seconds = 60.0
    avoid: Seconds = 60.0
    queued: Count = 200_000
    classes: dict[str, Priority] = field(default_factory=lambda: {"low": -50, "normal": 0, "high": 50})
    resources: dict[str, list[str]] = field(
        default_factory=lambda: {name: list(patterns) for name, patterns in RESOURCES.items()}
    )
    reserved: dict[str, Slots] = {}
    reserved_resources: dict[str, dict[str, Slots]] = {}
    requester: JobLimit = JobLimit()
    requesters: dict[str, JobLimit] = {}
    labels: dict[str, JobLimit] = {}
    quarantine: Quarantine = Quarantine()

    @property
    def policy(self) -> Policy:
        """What the scheduler goes by."""
        classes = (
            PriorityClass(
                name=name,
                priority=priority,
                reserved=self.reserved.get(name, 0),
                resources=self.reserved_resources.get(name, {}),
            )
            for name, priority in self.classes.items()
        )
        rule = self.quarantine
        left_alone = quarantine.Quarantine(strikes=rule.strikes, minimum=rule.minimum, maximum=rule.maximum)
        return Policy(
            classes=tuple(sorted(classes, key=lambda known: known.priority)),
            aging=self.aging,
            half_life=self.half_life,
            patience=self.patience,
            avoid=self.avoid,
            requester=self.requester.limit,
            requesters=_limits(self.requesters),
            labels=_limits(self.labels),
            queued=self.queued,
            quarantine=left_alone,
        )


def _limits(limits: Mapping[str, JobLimit]) -> dict[str, policy.Limit]:
    return {name: one.limit for name, one in limits.items()}
