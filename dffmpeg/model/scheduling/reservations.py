"""How many of the slots that classes of jobs have reserved are really kept for them. Pure.

What is reserved is a number in a configuration, and the cluster may have less: workers go away. Were all that
there is kept, jobs below would never run. So one slot, and one of each resource, is always left to everybody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dffmpeg.model.scheduling.policy import Policy, PriorityClass


@dataclass(frozen=True, slots=True)
class Shortfall:
    """More is reserved than can be kept.

    Attributes:
        resource: of which; empty for slots as such.
        wanted: what all classes together have reserved.
        total: what the workers have that take jobs.
    """

    resource: str
    wanted: int
    total: int

    @property
    def key(self) -> str:
        """Where it stands in the configuration."""
        return "scheduling.reserved_resources" if self.resource else "scheduling.reserved"

    def __str__(self) -> str:
        what = f"slots of {self.resource}" if self.resource else "slots"
        return (
            f"{self.key}: {self.wanted} {what} are reserved, and the workers that take jobs have"
            f" {self.total}: {max(0, self.total - 1)} of them are kept, one is left to everybody"
        )


def granted(policy: Policy, total: int, resource: str = "") -> dict[str, int]:
    """What is kept for each class, by its name; the highest class comes first.

    Args:
        total: what there is, taken or not.
        resource: of which; empty for slots as such.
    """
    left = max(0, total - 1)
    kept = {}
    for known in sorted(policy.reserving, key=lambda known: -known.priority):
        kept[known.name] = min(left, _reserved(known, resource))
        left -= kept[known.name]
    return kept


def shortfalls(policy: Policy, slots: int, resources: Mapping[str, int]) -> Iterator[Shortfall]:
    """Where more is reserved than can be kept. Where there is nothing at all, nothing is said of it.

    Args:
        slots, resources: what there is, taken or not.
    """
    names = {name for known in policy.reserving for name in known.resources}
    for name in ("", *sorted(names)):
        total = resources.get(name, 0) if name else slots
        wanted = sum(_reserved(known, name) for known in policy.reserving)
        if total and wanted >= total:
            yield Shortfall(name, wanted, total)


def _reserved(known: PriorityClass, resource: str) -> int:
    return known.resources.get(resource, 0) if resource else known.reserved
