"""The group-committing writer: one thread, one connection, one transaction for all that wait.

A durable commit costs about the same whether it carries one change or a
hundred. So the changes that arrive while a commit is under way travel together
in the next, and each caller hears of its own only after that commit.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar, cast

import sqlalchemy as sa
import trio

from dffmpeg.store.errors import Conflict, Fenced, StoreUnavailable, translated
from dffmpeg.store.journal import Change, Journal, noted
from dffmpeg.store.patience import Patience, Trial
from dffmpeg.store.tallies import OPERATIONS, SECONDS, Tallied, Tally

T = TypeVar("T")

GROUP = 256
"""Operations that share a transaction at most."""

QUEUE = 4096
"""Operations that may wait; more callers wait before they have a place."""


@dataclass(slots=True, eq=False)
class _Operation(Generic[T]):
    run: Callable[[sa.Connection], T]
    done: trio.Event = field(default_factory=trio.Event)
    result: T | None = None
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class _Done:
    results: list[Any]
    changes: list[Change]


@dataclass(frozen=True, slots=True)
class _Failed:
    """A transaction that was not carried out, as far as anybody knows.

    Attributes:
        of_one: one of the operations failed, and not the database as a whole.
        in_doubt: it failed while it was committed: it may have been carried out all the same.
    """

    error: BaseException
    of_one: bool
    in_doubt: bool


@dataclass(frozen=True, slots=True)
class WriterStatistics:
    """How much it has done since it began, how often it had to begin a transaction again, and how many
    operations wait or are under way.

    Attributes:
        groups: operations by commit.
        seconds: how long a transaction took, its commit and its repetitions included.
    """

    operations: int
    commits: int
    waiting: int
    repeated: int
    groups: Tallied
    seconds: Tallied


class Companion(Protocol):
    """What is written in each transaction besides what was asked for; called in the writer's thread."""

    def begin(self, connection: sa.Connection) -> None:
        """Before everything else.

        Raises:
            Fenced: nothing may be written any more. It ends the writer.
        """

    def end(self, connection: sa.Connection, changes: Sequence[Change]) -> None:
        """Behind everything else, given what was noted."""


class Alone:
    """Writes nothing."""

    def begin(self, connection: sa.Connection) -> None:
        del connection

    def end(self, connection: sa.Connection, changes: Sequence[Change]) -> None:
        del connection, changes


