"""`dffmpeg-admin audit`: what administrators did."""

from __future__ import annotations

import argparse
import time

from dffmpeg import tables
from dffmpeg.admin.output import answer
from dffmpeg.admin.reaching import Cluster
from dffmpeg.model.audit import AuditRequest, Via
from dffmpeg.wire.audit import AuditRecord

PAGE = 500


async def show(options: argparse.Namespace, cluster: Cluster) -> None:
    """List what was done, the newest first."""
    since = None if options.since is None else time.time() - options.since
    records: list[AuditRecord] = []
    after: str | None = None
    while len(records) < options.limit:
        page = await cluster.audit(
            AuditRequest(
                limit=min(PAGE, options.limit - len(records)),
                after=after,
                actor=options.by,
                action=options.action,
                since=since,
            )
        )
        records += page.items
        after = page.next
        if after is None:
            break
    text = tables.table(
        ("WHEN", "WHO", "FROM", "ACTION", "SUBJECT", "OUTCOME", "DETAILS"),
        [_row(record) for record in records],
        empty="nothing of the kind is recorded",
    )
    answer(options, records, text)


def _row(record: AuditRecord) -> tuple[object, ...]:
    where = "the coordinator's machine" if record.via == Via.MACHINE else record.address
    said = ", ".join(f"{name}: {value}" for name, value in record.details.items())
    return (
        tables.moment(record.at),
        record.actor,
        where,
        record.action,
        record.subject,
        record.outcome,
        tables.shortened(said),
    )
