"""`dffmpeg-client job …` and `submit`: jobs from the command line."""

from __future__ import annotations

import shlex
import time

from dffmpeg.client import progress_line, submit_flags, tables
from dffmpeg.client.command import Invocation
from dffmpeg.client.endings import Ending
from dffmpeg.client.outcome import hindered
from dffmpeg.client.watching import View, watch
from dffmpeg.model import durations
from dffmpeg.model.needs import Needs
from dffmpeg.model.requirements import KINDS
from dffmpeg.wire import bytestring, codec
from dffmpeg.wire.jobs import AttemptRecord, JobRecord

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
    attempts = await call.client.attempts(call.options.job)
    everything = {**codec.to_builtins(record), "attempts": codec.to_builtins(attempts)}
    call.print(everything, lambda: "\n\n".join([job_fields(record), *_attempt_tables(attempts)]))
    return Ending()


async def cancel(call: Invocation) -> Ending:
    """Cancel a job."""
    reply = await call.client.cancel(call.options.job)
    call.print(reply, lambda: reply.detail or "canceling")
    return Ending()


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
            _state(record),
            tables.age(record.created_at, now),
            record.worker_id,
            None if record.name is None else tables.shortened(record.name, NAME_WIDTH),
            tables.shortened(command_line(record)),
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


def job_fields(record: JobRecord) -> str:
    """One job for people."""
    cwd = record.working_directory
    return tables.fields(
        [
            ("job", record.job_id),
            ("status", _state(record)),
            ("reason", record.reason),
            ("hindrance", record.hindrance),
            ("name", record.name),
            ("labels", ", ".join(record.labels) or None),
            ("priority", record.priority or None),
            ("command", command_line(record)),
            ("needs", needs_line(record.needs) or None),
            (
                "substitutions",
                ", ".join(f"{old} by {new}" for old, new in record.substitutions.items()) or None,
            ),
            ("directory", None if cwd is None else _shown(cwd)),
            ("requester", record.requester_id),
            ("worker", record.worker_id),
            ("attempt", record.attempt),
            ("losses", f"{record.losses} of {record.max_attempts}" if record.losses else None),
            ("progress", _progress(record)),
            ("after", _predecessors(record)),
            ("not before", tables.moment(record.not_before)),
            ("created", tables.moment(record.created_at)),
            ("ended", tables.moment(record.ended_at)),
            ("changed", tables.moment(record.last_update)),
            *_rules(record),
            ("worker seen", tables.moment(record.worker_last_seen)),
            ("client seen", tables.moment(record.client_last_seen)),
        ]
    )


def needs_line(needs: Needs) -> str:
    """All that a job needs, in the words of `--require`."""
    names = [f"{word}={name}" for word, kind in KINDS.items() for name in getattr(needs, kind)]
    return ", ".join([*names, *(f"resource={name}:{count}" for name, count in needs.resources.items())])


def _predecessors(record: JobRecord) -> str | None:
    if not record.after:
        return None
    waits = f" ({record.blocked} of them not completed yet)" if record.blocked else ""
    return ", ".join(record.after) + waits


def _rules(record: JobRecord) -> list[tuple[str, object]]:
    rules = record.rules
    seconds = {
        "pending timeout": record.pending_timeout,
        "assignment timeout": rules.assignment_timeout,
        "lease": rules.lease,
        "run timeout": rules.run_timeout,
        "stall timeout": rules.stall_timeout,
        "retention": rules.retention,
    }
    codes = ", ".join(map(str, rules.retry_exit_codes))
    return [
        *((name, None if value is None else durations.show(value)) for name, value in seconds.items()),
        ("run again on exit", codes or None),
        ("run again on stderr", "  ".join(rules.retry_stderr) or None),
        ("if impossible", "fails" if rules.impossible == "fail" else None),
        ("hooks", ", ".join(rules.hooks) or None),
        ("key", record.idempotency_key),
    ]


def _progress(record: JobRecord) -> str | None:
    return None if record.progress is None else progress_line.figures(record.progress)


def _attempt_tables(attempts: list[AttemptRecord]) -> list[str]:
    """The attempts, and the end of what the last one wrote; nothing where there were none."""
    if not attempts:
        return []
    rows = [
        (
            one.attempt,
            one.worker_id,
            _outcome(one),
            tables.moment(one.started_at),
            tables.moment(one.ended_at),
            None if one.reason is None else tables.shortened(one.reason),
        )
        for one in attempts
    ]
    found = [tables.table(("ATTEMPT", "WORKER", "OUTCOME", "STARTED", "ENDED", "REASON"), rows, empty="")]
    last = attempts[-1]
    if last.outcome not in (None, "completed") and last.stderr_end is not None:
        lines = bytestring.from_wire(last.stderr_end, "stderr_end").decode("utf-8", "replace").splitlines()
        found.append("\n".join(["end of its stderr:", *(f"  {tables.plain(line)}" for line in lines[-10:])]))
    return found


def _outcome(attempt: AttemptRecord) -> str:
    if attempt.outcome is None:
        return "running" if attempt.started_at is not None else "assigned"
    outcome = attempt.outcome.replace("_", " ")
    if attempt.signal is not None:
        return f"{outcome} (signal {attempt.signal})"
    return f"{outcome} (exit code {attempt.exit_code})" if attempt.exit_code else outcome


def command_line(record: JobRecord) -> str:
    """The program and its arguments, quoted as a shell wants them, on one line."""
    return shlex.join([record.binary_name, *(_shown(argument) for argument in record.arguments)])


def _shown(value: bytestring.ByteString) -> str:
    return bytestring.display(bytestring.from_wire(value, "argument"))


def _state(record: JobRecord) -> str:
    if record.signal is not None:
        return f"{record.status} (signal {record.signal})"
    if record.exit_code:
        return f"{record.status} (exit code {record.exit_code})"
    progress = record.progress
    if record.status == "running" and progress is not None and progress.fraction is not None:
        return f"running ({progress.fraction:.0%})"
    return record.status
