"""`dffmpeg-client job …` and `submit`: jobs from the command line."""

from __future__ import annotations

import signal
import time
from collections.abc import AsyncIterator

import trio

from dffmpeg import summaries, tables
from dffmpeg.client import endings, submit_flags
from dffmpeg.client.api import Client
from dffmpeg.client.command import Invocation
from dffmpeg.client.endings import Ending
from dffmpeg.client.events import Gap, Status, stream_name
from dffmpeg.client.foreground import not_ignored, of_outcome
from dffmpeg.client.outcome import hindered
from dffmpeg.client.sinks import StdoutClosed, standard_error, standard_output
from dffmpeg.errors import DffmpegError, single_error
from dffmpeg.wire.jobs import JobRecord

NAME_WIDTH = 24


async def submit(call: Invocation) -> Ending:
    """Put a program into the queue."""
    options = call.options
    record = await call.client.submit(
        options.binary,
        call.program_arguments,
        job=submit_flags.read(options),
    )
    call.print(record, lambda: record.job_id)
    return Ending(line=hindered(record))


async def show_all(call: Invocation) -> Ending:
    """List the identity's own jobs."""
    options = call.options
    records = await call.client.jobs(
        options.window,
        options.limit,
        states=options.state or (),
        labels=options.label or (),
        name=options.name,
    )
    call.print(records, lambda: job_table(records))
    return Ending()


async def show(call: Invocation) -> Ending:
    """Everything about one job."""
    record = await call.client.status(call.options.job)
    call.print(record, lambda: summaries.job_fields(record))
    return Ending()


async def cancel(call: Invocation) -> Ending:
    """Cancel a job."""
    reply = await call.client.cancel(call.options.job)
    call.print(reply, lambda: reply.detail or "canceling")
    return Ending()


async def logs(call: Invocation) -> Ending:
    """A job's stderr as lines, or with `--follow` both streams as they come, byte for byte."""
    if call.options.follow:
        ending = await _watch(call.client, call.options.job)
        return Ending() if ending.line is None and ending.signal is None else ending
    lines = await call.client.logs(call.options.job)
    call.print(lines, lambda: "\n".join(tables.plain(line.content) for line in lines) or "no output")
    return Ending()


async def attach(call: Invocation) -> Ending:
    """Follow a job from what is kept of it, and end as it does."""
    return await _watch(call.client, call.options.job)


async def _watch(client: Client, job_id: str) -> Ending:
    # Whether there is such a job is said at once; only following it is tried for ever.
    await client.status(job_id)
    ending = Ending(130, line=f"detached; the job goes on: dffmpeg-client job attach {job_id}")
    with single_error(), trio.open_signal_receiver(*not_ignored((signal.SIGINT,))) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_cancel_on_signal, signals, nursery.cancel_scope)
            ending = await _deliver(client, job_id)
            nursery.cancel_scope.cancel()
    return ending


async def _cancel_on_signal(signals: AsyncIterator[int], scope: trio.CancelScope) -> None:
    async for _ in signals:
        scope.cancel()


async def _deliver(client: Client, job_id: str) -> Ending:
    stderr = standard_error()

    async def mark(event: Status | Gap) -> None:
        if isinstance(event, Gap):
            line = f"dffmpeg: {event.missing} bytes of {stream_name(event.stream)} were not kept\n"
            await stderr(line.encode("ascii"))

    try:
        outcome = await client.deliver(job_id, stdout=standard_output(), stderr=stderr, on_event=mark)
    except StdoutClosed as error:
        return error.ending
    except DffmpegError as error:
        return endings.of_error(error)
    return of_outcome(outcome)


def job_table(records: list[JobRecord]) -> str:
    """Jobs as a table for people."""
    now = time.time()
    header = ("JOB", "STATUS", "AGE", "WORKER", "NAME", "COMMAND")
    rows = [
        (
            record.job_id,
            summaries.job_state(record),
            tables.age(record.created_at, now),
            record.worker_id,
            None if record.name is None else tables.shortened(record.name, NAME_WIDTH),
            tables.shortened(summaries.command_line(record)),
        )
        for record in records
    ]
    # Most people give no names.
    shown = [
        column
        for column in range(len(header))
        if header[column] != "NAME" or any(row[column] for row in rows)
    ]
    return tables.table(
        [header[column] for column in shown],
        [[row[column] for column in shown] for row in rows],
        empty="no jobs",
    )
