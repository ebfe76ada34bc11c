"""A database that repositories share: one writer, some readers."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import sqlalchemy as sa
import trio

from dffmpeg.store.errors import Duplicate, StoreError, StoreUnavailable, translated
from dffmpeg.store.journal import Journal
from dffmpeg.store.migrations import migrate, require_usable, usable, version
from dffmpeg.store.patience import Patience, Trial
from dffmpeg.store.tallies import SECONDS, Tallied, Tally
from dffmpeg.store.writer import Writer

T = TypeVar("T")

READERS = 4
"""Threads that read at once."""


Ear = Callable[[float], Awaitable[None]]
"""Returns when there may be something to read, at the latest after so many seconds."""

LOOKS = 0.1
"""Seconds between two looks, where nobody is told that there is something."""


async def look_often(seconds: float) -> None:
    """The ear of those whom nobody tells."""
    await trio.sleep(min(LOOKS, max(0.0, seconds)))


class Database:
    """Base of the engines.

    Args:
        name: what a person knows it by, such as its file; stands in errors.
        reading: an engine whose connections see committed rows, each statement on its own.
        writing: an engine whose transactions are durable, and exclude other writers of this process at least.
        readers: threads that read at once.
        patience: which failures are worth another try.
    """

    shared: ClassVar[bool] = False
    """Whether several processes, on several machines, may have it open and write."""

    def __init__(
        self,
        name: str,
        reading: sa.Engine,
        writing: sa.Engine,
        *,
        readers: int = READERS,
        patience: Patience | None = None,
    ) -> None:
        self._name = name
        self._reading = reading
        self._writing = writing
        self._places = readers
        self._readers = trio.CapacityLimiter(readers)
        self._patience = patience or Patience()
        self._open = False
        self.file: Path | None = None
        """Where it is, if that is one file of this machine."""
        self._seconds = Tally(SECONDS)
        self.writer = Writer(writing.begin, patience=self._patience)

    @property
    def journal(self) -> Journal:
        """What was committed, for whoever keeps a copy of it."""
        return self.writer.journal

    async def read(self, query: Callable[[sa.Connection], T]) -> T:
        """Run a query in a reader's thread, and again where its connection was lost meanwhile.

        Raises:
            StoreUnavailable: the database is not open, or failed.
        """
        begun = time.monotonic()
        result = await trio.to_thread.run_sync(self._read, query, limiter=self._readers)
        self._seconds.observe(time.monotonic() - begun)
        return result

    @property
    def read_times(self) -> Tallied:
        """Seconds from asking for a query until its result was there, waiting for a thread included."""
        return self._seconds.read()

    def _read(self, query: Callable[[sa.Connection], T]) -> T:
        trial = Trial()
        while True:
            # Asked here: it may have been closed while this query waited for its turn.
            if not self._open:
                raise StoreUnavailable("the database is not open")
            try:
                with translated(), self._reading.connect() as connection:
                    result = query(connection)
            except StoreUnavailable as error:
                if not self._patience.again(error, trial):
                    raise
            else:
                self._patience.well()
                return result

    async def execute(
        self, statement: sa.Insert | sa.Update | sa.Delete, parameters: Mapping[str, Any] | None = None
    ) -> int:
        """One statement in the writer; returns how many rows it changed.

        Args:
            parameters: of the statement; building one anew costs ten times what running it does,
                so what runs often is built once.
        """
        return await self.writer.write(lambda connection: connection.execute(statement, parameters).rowcount)

    async def write(self, operation: Callable[[sa.Connection], T]) -> T:
        """Run an operation in the writer; see `Writer.write`."""
        return await self.writer.write(operation)

    async def put(self, operation: Callable[[sa.Connection], T]) -> T:
        """`write` for what looks whether a row is there and adds it if not. Another process may do so at
        the same time; then it is run again, and finds the row.

        Raises:
            Duplicate: that was not it.
        """
        try:
            return await self.writer.write(operation)
        except Duplicate:
            if not self.shared:
                raise
        return await self.writer.write(operation)

    def ring(self, connection: sa.Connection, by: str) -> None:
        """Say in a transaction of the writer that there will be something to read for other coordinators.

        For engines that can tell them; else they look every now and then.

        Args:
            by: who says so.
        """
        del connection, by

    @asynccontextmanager
    async def listening(self, own: str) -> AsyncIterator[Ear]:
        """Hear, inside the block, of what `ring` says that is by others than `own`."""
        del own
        yield look_often

    async def vacuum(self, pages: int) -> int:
        """Give unused pages back to the file system, at most so many; returns how many.

        For engines that do not do this by themselves.
        """
        del pages
        return 0

    async def optimize(self) -> None:
        """Let the engine look at its indexes anew, within a bounded time, if it does not by itself."""

    @asynccontextmanager
    async def opened(self, *, upgrade: bool = True) -> AsyncIterator[Self]:
        """Migrate, then serve inside the block, whose own exception leaves it as it is.

        Args:
            upgrade: whether to migrate one that is there already; a new one always is.

        Raises:
            SchemaMismatch: the database is newer than this program, or older and not to be upgraded, or
                older and in use by others whom the upgrade would harm.
            StoreUnavailable: it cannot be opened.
        """
        failure: Exception | None = None
        self._patience.open()
        try:
            await trio.to_thread.run_sync(self.prepare, upgrade)
            async with trio.open_nursery() as nursery:
                await nursery.start(self.writer.run)
                self._open = True
                try:
                    yield self
                except Exception as error:
                    # It goes on as it is; noted to tell it from what the writer raises beside it.
                    failure = error
                    raise
                finally:
                    # Before the writer is waited for, which may itself wait for a server.
                    self._patience.close()
                nursery.cancel_scope.cancel()
        except ExceptionGroup as group:
            # That there is a nursery in here is nobody else's business, unless the writer failed too.
            if failure is None or group.exceptions != (failure,):
                raise
        finally:
            self._open = False
            await self._last_reader()
            self.dispose()
        if failure is not None:
            raise failure

    async def _last_reader(self) -> None:
        """Wait until no query is under way: an engine that is disposed of while one is never
        closes that query's connection."""
        with trio.CancelScope(shield=True):
            places = [object() for _ in range(self._places)]
            for place in places:
                await self._readers.acquire_on_behalf_of(place)
            for place in places:
                self._readers.release_on_behalf_of(place)

    def prepare(self, upgrade: bool = True) -> None:
        """Migrate, as `opened` does when it begins. Blocks; the caller disposes of the connections."""
        try:
            with translated():
                if not self._is_usable(upgrade):
                    with self._migrating() as connection:
                        migrate(connection, lambda: self._is_alone(connection))
        except StoreError as error:
            raise type(error)(f"{self._name}: {error}") from error

    def dispose(self) -> None:
        """Close the connections that nobody uses now."""
        self._reading.dispose()
        self._writing.dispose()

    def _is_usable(self, upgrade: bool) -> bool:
        with self._writing.begin() as connection:
            if upgrade or version(connection) == 0:
                return usable(connection)
            require_usable(connection)
            return True

    def _migrating(self) -> AbstractContextManager[sa.Connection]:
        """A transaction for changing the tables, while which nobody else does."""
        return self._writing.begin()

    def _is_alone(self, connection: sa.Connection) -> bool:
        """Whether no other process uses the database, of an engine that several may share."""
        del connection
        return True
