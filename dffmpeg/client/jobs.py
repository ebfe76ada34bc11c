"""`dffmpeg-client job …` and `submit`: jobs from the command line."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import trio

from dffmpeg import summaries, tables
from dffmpeg.client import submit_flags
from dffmpeg.client.command import Invocation
from dffmpeg.client.endings import Ending, of_error, say
from dffmpeg.client.outcome import hindered
from dffmpeg.client.watching import View, watch
from dffmpeg.errors import BadInput, Refused, Unreachable
from dffmpeg.wire import codec
from dffmpeg.wire.jobs import JobRecord

NAME_WIDTH = 24


async def submit(call: Invocation) -> Ending:
    """Put a program into the queue."""
    options = call.options
    notice = submit_flags.notice(options)
    if notice is not None:
        say(notice)
    read = partial(submit_flags.read, options, call.client.config, call.program_arguments)
    record = await call.client.submit(
        options.binary,
        call.program_arguments,
        job=await trio.to_thread.run_sync(read, abandon_on_cancel=True),
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
    attempts = await call.client.attempts(call.options.job)
    everything = {**codec.to_builtins(record), "attempts": codec.to_builtins(attempts)}
    call.print(everything, lambda: summaries.job_text(record, attempts))
    return Ending()


async def cancel(call: Invocation) -> Ending:
    """Cancel jobs. One that fails does not hold up the others; the first such is how it ends."""
    ids: list[str] = list(dict.fromkeys(call.options.jobs))
    if len(ids) == 1:
        reply = await call.client.cancel(ids[0])
        call.print(reply, lambda: reply.detail or "canceling")
        return Ending()
    said = [await _canceled(call, job_id) for job_id in ids]
    done = [one for one in said if "error" not in one]
    if done or call.options.json:
        call.print(
            said, lambda: "\n".join(f"{one['job_id']}: {one['detail'] or 'canceling'}" for one in done)
        )
    failed = [one for one in said if "error" in one]
    for one in failed:
        say(f"{one['job_id']}: {one['error']}")
    if not failed:
        return Ending()
    return Ending(failed[0]["exit_code"], line=f"{len(failed)} of {len(said)} jobs: not done")


async def _canceled(call: Invocation, job_id: str) -> dict[str, Any]:
    try:
        return {"job_id": job_id, "detail": (await call.client.cancel(job_id)).detail}
    except (BadInput, Refused, Unreachable) as error:
        return {"job_id": job_id, "error": str(error), "exit_code": of_error(error).code}


async def logs(call: Invocation) -> Ending:
    """A job's stderr as lines, or with `--follow` both streams as they come, byte for byte."""
    if call.options.follow:
        ending = await watch(call.client, call.options.job, _view(call))
        return Ending() if ending.line is None and ending.signal is None else ending
    lines = await call.client.logs(call.options.job)
    call.print(lines, lambda: "\n".join(tables.plain(line.content) for line in lines) or "no output")
    return Ending()


async def attach(call: Invocation) -> Ending:
    """Follow a job from what is kept of it, and end as it does."""
    return await watch(call.client, call.options.job, _view(call))


def _view(call: Invocation) -> View:
    if call.options.quiet:
        return View.NOTHING
    return View.PROGRESS if call.options.progress else View.OUTPUT


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
