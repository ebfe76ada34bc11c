"""`dffmpeg-client worker …` and `status`: what the cluster has."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Sequence

from dffmpeg.client import tables
from dffmpeg.client.command import Invocation
from dffmpeg.client.endings import Ending
from dffmpeg.client.jobs import job_fields, job_table
from dffmpeg.model.abilities import Abilities
from dffmpeg.wire import codec
from dffmpeg.wire.workers import WorkerRecord

_WIDTH = 100

_ACTIVE = 1.0
"""Seconds: a window in which as good as only unfinished jobs are."""


async def show_all(call: Invocation) -> Ending:
    """List the workers."""
    records = await call.client.workers(call.options.window)
    call.print(records, lambda: _table(records))
    return Ending()


async def show(call: Invocation) -> Ending:
    """Everything about one worker."""
    record = await call.client.worker(call.options.worker)
    call.print(record, lambda: _fields(record) + _abilities(record, names=call.options.abilities))
    return Ending()


async def status(call: Invocation) -> Ending:
    """One job; or, without one, the workers and the identity's unfinished jobs."""
    if call.options.job is not None:
        record = await call.client.status(call.options.job)
        call.print(record, lambda: job_fields(record))
        return Ending()
    workers = await call.client.workers()
    jobs = [record for record in await call.client.jobs(_ACTIVE) if not record.finished]
    value = {
        "coordinator_url": call.client.config.coordinator_url,
        "workers": codec.to_builtins(workers),
        "jobs": codec.to_builtins(jobs),
    }
    online = [worker for worker in workers if worker.status == "online"]
    used, slots = sum(worker.used_slots for worker in online), sum(worker.slots for worker in online)
    summary = [
        ("coordinator", call.client.config.coordinator_url),
        ("workers", f"{len(online)} of {len(workers)} online, {used} of {slots} slots used"),
        ("your jobs", f"{len(jobs)} unfinished"),
    ]
    call.print(value, lambda: tables.fields(summary) + (f"\n\n{job_table(jobs)}" if jobs else ""))
    return Ending()


def _table(records: list[WorkerRecord]) -> str:
    now = time.time()
    return tables.table(
        ("WORKER", "STATUS", "SLOTS", "SEEN", "BINARIES", "PATHS"),
        [
            (
                record.worker_id,
                record.status,
                f"{record.used_slots}/{record.slots}",
                tables.age(record.last_seen, now),
                ", ".join(record.binaries) or None,
                tables.shortened(", ".join(record.paths)) or None,
            )
            for record in records
        ],
        empty="no workers",
    )


def _fields(record: WorkerRecord) -> str:
    return tables.fields(
        [
            ("worker", record.worker_id),
            ("status", record.status),
            ("slots", f"{record.used_slots} of {record.slots} used"),
            ("seen", tables.moment(record.last_seen)),
            ("version", record.version),
            ("downlink", record.transport),
            ("binaries", ", ".join(record.binaries) or "-"),
            ("paths", ", ".join(record.paths) or "-"),
            ("capabilities", ", ".join(record.capabilities) or "-"),
            *((f"mount {name}", state) for name, state in sorted(record.mounts.items())),
            ("labels", ", ".join(record.labels) or None),
            ("resources", ", ".join(f"{name} {count}" for name, count in record.resources.items()) or None),
            (
                "substitutions",
                ", ".join(f"{old} by {new}" for old, new in record.substitutions.items()) or None,
            ),
            ("benchmark", None if record.benchmark is None else f"{record.benchmark / 1e6:.1f} Mpixel/s"),
        ]
    )


_LISTS = ("encoders", "decoders", "filters", "hwaccels", "muxers", "demuxers", "protocols")


def _abilities(record: WorkerRecord, *, names: bool) -> str:
    """What its programs can do: how many of each kind, or which; and what does not work."""
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
    text = "\n\n" + tables.table(header, rows, empty="")
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
