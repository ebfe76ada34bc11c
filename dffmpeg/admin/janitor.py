"""`dffmpeg-admin janitor …`."""

from __future__ import annotations

import argparse

from dffmpeg import tables
from dffmpeg.admin.coordinator import Coordinator
from dffmpeg.admin.output import answer
from dffmpeg.admin.reaching import Cluster
from dffmpeg.wire import times
from dffmpeg.wire.janitor import JanitorRecord


async def run(options: argparse.Namespace, cluster: Coordinator) -> None:
    """Have it sweep now."""
    record = await cluster.run_janitor(options.action)
    answer(options, record, f"{record.action}: {_result(record)}")


async def show_all(options: argparse.Namespace, cluster: Cluster) -> None:
    """List its latest runs."""
    records = await cluster.janitor_runs(options.limit)
    text = tables.table(
        ("BEGAN", "ACTION", "TOOK", "RESULT"),
        [
            (tables.moment(record.started_at), record.action, _took(record), _result(record))
            for record in records
        ],
        empty="no runs",
    )
    answer(options, records, text)


def _took(record: JanitorRecord) -> str:
    if record.ended_at is None:
        return "unfinished"
    return f"{times.from_wire(record.ended_at) - times.from_wire(record.started_at):.1f} s"


def _result(record: JanitorRecord) -> str:
    done = [f"{name.replace('_', ' ')} {number}" for name, number in record.result.items() if number]
    return ", ".join(done) or "nothing to do"
