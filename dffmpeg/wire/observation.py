"""Bodies of what monitoring and dashboards read."""

from __future__ import annotations

import msgspec

from dffmpeg.wire.scheduling import QueueState


class Readiness(msgspec.Struct, kw_only=True):
    """GET /ready.

    Attributes:
        status: `ready`, or `waiting`.
        waits_for: what is not there yet, or not any more, each a short clause.
    """

    status: str
    waits_for: list[str] = []


class Slots(msgspec.Struct, kw_only=True):
    """Of all workers that are not offline."""

    total: int
    used: int


class Stats(msgspec.Struct, kw_only=True):
    """GET /stats: the cluster in numbers.

    Attributes:
        jobs: how many there are in each state, all that the database has.
        workers: how many there are in each state; `held` get nothing new, whatever their state.
    """

    version: str
    jobs: dict[str, int]
    workers: dict[str, int]
    slots: Slots
    queue: QueueState
