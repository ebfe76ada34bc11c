"""What happened, and what must be true of it whatever broke when. Pure.

Times are Unix seconds of one clock.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

FINAL = ("completed", "failed", "canceled")

REPORT = 10.0
"""Seconds in which a worker that nothing disturbs tells of a program's end, on a busy machine."""

Span = tuple[float, float]
"""From when until when."""

COMPLETED = "completed"
LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A job that was acknowledged to its submitter.

    Attributes:
        key: names it among the submissions; the program is given it.
        exit_code: what its program ends with.
        digest: of the output that it must have had; None where nobody looks.
        canceled: whether its submitter asked for it to be canceled; it may have ended before.
    """

    key: str
    job_id: str
    exit_code: int = 0
    digest: str | None = None
    canceled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One run of a program, as it noted it itself. `ended` is None if it did not come to its end."""

    key: str
    worker: str
    begun: float
    ended: float | None = None
    exit_code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt, as the coordinators tell."""

    number: int
    worker: str
    assigned: float
    ended: float | None
    outcome: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """A job as the coordinators tell in the end."""

    job_id: str
    key: str
    status: str
    exit_code: int | None
    attempts: Sequence[Attempt] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbance:
    """Something was away: from the moment that it was struck until it was whole again."""

    target: str
    begin: float
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """All of it.

    Attributes:
        submissions: those that were acknowledged.
        unanswered: keys whose submission nobody answered; such a job may exist or not.
        endings: every job that there is in the end.
        digests: of the outputs that arrived, by key.
        alive: keys of programs that still ran when every job had ended.
        silences: times in which somebody waited for an answer and nobody got one.
        lease: seconds after which a worker that hears nothing gives up what it holds.
    """

    submissions: Sequence[Submission]
    executions: Sequence[Execution]
    endings: Sequence[Ending]
    disturbances: Sequence[Disturbance] = ()
    digests: Mapping[str, str] = field(default_factory=dict)
    unanswered: frozenset[str] = frozenset()
    alive: frozenset[str] = frozenset()
    silences: Sequence[Span] = ()
    lease: float = 60.0


@dataclass(frozen=True, slots=True)
class Violation:
    """What must not be. `kind` is one word: lost, stuck, wrong, twice, together, invented, left."""

    kind: str
    key: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.key}: {self.text}"


def violations(history: History) -> list[Violation]:
    """Everything that is not as it must be; nothing for a history that a correct cluster has."""
    return [*_jobs(history), *_executions(history), *_left(history)]


def excused(history: History) -> int:
    """How many executions came to their end in vain, because their worker could not say so."""
    completions = Counter(one.key for one in history.executions if one.ended is not None)
    return sum(count - 1 for count in completions.values() if count > 1)


def _jobs(history: History) -> Iterator[Violation]:
    endings = {one.job_id: one for one in history.endings}
    executions = _by_key(history.executions)
    for one in history.submissions:
        ending = endings.get(one.job_id)
        if ending is None:
            yield Violation("lost", one.key, f"job {one.job_id} was acknowledged, and is not there")
        elif ending.status not in FINAL:
            yield Violation("stuck", one.key, f"job {one.job_id} is {ending.status}")
        else:
            yield from _ending(history, one, ending, executions[one.key])
    known = {one.job_id for one in history.submissions}
    keys = Counter(one.key for one in history.endings)
    for ending in history.endings:
        if ending.job_id not in known and ending.key not in history.unanswered:
            yield Violation("invented", ending.key, f"nobody was told of job {ending.job_id}")
    for key, count in keys.items():
        if count > 1:
            yield Violation("twice", key, f"one submission became {count} jobs")


def _ending(
    history: History, submission: Submission, ending: Ending, executions: Sequence[Execution]
) -> Iterator[Violation]:
    key = submission.key
    if ending.status == "canceled":
        if not submission.canceled:
            yield Violation("wrong", key, "canceled, for which nobody had asked")
        return
    expected = COMPLETED if submission.exit_code == 0 else "failed"
    if (ending.status, ending.exit_code) != (expected, submission.exit_code):
        found = f"{ending.status} with {ending.exit_code}"
        yield Violation("wrong", key, f"{found}, and not {expected} with {submission.exit_code}")
    if not any(one.exit_code == submission.exit_code for one in executions):
        yield Violation("wrong", key, f"{ending.status}, and no execution ended so")
    if submission.digest is not None and history.digests.get(key) != submission.digest:
        yield Violation("wrong", key, f"its output is {history.digests.get(key)}, not {submission.digest}")


def _executions(history: History) -> Iterator[Violation]:
    endings = {one.key: one for one in history.endings}
    for key, executions in _by_key(history.executions).items():
        ending = endings.get(key)
        if ending is None:
            if key not in history.unanswered:
                yield Violation("invented", key, "it ran, and there is no such job")
            continue
        for earlier, later in pairwise(executions):
            if earlier.ended is not None and earlier.ended > later.begun:
                text = f"it ran on {earlier.worker} until {_at(earlier.ended)}"
                text += f", and on {later.worker} from {_at(later.begun)} on"
                yield Violation("together", key, text)
        yield from _completions(history, ending, executions)


def _completions(history: History, ending: Ending, executions: Sequence[Execution]) -> Iterator[Violation]:
    taken: Counter[int] = Counter()
    for one in executions:
        attempt = _attempt(ending, one)
        if attempt is None:
            text = f"it ran on {one.worker} at {_at(one.begun)}, for which there is no attempt"
            yield Violation("twice", one.key, text)
            continue
        taken[attempt.number] += 1
        if taken[attempt.number] > 1:
            yield Violation("twice", one.key, f"attempt {attempt.number} ran {taken[attempt.number]} times")
    completed = [one for one in executions if one.ended is not None]
    for one in completed[:-1]:
        attempt = _attempt(ending, one)
        if attempt is not None and not _in_vain(history, one, attempt):
            text = f"it came to its end on {one.worker} in attempt {attempt.number} at {_at(one.ended)}"
            yield Violation("twice", one.key, f"{text}, and again")


def _in_vain(history: History, one: Execution, attempt: Attempt) -> bool:
    """Whether nobody could know that it had come to its end, so that its attempt was given up for lost."""
    if attempt.outcome != LOST or one.ended is None:
        return False
    given_up = math.inf if attempt.ended is None else attempt.ended
    # Its worker was struck before it could say so.
    struck = any(
        two.target == one.worker
        and two.begin <= given_up
        and two.end >= one.ended
        and _undisturbed(history, one.ended, two.begin) <= REPORT
        for two in history.disturbances
    )
    # Nobody was answered for as long as the lease, which counts from the last word before.
    return struck or any(
        end - begin >= history.lease / 2 and begin <= given_up and end >= one.ended
        for begin, end in history.silences
    )


def _undisturbed(history: History, begin: float, end: float) -> float:
    """The seconds between two times in which nothing was away."""
    left = end - begin
    for one, two in merged((struck.begin, struck.end) for struck in history.disturbances):
        left -= max(0.0, min(end, two) - max(begin, one))
    return left


def merged(spans: Iterable[Span]) -> list[Span]:
    """The same times, in order and without overlaps."""
    found: list[Span] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    return found


def _attempt(ending: Ending, execution: Execution) -> Attempt | None:
    """The attempt that an execution belongs to: its worker's last one before it began."""
    earlier = [
        one for one in ending.attempts if one.worker == execution.worker and one.assigned <= execution.begun
    ]
    return max(earlier, key=lambda one: one.number, default=None)


def _left(history: History) -> Iterator[Violation]:
    for key in sorted(history.alive):
        yield Violation("left", key, "its program still ran when every job had ended")


def _by_key(executions: Iterable[Execution]) -> defaultdict[str, list[Execution]]:
    found: defaultdict[str, list[Execution]] = defaultdict(list)
    for one in sorted(executions, key=lambda one: one.begun):
        found[one.key].append(one)
    return found


def _at(time: float | None) -> str:
    return "?" if time is None else f"{time:.3f}"
