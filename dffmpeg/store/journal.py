"""What was changed in a database, told after the commit to whoever keeps a copy in memory.

Every operation that changes something the scheduler looks at (a job's state, priority, times, needs,
predecessors; a worker) says so with `note` inside its transaction. A transaction that is rolled back
says nothing, and a caller that is cancelled while it waits loses nothing: the journal is the writer's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from dffmpeg.model.jobs import Job, Transition
from dffmpeg.model.scheduling.pause import Pause
from dffmpeg.model.workers import Worker

LIMIT = 100_000
"""Changes that wait to be read; with more of them the reader has to begin anew."""

_KEY = "dffmpeg.changes"


@dataclass(frozen=True, slots=True)
class JobChanged:
    """Look at the job's row."""

    job_id: str


@dataclass(frozen=True, slots=True)
class WorkerChanged:
    """Look at the worker's row."""

    worker_id: str


@dataclass(frozen=True, slots=True)
class MemberChanged:
    """A coordinator has joined, is draining, or is gone."""

    coordinator_id: str


@dataclass(frozen=True, slots=True)
class MessageStored:
    """There is a message for somebody who polls."""

    recipient_id: str


@dataclass(frozen=True, slots=True)
class Missing:
    """Something was changed of which nobody knows what it was. Only listeners hear of it so."""


Change = Job | Transition | JobChanged | Worker | WorkerChanged | Pause | MemberChanged | MessageStored
"""A new job, a transition that was made, a worker's registration (its hold and strikes aside), where to
look, the queue's switch, or what matters to other coordinators only."""


def note(connection: sa.Connection, change: Change) -> None:
    """Say in a transaction of the writer what it changes."""
    connection.info.setdefault(_KEY, []).append(change)


def noted(connection: sa.Connection) -> list[Change]:
    """What was noted in the connection's transaction so far; it is forgotten there."""
    found: list[Change] = connection.info.pop(_KEY, [])
    return found


Listener = Callable[[Sequence[Change | Missing]], None]
"""Called in trio's thread with what was committed. It must not wait, and must not raise."""


class Journal:
    """Changes in the order of their commits, for one reader; kept only while there is one.

    Attributes:
        listeners: told of the same at once, whether or not somebody reads.
    """

    def __init__(self) -> None:
        self.listeners: Sequence[Listener] = ()
        self._changes: list[Change] | None = None
        self._missed = False

    def open(self) -> None:
        """Begin: from now on changes are kept."""
        self._changes, self._missed = [], False

    def close(self) -> None:
        self._changes = None

    def extend(self, changes: list[Change]) -> None:
        if changes:
            for listener in self.listeners:
                listener(changes)
        if self._changes is None:
            return
        if len(self._changes) + len(changes) > LIMIT:
            self._changes, self._missed = [], True
        else:
            self._changes += changes

    def miss(self) -> None:
        """Something was changed of which nobody knows what it was."""
        for listener in self.listeners:
            listener((Missing(),))
        if self._changes is not None:
            self._changes, self._missed = [], True

    def read(self) -> list[Change] | None:
        """What came since the last time; None if some of it is lost, and after that until `open`."""
        if self._missed or self._changes is None:
            return None
        changes, self._changes = self._changes, []
        return changes
