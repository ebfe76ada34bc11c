"""`dffmpeg-admin status`: the cluster at a glance."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence

from dffmpeg import summaries, tables
from dffmpeg.admin import jobs, workers
from dffmpeg.admin.output import answer
from dffmpeg.admin.reaching import Cluster
from dffmpeg.wire.administration import CoordinatorRecord, Overview


async def show(options: argparse.Namespace, cluster: Cluster) -> None:
    """How the coordinator is, its workers, what runs, and what failed lately."""
    overview = await cluster.overview(options.window)
    answer(options, overview, "\n\n".join(_blocks(overview, cluster.place)))


def _blocks(overview: Overview, place: str) -> Iterator[str]:
    online = [worker for worker in overview.workers if worker.status != "offline"]
    used, slots = sum(one.used_slots for one in online), sum(one.slots for one in online)
    counts = ", ".join(f"{number} {state}" for state, number in overview.counts.items() if number)
    yield tables.fields(
        [
            ("database" if overview.status is None else "coordinator", place),
            ("status", overview.status),
            ("version", overview.version),
            *((f"{name} database", state) for name, state in overview.databases.items() if state != "online"),
            *(
                (f"{name} downlink", state)
                for name, state in overview.transports.items()
                if state != "online"
            ),
            ("workers", f"{len(online)} of {len(overview.workers)} here, {used} of {slots} slots used"),
            ("jobs", counts or "none"),
            ("queue", summaries.queue_line(overview.queue)),
            *(("alert", alert) for alert in overview.alerts),
        ]
    )
    if overview.coordinators:
        yield _coordinators(overview.coordinators)
    if overview.workers:
        yield workers.table(overview.workers)
    if overview.live:
        yield "With workers:\n" + jobs.table(overview.live, empty="")
    if overview.failed:
        yield "Failed lately:\n" + jobs.table(overview.failed, empty="")


UNREACHABLE = "none: set [cluster] advertise"
"""In place of an address, of one that the others cannot pass anything on to."""


def _coordinators(records: Sequence[CoordinatorRecord]) -> str:
    now = time.time()
    return tables.table(
        ("COORDINATOR", "STATUS", "ADDRESS", "WORKERS", "UP", "VERSION"),
        [
            (
                record.coordinator_id,
                f"{record.status}, leads" if record.leads else record.status,
                record.address or UNREACHABLE,
                record.workers,
                tables.age(record.started_at, now),
                record.version,
            )
            for record in records
        ],
        empty="no coordinators",
    )
