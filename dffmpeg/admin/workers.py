"""`dffmpeg-admin worker …`."""

from __future__ import annotations

import argparse
import time

from dffmpeg import summaries, tables
from dffmpeg.admin.coordinator import Coordinator
from dffmpeg.admin.output import answer, confirm
from dffmpeg.admin.reaching import Cluster, name_of
from dffmpeg.wire.administration import HoldRequest
from dffmpeg.wire.workers import WorkerRecord


async def show_all(options: argparse.Namespace, cluster: Cluster) -> None:
    """List all workers."""
    records = await cluster.workers()
    answer(options, records, table(records))


async def show(options: argparse.Namespace, cluster: Cluster) -> None:
    """Everything about one worker."""
    record = await cluster.worker(_worker(options))
    answer(options, record, summaries.worker_text(record, names=options.abilities))


async def hold(options: argparse.Namespace, cluster: Coordinator) -> None:
    """Give a worker nothing new: pause, drain or quarantine it."""
    request = HoldRequest(reason=options.reason, seconds=getattr(options, "seconds", None))
    record = await cluster.hold_worker(_worker(options), options.command[-1], request)
    _answer(options, record)


async def resume(options: argparse.Namespace, cluster: Coordinator) -> None:
    """Give a worker jobs again."""
    _answer(options, await cluster.resume_worker(_worker(options)))


async def probe(options: argparse.Namespace, cluster: Coordinator) -> None:
    """Have a worker find out anew what it can do."""
    worker_id = _worker(options)
    await cluster.probe_worker(worker_id, benchmark=options.benchmark)
    text = f"asked {worker_id}; in a moment `worker show {worker_id}` tells what it found"
    answer(options, {"worker_id": worker_id, "benchmark": options.benchmark}, text)


def _answer(options: argparse.Namespace, record: WorkerRecord) -> None:
    until = tables.moment(record.hold_until)
    text = f"{record.worker_id}: {record.hold or record.status}" + (f" until {until}" if until else "")
    busy = record.hold is not None and record.used_slots > 0
    still = f"; {record.used_slots} of {record.slots} slots are still used" if busy else ""
    answer(options, record, text + still)


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
