"""`dffmpeg-admin job …`."""

from __future__ import annotations

import argparse
import time
from collections.abc import AsyncIterator

from dffmpeg import summaries, tables
from dffmpeg.admin.coordinator import EVER, Coordinator
from dffmpeg.admin.output import answer, confirm
from dffmpeg.admin.reaching import Cluster, name_of
from dffmpeg.admin.several import answer_each, one_by_one
from dffmpeg.admin.statuses import NOT_FOUND, NotThere, status_of
from dffmpeg.errors import BadInput, Refused
from dffmpeg.model.jobs import TERMINAL, JobState
from dffmpeg.wire import codec, times
from dffmpeg.wire.jobs import JobRecord
from dffmpeg.wire.scheduling import Explanation

PAGE = 1000


async def show_all(options: argparse.Namespace, cluster: Cluster) -> None:
    """List jobs."""
    records = await cluster.jobs(
        window=options.window,
        limit=options.limit,
        states=options.state or (),
        requester=options.requester,
        labels=options.label or (),
        name=options.name,
    )
    answer(options, records, table(records, empty="no jobs"))


async def show(options: argparse.Namespace, cluster: Cluster) -> None:
    """Everything about one job."""
    record = await cluster.job(_job(options.job))
    attempts = await cluster.attempts(record.job_id)
    everything = {**codec.to_builtins(record), "attempts": codec.to_builtins(attempts)}
    answer(options, everything, summaries.job_text(record, attempts))


async def logs(options: argparse.Namespace, cluster: Cluster) -> None:
    """What is kept of a job's standard error."""
    job_id = _job(options.job)
    lines, last = await cluster.logs(job_id, None)
    page = lines
    while page:
        page, last = await cluster.logs(job_id, last)
        lines += page
    answer(options, lines, "\n".join(tables.plain(line.content) for line in lines) or "no output")


async def cancel(options: argparse.Namespace, cluster: Coordinator) -> None:
    """Cancel jobs."""
    ids = _jobs(options.jobs)
    confirm(options, f"Cancel {_counted(ids)}?")
    answer_each(
        options,
        await one_by_one(ids, cluster.cancel),
        value=lambda job_id, reply: {"job_id": job_id, "detail": reply.detail},
        text=lambda done: "\n".join(f"{job_id}: {reply.detail or 'canceling'}" for job_id, reply in done),
    )


async def retry(options: argparse.Namespace, cluster: Coordinator) -> None:
    """Queue jobs once more."""
    answer_each(
        options,
        await one_by_one(_jobs(options.jobs), cluster.retry),
        value=lambda _, record: record,
        text=lambda done: "\n".join(f"{job_id}: again as {record.job_id}" for job_id, record in done),
    )


async def prioritize(options: argparse.Namespace, cluster: Coordinator) -> None:
    """Change the priority of pending jobs."""
    ids = _jobs(options.jobs)
    outcomes = await one_by_one(ids, lambda job_id: cluster.set_priority(job_id, options.priority))
    if len(ids) == 1 and outcomes[0].value is not None:
        record = outcomes[0].value
        answer(options, record, _priority(record))
        return
    answer_each(
        options,
        outcomes,
        value=lambda _, record: record,
        text=lambda done: "\n".join(_priority(record) for _, record in done),
    )


def _priority(record: JobRecord) -> str:
    return f"{record.job_id}: priority {record.priority}"


async def why(options: argparse.Namespace, cluster: Coordinator) -> None:
    """What a job waits for, and what each worker has against it."""
    found = await cluster.why(_job(options.job))
    lines = [
        ("job", found.job_id),
        ("status", found.status),
        ("may start", _whether(found)),
        ("next worker", found.choice),
        ("would go to", None if found.otherwise is None else f"{found.otherwise}, as soon as it may start"),
    ]
    if found.status != JobState.PENDING:
        answer(
            options, found, tables.fields([*lines, ("waits for", "nothing: " + "; ".join(found.waits_for))])
        )
        return
    waits = "\n".join(f"- {clause}" for clause in found.waits_for)
    blocks = [tables.fields(lines), f"It waits for:\n{waits}" if waits else "", _verdicts(found)]
    answer(options, found, "\n\n".join(block for block in blocks if block))


def _whether(found: Explanation) -> str | None:
    if found.status != JobState.PENDING:
        return None
    if not found.may_start:
        return "no"
    return "yes" if found.choice is not None else "yes, but no worker has room for it"


def _verdicts(found: Explanation) -> str:
    return tables.table(
        ("WORKER", "STATUS", "COULD", "HAS ROOM", "SCORE", "BECAUSE"),
        [
            (
                one.worker_id,
                one.status,
                "yes" if one.suitable else "no",
                "yes" if one.has_room else "no",
                None if one.score is None else f"{one.score:g}",
                "; ".join(one.reasons) or None,
            )
            for one in found.workers
        ],
        empty="no worker is known",
    )


async def purge(options: argparse.Namespace, cluster: Cluster) -> None:
    """Forget jobs that have ended."""
    ids = await _to_be_purged(options, cluster)
    if not ids:
        answer(options, [], "no such jobs")
        return
    confirm(options, f"Forget {_counted(ids)}, with all output?")

    async def forget(job_id: str) -> str:
        try:
            await cluster.purge(job_id)
        except (NotThere, Refused) as error:
            # What was not named but found may have been swept up by the janitor meanwhile.
            if options.ended_before is None or status_of(error) != NOT_FOUND:
                raise
        return job_id

    answer_each(
        options,
        await one_by_one(ids, forget),
        value=lambda job_id, _: {"job_id": job_id},
        text=lambda done: f"purged {_counted([job_id for job_id, _ in done])}",
    )


async def _to_be_purged(options: argparse.Namespace, cluster: Cluster) -> list[str]:
    ids = _jobs(options.jobs)
    if options.ended_before is None:
        if not ids:
            raise BadInput("expected JOB, or --ended-before")
        if options.state or options.requester:
            raise BadInput("--state and --requester belong to --ended-before")
        return ids
    if ids:
        raise BadInput("--ended-before: expected no JOB beside it")
    cutoff = time.time() - options.ended_before
    return [record.job_id async for record in _ended(options, cluster, cutoff)]


async def _ended(options: argparse.Namespace, cluster: Cluster, cutoff: float) -> AsyncIterator[JobRecord]:
    since_id: str | None = None
    while True:
        page = await cluster.jobs(
            window=EVER,
            limit=PAGE,
            states=options.state or sorted(TERMINAL),
            requester=options.requester,
            since_id=since_id,
        )
        for record in page:
            if times.from_wire(record.ended_at or record.last_update) < cutoff:
                yield record
        if len(page) < PAGE:
            return
        since_id = page[-1].job_id


def table(records: list[JobRecord], *, empty: str) -> str:
    """Jobs for people."""
    now = time.time()
    return tables.table(
        ("JOB", "STATUS", "PRIORITY", "AGE", "REQUESTER", "WORKER", "NAME", "COMMAND"),
        [
            (
                record.job_id,
                summaries.job_state(record),
                record.priority,
                tables.age(record.created_at, now),
                record.requester_id,
                record.worker_id,
                None if record.name is None else tables.shortened(record.name, 24),
                tables.shortened(summaries.command_line(record)),
            )
            for record in records
        ],
        empty=empty,
    )


def _job(text: str) -> str:
    return name_of("JOB", text)


def _jobs(texts: list[str]) -> list[str]:
    return list(dict.fromkeys(_job(text) for text in texts))


def _counted(ids: list[str]) -> str:
    return f"job {ids[0]}" if len(ids) == 1 else f"{len(ids)} jobs"
