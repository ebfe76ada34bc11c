"""What somebody should look at: from what is known of the cluster to alerts. Pure.

Two steps, so that nothing flickers: what is wrong at this moment, and what is shown of it. A condition is
shown once it has lasted for a little while, and for a little while after it is over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

Severity = Literal["warning", "error"]

Kind = Literal[
    "no_worker",
    "quarantined",
    "worker_lost",
    "mount_gone",
    "downlink_down",
    "coordinator_silent",
    "database",
    "disk_full",
]

SETTLES: Mapping[Kind, float] = {"no_worker": 5.0, "mount_gone": 2.0, "downlink_down": 2.0, "database": 2.0}
"""Seconds that a condition has to last before it is shown; at once, where it is not named: it is a state that
somebody or something decided, and no passing moment."""

LINGERS = 10.0
"""Seconds for which an alert is shown after its condition is over."""

SLOW, QUICK_AGAIN = 1.0, 0.5
"""Seconds that a transaction takes on average: from where on the database is slow, and from where on not."""

FULL, ROOM_AGAIN = 0.05, 0.07
"""Of the database's disk, what is free: from where on it is nearly full, and from where on not."""

LITTLE = 1 << 30
"""Bytes, which are enough however large the disk is."""

LOST_FOR = 86_400.0
"""Seconds after which nobody need be told any more that a worker is gone."""

_TOLD = 3

