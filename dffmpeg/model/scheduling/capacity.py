"""Slots, in total and by resource: what a job takes, and whether there is room for it. Pure.

The scheduler asks before it decides, and the store asks the same before it commits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dffmpeg.model.workers import Worker


def charged(asked: Mapping[str, int], worker: Worker) -> dict[str, int]:
    """What a job takes of a worker's resources: only those that the worker declares count."""
    return {name: number for name, number in asked.items() if number and name in worker.resources}


def taken(charges: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """The sum by resource."""
    total: dict[str, int] = {}
    for charge in charges:
        for name, number in charge.items():
            total[name] = total.get(name, 0) + number
    return total


def short_of(
    slots: int, resources: Mapping[str, int], used: int, taken: Mapping[str, int], charge: Mapping[str, int]
) -> str | None:
    """What a worker lacks for one more job: "" is a slot, else the name of a resource; None is nothing.

    Args:
        slots, resources: what it has.
        used: slots that are taken.
        taken: what is taken of each resource.
        charge: what the job takes of them, as `charged` says.
    """
    if used >= slots:
        return ""
    for name, number in charge.items():
        if taken.get(name, 0) + number > resources.get(name, 0):
            return name
    return None
