"""What this process counts of what it does, for monitoring: the names and their meaning stand here.

Counters and histograms are of this coordinator alone, since it started. Labels have few values: no job's
id is among them, and workers are at most `limits.workers`.
"""

from __future__ import annotations

from collections import Counter as Counted
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, GCCollector, Histogram, ProcessCollector

from dffmpeg.model.jobs import TERMINAL, AttemptOutcome, Job, JobState, Transition
from dffmpeg.model.samples import Figures
from dffmpeg.wire.frames import Kind

if TYPE_CHECKING:
    from dffmpeg.actors.coordinator.backlog import Backlog
    from dffmpeg.store.journal import Change, Missing
    from dffmpeg.wire.frames import Frame

BELOW = "none"
"""The class of a job whose priority is below that of every class."""

_STREAMS = {
    Kind.INPUT: "input",
    Kind.STDOUT: "stdout",
    Kind.STDERR: "stderr",
    Kind.OUTPUT: "other",
}

_QUICK = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_LONG = (0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0)


@dataclass(frozen=True, slots=True)
class _Since:
    state: JobState
    moment: float


class Measurements:
    """Counters and histograms in a registry of their own.

    Args:
        backlog: asked how a job stood before a change.
        live_jobs: jobs that a worker has, at most.
        downlinks: names of those that are enabled.
    """

    def __init__(self, backlog: Backlog, live_jobs: int = 10_000, downlinks: Iterable[str] = ()) -> None:
        self._backlog = backlog
        self._limit = live_jobs
        # Of live jobs: since when they are in the state that they are in.
        self._since: dict[str, _Since] = {}
        # Since `figures` was asked last.
        self._counted: Counted[str] = Counted()
        self._waited, self._waited_max = 0.0, 0.0
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._make_jobs()
        self._requests = Histogram(
            "dffmpeg_http_request_seconds",
            "From a request's arrival until its answer begins; a poll is held for as long as it asked to be",
            ["method", "route", "status"],
            buckets=_QUICK,
            registry=self.registry,
        )
        self._bytes = Counter(
            "dffmpeg_stream_bytes",
            "Of programs' inputs and outputs that arrived here, repetitions included",
            ["stream"],
            registry=self.registry,
        )
        for stream in _STREAMS.values():
            self._bytes.labels(stream)
        self._fallbacks = Counter(
            "dffmpeg_local_fallbacks",
            "Runs of a local program in place of a job, as clients tell of them with their next job",
            registry=self.registry,
        )
        self._downlink_fallbacks = Counter(
            "dffmpeg_downlink_fallbacks",
            "Times that a worker went over to another downlink since the one that it prefers did not work",
            ["downlink"],
            registry=self.registry,
        )
        for name in downlinks:
            self._downlink_fallbacks.labels(name)
        self._refused = Counter(
            "dffmpeg_refused_requests",
            "Requests that nobody has signed rightly, by what was wrong",
            ["reason"],
            registry=self.registry,
        )

    def _make_jobs(self) -> None:
        self._submitted = Counter(
            "dffmpeg_jobs_submitted", "Jobs that were queued", ["class"], registry=self.registry
        )
        self._ended = Counter(
            "dffmpeg_jobs_ended", "Jobs that came to their end", ["state"], registry=self.registry
        )
        self._attempts = Counter(
            "dffmpeg_attempts",
            "Attempts that ended, by what became of them",
            ["outcome"],
            registry=self.registry,
        )
        self._waits = Histogram(
            "dffmpeg_job_wait_seconds",
            "From when a job could have been tried until it was given to a worker",
            ["class"],
            buckets=_LONG,
            registry=self.registry,
        )
        self._runs = Histogram(
            "dffmpeg_job_run_seconds",
            "From an attempt's acceptance by its worker until its end",
            ["outcome"],
            buckets=_LONG,
            registry=self.registry,
        )
        self._dispatches = Histogram(
            "dffmpeg_dispatch_seconds",
            "From giving a job to a worker until the worker accepted it",
            buckets=_QUICK,
            registry=self.registry,
        )
        for state in TERMINAL:
            self._ended.labels(state.value)
        for outcome in AttemptOutcome:
            self._attempts.labels(outcome.value)
        for known in self._backlog.board.policy.classes:
            self._submitted.labels(known.name)
            self._waits.labels(known.name)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer.

        Args:
            route: its template, not its path.
        """
        self._requests.labels(method, route, str(status)).observe(seconds)

    def refused(self, reason: str) -> None:
        """Count a request that nobody has signed rightly.

        Args:
            reason: one word of ours.
        """
        self._refused.labels(reason).inc()

    def ran_locally(self, times: int) -> None:
        """Count what a client has told of: it ran its local program so often in place of a job."""
        self._fallbacks.inc(times)

    def downlink_fell_back(self, preferred: str) -> None:
        """Count a worker that goes over to another downlink.

        Args:
            preferred: the one that it would rather have, of those that are enabled.
        """
        self._downlink_fallbacks.labels(preferred).inc()

    def carried(self, frames: Iterable[Frame]) -> None:
        """Count the bytes of what arrived."""
        for frame in frames:
            stream = _STREAMS.get(frame.kind)
            if stream is not None and frame.payload:
                self._bytes.labels(stream).inc(len(frame.payload))
                self._counted["bytes"] += len(frame.payload)

    def figures(self) -> Figures:
        """What was counted since this was asked last."""
        found = Figures(waited=self._waited, waited_max=self._waited_max, **self._counted)
        self._counted, self._waited, self._waited_max = Counted(), 0.0, 0.0
        return found

    def class_of(self, priority: int) -> str:
        """The name of the class that jobs of this priority belong to."""
        known = self._backlog.board.policy.class_of(priority)
        return BELOW if known is None else known.name

    def take(self, changes: Sequence[Change | Missing]) -> None:
        """Count what was committed; a `Listener` of journals.

        What other coordinators did comes as a job's id alone, and they count it themselves.
        """
        for change in changes:
            if isinstance(change, Job):
                self._submitted.labels(self.class_of(change.priority)).inc()
                self._counted["submitted"] += 1
            elif isinstance(change, Transition):
                self._take(change)

    def _take(self, change: Transition) -> None:
        if change.opens is not None:
            self._opened(change)
        elif change.starts:
            self._counted["started"] += 1
            assigned = self._left(change.job_id, JobState.ASSIGNED)
            if assigned is not None:
                self._dispatches.observe(max(0.0, change.now - assigned))
            self._enter(change)
        if change.closes is not None:
            self._closed(change, change.closes)
        if change.target in TERMINAL:
            self._ended.labels(change.target.value).inc()
            self._counted[change.target.value] += 1

    def _opened(self, change: Transition) -> None:
        entry = self._backlog.board.entries.get(change.job_id)
        if entry is not None:
            ready = entry.created_at if entry.ready_at is None else entry.ready_at
            # Of a further attempt, from when the last one was over.
            since = max(ready, entry.not_before or ready, entry.last_update if entry.attempt else ready)
            waited = max(0.0, change.now - since)
            self._waits.labels(self.class_of(entry.priority)).observe(waited)
            self._counted["waits"] += 1
            self._waited += waited
            self._waited_max = max(self._waited_max, waited)
        self._enter(change)

    def _closed(self, change: Transition, outcome: AttemptOutcome) -> None:
        self._attempts.labels(outcome.value).inc()
        started = self._left(change.job_id, JobState.RUNNING)
        if started is not None:
            self._runs.labels(outcome.value).observe(max(0.0, change.now - started))

    def _enter(self, change: Transition) -> None:
        self._since[change.job_id] = _Since(change.target, change.now)
        while len(self._since) > self._limit:
            # Of one whose end nobody here heard of.
            del self._since[next(iter(self._since))]

    def _left(self, job_id: str, state: JobState) -> float | None:
        """Since when the job was in a state that it leaves; None if it was in another one."""
        known = self._since.pop(job_id, None)
        if known is None:
            # It came into it before this process started.
            entry = self._backlog.board.entries.get(job_id)
            known = None if entry is None else _Since(entry.state, entry.last_update)
        return known.moment if known is not None and known.state is state else None
