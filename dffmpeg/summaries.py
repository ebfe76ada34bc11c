"""Jobs and workers as people read them, from the records that answers hold."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Sequence

from dffmpeg import tables
from dffmpeg.model import durations
from dffmpeg.model.abilities import Abilities
from dffmpeg.model.needs import Needs
from dffmpeg.model.requirements import KINDS
from dffmpeg.progress_figures import figures
from dffmpeg.wire import bytestring
from dffmpeg.wire.jobs import AttemptRecord, JobRecord
from dffmpeg.wire.scheduling import QueueState
from dffmpeg.wire.workers import WorkerRecord

_WIDTH = 100

_LISTS = ("encoders", "decoders", "filters", "hwaccels", "muxers", "demuxers", "protocols")


def job_fields(record: JobRecord) -> str:
    """Everything about one job, a line each."""
    cwd = record.working_directory
    return tables.fields(
        [
            ("job", record.job_id),
            ("status", job_state(record)),
            ("reason", record.reason),
            ("last line", record.last_line),
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
            ("retry of", record.retry_of),
            ("worker", record.worker_id),
            ("attempt", record.attempt),
            ("losses", f"{record.losses} of {record.max_attempts}" if record.losses else None),
            ("progress", None if record.progress is None else figures(record.progress)),
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


def job_text(record: JobRecord, attempts: Sequence[AttemptRecord]) -> str:
    """Everything about one job, its attempts, and the end of what the last one wrote."""
    return "\n\n".join([job_fields(record), *_attempt_tables(attempts)])


def _attempt_tables(attempts: Sequence[AttemptRecord]) -> list[str]:
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


def needs_line(needs: Needs) -> str:
    """All that a job needs, in the words of `--require`."""
    names = [f"{word}={name}" for word, kind in KINDS.items() for name in getattr(needs, kind)]
    return ", ".join([*names, *(f"resource={name}:{count}" for name, count in needs.resources.items())])


def command_line(record: JobRecord) -> str:
    """The program and its arguments, quoted as a shell wants them, on one line."""
    return shlex.join([record.binary_name, *(_shown(argument) for argument in record.arguments)])


def job_state(record: JobRecord) -> str:
    """Its status, with how its program ended where that is worth a word."""
    if record.signal is not None:
        return f"{record.status} (signal {record.signal})"
    if record.exit_code:
        return f"{record.status} (exit code {record.exit_code})"
    progress = record.progress
    if record.status == "running" and progress is not None and progress.fraction is not None:
        return f"running ({progress.fraction:.0%})"
    return record.status


def _predecessors(record: JobRecord) -> str | None:
    if not record.after:
        return None
    # A job that ended before them keeps the number.
    waits = record.blocked and record.status == "pending"
    return ", ".join(record.after) + (f" ({record.blocked} of them not completed yet)" if waits else "")


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


def _paths(record: WorkerRecord) -> list[str]:
    return [f"{name} (read-only)" if name in record.read_only else name for name in record.paths]


def worker_fields(record: WorkerRecord) -> str:
    """Everything about one worker, a line each."""
    until = tables.moment(record.hold_until)
    return tables.fields(
        [
            ("worker", record.worker_id),
            ("status", record.status + (f" until {until}" if until else "")),
            ("because", record.hold_reason),
            ("strikes", record.strikes or None),
            ("slots", f"{record.used_slots} of {record.slots} used"),
            ("resources", ", ".join(f"{name} {count}" for name, count in record.resources.items()) or None),
            ("labels", ", ".join(record.labels) or None),
            ("weight", None if record.weight == 1 else f"{record.weight:g}"),
            ("hours", record.hours),
            (
                "substitutions",
                ", ".join(f"{old} by {new}" for old, new in record.substitutions.items()) or None,
            ),
            ("benchmark", None if record.benchmark is None else f"{record.benchmark / 1e6:.1f} Mpixel/s"),
            ("seen", tables.moment(record.last_seen)),
            ("version", record.version),
            ("downlink", record.transport),
            ("binaries", ", ".join(record.binaries) or "-"),
            ("paths", ", ".join(_paths(record)) or "-"),
            *((f"mount {name}", state) for name, state in sorted(record.mounts.items())),
            ("capabilities", ", ".join(record.capabilities) or "-"),
        ]
    )


def queue_line(state: QueueState) -> str:
    """Whether jobs are given to workers, and if not since when and why."""
    if not state.paused:
        return "open"
    since = tables.moment(state.changed_at)
    return f"paused by {state.changed_by} since {since}" + (f": {state.reason}" if state.reason else "")


def worker_text(record: WorkerRecord, *, names: bool) -> str:
    """A worker's fields, and what its programs can do.

    Args:
        names: whether everything is named, or only counted.
    """
    abilities = worker_abilities(record, names=names)
    return worker_fields(record) + (f"\n\n{abilities}" if abilities else "")


def worker_abilities(record: WorkerRecord, *, names: bool) -> str:
    """What a worker's programs can do: how many of each kind, or which; and what does not work."""
    if not record.abilities:
        return ""
    rows = [
        (
            program,
            _version(abilities.version) if abilities.complete else "being probed",
            *(len(getattr(abilities, kind)) for kind in _LISTS),
            len(abilities.broken),
        )
        for program, abilities in sorted(record.abilities.items())
    ]
    header = ("PROGRAM", "VERSION", *(kind.upper() for kind in _LISTS), "BROKEN")
    text = tables.table(header, rows, empty="")
    kinds = (*_LISTS, "broken") if names else ("broken",)
    return text + "".join(
        _names(program, record.abilities[program], kinds) for program in sorted(record.abilities)
    )


def _names(program: str, abilities: Abilities, kinds: Sequence[str]) -> str:
    listed = [(kind, getattr(abilities, kind)) for kind in kinds]
    return "".join(
        f"\n\n{program} {kind}\n"
        + textwrap.fill(
            tables.plain(" ".join(found)),
            _WIDTH,
            initial_indent="  ",
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for kind, found in listed
        if found
    )


def _version(line: str) -> str:
    """What stands behind `ffmpeg version`."""
    words = line.split()
    return words[2] if len(words) > 2 else line


def _shown(value: bytestring.ByteString) -> str:
    return bytestring.display(bytestring.from_wire(value, "argument"))