_BAD_MOUNTS = {
    "failing": "fails",
    "gone": "is not there",
    "hung": "does not answer",
    "recovering": "is being mounted again",
    "blocked": "waits for another mount",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranded:
    """Jobs of one kind that wait, and no worker takes them.

    Attributes:
        program: that they run.
        why: a short clause.
        possible: some known worker could, if it were there.
    """

    program: str
    jobs: int
    why: str
    possible: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerFacts:
    """Of a worker.

    Attributes:
        hold_reason: where it is in quarantine, why.
        mounts: by name, in what state each is, with a colon and the reason behind it if there is one.
        offline: it is not there.
        lost_jobs: jobs that it had when it was lost.
        lost_at: when that was, Unix seconds.
    """

    worker_id: str
    quarantined: bool = False
    hold_reason: str | None = None
    mounts: Mapping[str, str] = field(default_factory=dict)
    offline: bool = False
    lost_jobs: int = 0
    lost_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseFacts:
    """Of a database.

    Attributes:
        name: what it has, with commas between.
        answers: it can be used.
        seconds: that a transaction took on average lately; None if there was none.
        free, size: bytes of the disk that its file is on; None where that is not ours to know.
    """

    name: str
    answers: bool = True
    seconds: float | None = None
    free: int | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known at one moment.

    Attributes:
        downlinks: those that cannot be used, and since when, Unix seconds.
        silent: coordinators that went without a word, and when that was noticed, Unix seconds.
    """

    stranded: Sequence[Stranded] = ()
    workers: Sequence[WorkerFacts] = ()
    downlinks: Mapping[str, float] = field(default_factory=dict)
    silent: Mapping[str, float] = field(default_factory=dict)
    databases: Sequence[DatabaseFacts] = ()


Key = tuple[Kind, str]
"""What tells alerts apart: the kind, and what it is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """See `dffmpeg.wire.dashboard.Alert`. `since` is Unix seconds; None where that is not known."""

    kind: Kind
    severity: Severity
    subject: str
    text: str
    since: float | None = None

    @property
    def key(self) -> Key:
        return self.kind, self.subject


@dataclass(frozen=True, slots=True)
class Standing:
    """A condition, over time.

    Attributes:
        alert: as it was seen last, with when it began.
        first, last: when it was seen, Unix seconds.
        shown: it has lasted for long enough.
    """

    alert: Alert
    first: float
    last: float
    shown: bool


def conditions(facts: Facts, shown: Iterable[Key] = ()) -> list[Alert]:
    """What is wrong at this moment.

    Args:
        shown: what is shown already, which needs a clear improvement to be over.
    """
    before = frozenset(shown)
    return [
        *_stranded(facts),
        *(alert for worker in facts.workers for alert in _of_worker(worker)),
        *_connections(facts),
        *(
            alert
            for database in facts.databases
            for alert in _of_database(database, before, alone=len(facts.databases) == 1)
        ),
    ]


def follow(known: Mapping[Key, Standing], found: Iterable[Alert], now: float) -> dict[Key, Standing]:
    """What stands now: what was known before, and what was found at this moment (Unix seconds)."""
    standing: dict[Key, Standing] = {}
    for alert in found:
        before = known.get(alert.key)
        first = now if before is None else before.first
        since = first if alert.since is None else alert.since
        if before is not None and before.alert.since is not None:
            since = min(since, before.alert.since)
        settled = now - since >= SETTLES.get(alert.kind, 0.0)
        shown = settled or (before is not None and before.shown)
        standing[alert.key] = Standing(replace(alert, since=since), first, now, shown)
    for key, before in known.items():
        if key not in standing and before.shown and now - before.last < LINGERS:
            standing[key] = before
    return standing


def shown(standing: Mapping[Key, Standing]) -> list[Alert]:
    """The alerts: errors first, then the oldest first."""
    found = [one.alert for one in standing.values() if one.shown]
    return sorted(found, key=lambda one: (one.severity != "error", one.since or 0.0, one.key))


def _stranded(facts: Facts) -> Iterator[Alert]:
    """One for each program, with the most frequent reasons."""
    programs: dict[str, list[Stranded]] = {}
    for one in facts.stranded:
        programs.setdefault(one.program, []).append(one)
    for program, found in programs.items():
        found.sort(key=lambda one: (-one.jobs, one.why))
        jobs = sum(one.jobs for one in found)
        what = f"{jobs} {program} job waits" if jobs == 1 else f"{jobs} {program} jobs wait"
        # Of rare kinds it was not looked why.
        reasons = "; ".join(dict.fromkeys(one.why for one in found[:_TOLD] if one.why))
        why = f": {reasons}" if reasons else ""
        if any(one.possible for one in found):
            remedy = "Start or resume a worker that can, or look at why it is not there."
        else:
            remedy = "Add a worker that can, or cancel them."
        yield Alert(
            kind="no_worker",
            severity="error",
            subject=program,
            text=f"{what}, and no worker takes {'it' if jobs == 1 else 'them'}{why}. {remedy}",
        )


def _of_worker(worker: WorkerFacts) -> Iterator[Alert]:
    name = worker.worker_id
    if worker.quarantined:
        reason = f": {worker.hold_reason}" if worker.hold_reason else ""
        yield Alert(
            kind="quarantined",
            severity="warning",
            subject=name,
            text=f"Worker {name} is in quarantine and gets no jobs{reason}. "
            "Find out what ails it, then resume it.",
        )
    if worker.offline and worker.lost_at is not None:
        jobs = f"{worker.lost_jobs} job{'' if worker.lost_jobs == 1 else 's'}"
        yield Alert(
            kind="worker_lost",
            severity="warning",
            subject=name,
            text=f"Worker {name} went without a word while it had {jobs}, which others have now. "
            "See whether its machine is up and reaches the coordinator.",
            since=worker.lost_at,
        )
    if worker.offline:
        # What it said last is not how it is.
        return
    bad = [told for mount, state in sorted(worker.mounts.items()) if (told := _of_mount(mount, state))]
    if bad:
        yield Alert(
            kind="mount_gone",
            severity="error",
            subject=name,
            text=f"On worker {name}: {', '.join(bad)}. Jobs that need it go to other workers, or wait. "
            "See to the mount or its server; the worker takes such jobs again by itself.",
        )


def _of_mount(name: str, state: str) -> str | None:
    """What is wrong with a mount; None where nothing is.

    Args:
        state: as workers say it, `dffmpeg.model.mounts.Health`: behind a colon may stand why.
    """
    condition, _, why = state.partition(": ")
    what = _BAD_MOUNTS.get(condition)
    if what is None:
        return None
    return f"the mount {name} {what}" + (f" ({why})" if why else "")


def _connections(facts: Facts) -> Iterator[Alert]:
    for name, since in facts.downlinks.items():
        yield Alert(
            kind="downlink_down",
            severity="error",
            subject=name,
            text=f"The downlink {name} cannot be used: who has only this one hears nothing. "
            "See whether its server is up, and what the coordinator's log says of it.",
            since=since,
        )
    for name, since in facts.silent.items():
        yield Alert(
            kind="coordinator_silent",
            severity="warning",
            subject=name,
            text=f"Coordinator {name} went without a word; the others have its workers now. "
            "See whether its machine is up and reaches the database.",
            since=since,
        )


def _of_database(database: DatabaseFacts, before: frozenset[Key], *, alone: bool) -> Iterator[Alert]:
    name = database.name
    # Which it is matters only where there are several.
    called = "database" if alone else f"database of {name.replace(',', ', ')}"
    if not database.answers:
        yield Alert(
            kind="database",
            severity="error",
            subject=name,
            text=f"The {called} does not answer: nothing is submitted or finished. "
            "See whether it is up and reachable.",
        )
    elif database.seconds is not None:
        limit = QUICK_AGAIN if ("database", name) in before else SLOW
        if database.seconds >= limit:
            yield Alert(
                kind="database",
                severity="warning",
                subject=name,
                text=f"The {called} is slow: a transaction takes {database.seconds:.1f} s. "
                "See whether its disk is busy, or something else uses it.",
            )
    if database.free is not None and database.size:
        part = ROOM_AGAIN if ("disk_full", name) in before else FULL
        if database.free < min(LITTLE, part * database.size):
            yield Alert(
                kind="disk_full",
                severity="error",
                subject=name,
                text=f"The disk with the {called} has {database.free / (1 << 20):.0f} MiB left. "
                "Make room, or keep jobs and their output for a shorter time ([retention]).",
            )


__all__ = [
    "LINGERS",
    "Alert",
    "DatabaseFacts",
    "Facts",
    "Standing",
    "Stranded",
    "WorkerFacts",
    "conditions",
    "follow",
    "shown",
]
