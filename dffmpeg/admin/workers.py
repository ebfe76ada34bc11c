"""`dffmpeg-admin worker …`."""

from __future__ import annotations

import argparse
import time

from dffmpeg import summaries, tables
from dffmpeg.admin.output import answer, confirm
from dffmpeg.admin.reaching import Cluster, name_of
from dffmpeg.wire.workers import WorkerRecord


async def show_all(options: argparse.Namespace, cluster: Cluster) -> None:
    """List all workers."""
    records = await cluster.workers()
    answer(options, records, table(records))


async def show(options: argparse.Namespace, cluster: Cluster) -> None:
    """Everything about one worker."""
    record = await cluster.worker(_worker(options))
    answer(options, record, summaries.worker_fields(record))


async def remove(options: argparse.Namespace, cluster: Cluster) -> None:
    """Forget a worker that is offline."""
    worker_id = _worker(options)
    confirm(options, f"Forget worker {worker_id}?")
    await cluster.remove_worker(worker_id)
    answer(options, {"worker_id": worker_id}, f"removed {worker_id}")


def table(records: list[WorkerRecord]) -> str:
    """Workers for people."""
    now = time.time()
    return tables.table(
        ("WORKER", "STATUS", "SLOTS", "SEEN", "VERSION", "LABELS", "PATHS", "BECAUSE"),
        [
            (
                record.worker_id,
                record.status,
                f"{record.used_slots}/{record.slots}",
                tables.age(record.last_seen, now),
                record.version,
                ", ".join(record.labels) or None,
                tables.shortened(", ".join(record.paths), 40) or None,
                record.hold_reason,
            )
            for record in records
        ],
        empty="no workers",
    )


def _worker(options: argparse.Namespace) -> str:
    return name_of("WORKER", options.worker)