class Writer:
    """Runs functions of a connection, in order of arrival.

    Args:
        begin: opens a transaction on the writer's own connection; leaving it
            commits durably, or rolls back after an exception.
        places: operations that may wait; more callers wait before they have a place.
        patience: which failures are worth another transaction.
    """

    def __init__(
        self,
        begin: Callable[[], AbstractContextManager[sa.Connection]],
        *,
        places: int = QUEUE,
        patience: Patience | None = None,
    ) -> None:
        self._begin = begin
        self._patience = patience or Patience()
        self._queue: queue.SimpleQueue[_Operation[Any] | None] = queue.SimpleQueue()
        # A place is its operation's until that is done, not its caller's: one who gives up
        # leaves the operation behind, and the queue has to stay bounded all the same.
        self._places = trio.CapacityLimiter(places)
        self._token: trio.lowlevel.TrioToken | None = None
        self._operations = 0
        self._commits = 0
        self._repeated = 0
        self._groups, self._seconds = Tally(OPERATIONS), Tally(SECONDS)
        self._changes: list[Change] = []
        self._companion: Companion = Alone()
        self._fenced: Fenced | None = None
        self._ended = trio.Event()
        self.journal = Journal()

    def statistics(self) -> WriterStatistics:
        return WriterStatistics(
            self._operations,
            self._commits,
            self._places.borrowed_tokens,
            self._repeated,
            self._groups.read(),
            self._seconds.read(),
        )

    def accompany(self, companion: Companion) -> None:
        """From the next transaction on, write this with each of them."""
        self._companion = companion

    async def write(self, operation: Callable[[sa.Connection], T]) -> T:
        """Run an operation and return its result once it is durable.

        It may be run more than once (if another one in its group failed, or the server took
        the transaction back), so all that it does must go through the connection. A caller that
        is cancelled while it waits does not know whether its operation was carried out.

        Raises:
            StoreUnavailable: the writer does not run, or the database failed; in
                the middle of a commit it may have failed behind the change.
            Duplicate: a unique key was violated.
            Unstorable: a value does not fit any column.
        """
        self._require_running()
        pending = _Operation(operation)
        await self._places.acquire_on_behalf_of(pending)
        try:
            # It may have closed while we waited for a place, and would never get to us.
            self._require_running()
        except StoreUnavailable:
            self._places.release_on_behalf_of(pending)
            raise
        self._queue.put(pending)
        await pending.done.wait()
        if pending.error is not None:
            try:
                raise pending.error
            finally:
                del pending
        return cast(T, pending.result)

    def _require_running(self) -> None:
        if self._token is None:
            raise StoreUnavailable("the database's writer is not running")

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled; operations that were handed over by then are still carried out.

        A thread of its own, not one of trio's: a connection belongs to one thread here.

        Raises:
            Fenced: the companion said so.
        """
        self._token = trio.lowlevel.current_trio_token()
        ended = trio.Event()
        thread = threading.Thread(
            target=self._serve, args=(self._token, ended), name="dffmpeg-writer", daemon=True
        )
        thread.start()
        task_status.started()
        try:
            await self._ended.wait()
            raise Fenced(str(self._fenced)) from self._fenced
        finally:
            self._token = None
            self._queue.put(None)
            with trio.CancelScope(shield=True):
                await ended.wait()

    # In the thread

    def _serve(self, token: trio.lowlevel.TrioToken, ended: trio.Event) -> None:
        try:
            while (group := self._next_group()) is not None:
                self._carry_out(group)
                changes, self._changes = self._changes, []
                token.run_sync_soon(self._announce, group, changes)
        finally:
            token.run_sync_soon(ended.set)

    def _next_group(self) -> list[_Operation[Any]] | None:
        first = self._queue.get()
        if first is None:
            return None
        group = [first]
        while len(group) < GROUP:
            try:
                following = self._queue.get_nowait()
            except queue.Empty:
                break
            if following is None:
                self._queue.put(None)
                break
            group.append(following)
        return group

    def _carry_out(self, group: list[_Operation[Any]]) -> None:
        self._operations += len(group)
        if len(group) > 1 and self._together(group):
            return
        for operation in group:
            self._together([operation])

    def _together(self, group: list[_Operation[Any]]) -> bool:
        """Run a group in one transaction; returns False if it was rolled back and each has to run alone."""
        trial, begun = Trial(), time.monotonic()
        while isinstance(outcome := self._attempt(group), _Failed) and self._worth_repeating(outcome, trial):
            self._repeated += 1
        if isinstance(outcome, _Done):
            self._commits += 1
            self._groups.observe(len(group))
            self._seconds.observe(time.monotonic() - begun)
            self._changes += outcome.changes
            for operation, result in zip(group, outcome.results, strict=True):
                operation.result = result
            return True
        if len(group) == 1:
            group[0].error = outcome.error
            return True
        # The database as a whole would fail each of them in its turn, after a wait for its lock
        # perhaps; and what may have been committed must not be done again.
        if outcome.of_one or not isinstance(outcome.error, StoreUnavailable):
            return False
        for operation in group:
            operation.error = type(outcome.error)(str(outcome.error))
        return True

    def _attempt(self, group: list[_Operation[Any]]) -> _Done | _Failed:
        running = committing = False
        results: list[Any] = []
        try:
            with translated(), self._begin() as connection:
                # What an earlier transaction noted and did not commit.
                noted(connection)
                self._companion.begin(connection)
                running = True
                for operation in group:
                    results.append(operation.run(connection))
                running = False
                changes = noted(connection)
                self._companion.end(connection, changes)
                committing = True
        except BaseException as error:  # noqa: BLE001 - it is raised in the task of the caller, or callers
            if isinstance(error, Fenced):
                self._fenced = error
            # A server that takes back a transaction at its commit says so; of a connection that
            # is lost meanwhile nobody knows.
            return _Failed(error, of_one=running, in_doubt=committing and not isinstance(error, Conflict))
        self._patience.well()
        return _Done(results, changes)

    def _worth_repeating(self, failed: _Failed, trial: Trial) -> bool:
        error = failed.error
        return (
            isinstance(error, StoreUnavailable) and not failed.in_doubt and self._patience.again(error, trial)
        )

    # In trio's thread

    def _announce(self, group: list[_Operation[Any]], changes: list[Change]) -> None:
        # Before their callers go on: what they do next may be to look at who reads this.
        self.journal.extend(changes)
        for operation in group:
            self._places.release_on_behalf_of(operation)
            operation.done.set()
        if self._fenced is not None:
            self._ended.set()
