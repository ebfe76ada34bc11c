"""One run from its beginning to its verdict."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import trio

from dffmpeg.client.api import Client
from dffmpeg.wire.jobs import AttemptRecord, JobRecord
from tests.chaos import ledger
from tests.chaos.architecture import Architecture, open_architecture
from tests.chaos.configurations import LEASE, Plan
from tests.chaos.history import FINAL, Attempt, Ending, History, Violation, excused, violations
from tests.chaos.load import Load
from tests.chaos.load import Plan as LoadPlan
from tests.chaos.victims import Chaos

SETTLE = 180.0
"""Seconds after the last disturbance in which every job must come to its end."""

PAGE = 500

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What to do. The same seed draws the same jobs, and the same disturbances in the same order."""

    seed: int
    duration: float
    jobs: int
    encodes: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of it: the figures, by name, and all that must not be."""

    figures: dict[str, object]
    violations: Sequence[Violation]


async def play(plan: Plan, run: Run, say: Say) -> Verdict:
    """Start a cluster, submit and break for the given time, let it settle, and judge.

    Raises:
        Missing: this machine has not all that it takes.
        ServerFailed: something does not start, at first or again.
    """
    async with open_architecture(plan) as architecture:
        say(f"{plan.workers} workers are online")
        load = Load(architecture.caller, trio.Path(architecture.media))
        chaos = Chaos(architecture.victims, load.probe, random.Random(f"{run.seed} chaos"), say)
        work = LoadPlan.draw(random.Random(f"{run.seed} load"), run.duration, run.jobs, run.encodes)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(load.run, work, architecture.ffmpeg)
            nursery.start_soon(chaos.run, run.duration)
        say(f"{len(load.told.submissions)} submissions were acknowledged; waiting for their ends")
        records = await settled(architecture)
        await load.collect()
        history = await _history(architecture, load, chaos, records)
    found = [*violations(history), *(Violation("stuck", "probe", text) for text in load.told.slow)]
    return Verdict(_figures(history, records), _explained(found, load.told.complaints))


async def settled(architecture: Architecture) -> list[JobRecord]:
    """Every job's record: when all have come to their end, or when the time for that is over."""
    async with Client(architecture.admin) as client:
        with trio.move_on_after(SETTLE):
            while True:
                if all(record.status in FINAL for record in await _all_jobs(client)):
                    break
                await trio.sleep(1.0)
        return await _all_jobs(client)


async def _all_jobs(client: Client) -> list[JobRecord]:
    """The whole list, page by page, from a cluster that has nothing to excuse a missing answer any more."""
    records: list[JobRecord] = []
    since: str | None = None
    while True:
        page = await client.jobs(window=1e6, limit=PAGE, since_id=since)
        records += page
        if len(page) < PAGE:
            return records
        since = page[-1].job_id


async def _history(
    architecture: Architecture, load: Load, chaos: Chaos, records: Iterable[JobRecord]
) -> History:
    lines = (await trio.Path(architecture.ledger).read_text()).splitlines()
    endings: list[Ending] = []
    async with Client(architecture.admin) as client:
        for record in records:
            attempts = await client.attempts(record.job_id)
            endings.append(_ending(record, [_attempt(one) for one in attempts]))
    return History(
        submissions=load.told.submissions,
        executions=list(ledger.executions(lines)),
        endings=endings,
        disturbances=chaos.done,
        digests=load.told.digests,
        unanswered=frozenset(load.told.unanswered),
        alive=ledger.alive(lines),
        silences=load.told.silences,
        lease=LEASE,
    )


def _ending(record: JobRecord, attempts: Sequence[Attempt]) -> Ending:
    return Ending(
        job_id=record.job_id,
        key=record.name or "",
        status=record.status,
        exit_code=record.exit_code,
        attempts=attempts,
    )


def _attempt(record: AttemptRecord) -> Attempt:
    return Attempt(
        number=record.attempt,
        worker=record.worker_id,
        assigned=_unix(record.assigned_at),
        ended=None if record.ended_at is None else _unix(record.ended_at),
        outcome=record.outcome,
    )


def _unix(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _figures(history: History, records: Sequence[JobRecord]) -> dict[str, object]:
    return {
        "acknowledged": len(history.submissions),
        "unanswered": len(history.unanswered),
        "executions": len(history.executions),
        "ends": dict(Counter(record.status for record in records)),
        "more than one attempt": sum(record.attempt > 1 for record in records),
        "executed in vain": excused(history),
        "longest without an answer": f"{max((two - one for one, two in history.silences), default=0):.1f} s",
        "disturbances": len(history.disturbances),
        "by target": dict(sorted(Counter(one.target for one in history.disturbances).items())),
    }


def _explained(found: Sequence[Violation], complaints: dict[str, str]) -> list[Violation]:
    return [
        Violation(one.kind, one.key, f"{one.text} ({complaints[one.key]})") if one.key in complaints else one
        for one in found
    ]
