"""A server's database as a whole."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa

from dffmpeg.store import schema
from dffmpeg.store.contradictions import contradictions
from dffmpeg.store.copying import TABLES, copy, snapshot
from dffmpeg.store.errors import StoreError, StoreUnavailable, translated
from dffmpeg.store.migrations import mismatch, usable, version
from dffmpeg.store.sqlite import SqliteDatabase
from dffmpeg.store.sqlite_upkeep import SqliteUpkeep
from dffmpeg.store.upkeep import Upkeep

Look = Callable[[sa.Connection], Collection[str]]
"""Says what is wrong with a server's own settings."""


class ServerUpkeep(Upkeep):
    """One database of a server.

    Args:
        engine: makes an engine of one connection.
        sessions: see `ServerDatabase.sessions`.
        look: see `ServerDatabase.doubts`.
    """

    def __init__(
        self,
        name: str,
        engine: Callable[[], sa.Engine],
        sessions: Callable[[sa.Connection], int],
        look: Look,
    ) -> None:
        super().__init__(name)
        self._engine = engine
        self._sessions = sessions
        self._look = look

    def engine(self) -> sa.Engine:
        return self._engine()

    def version(self) -> int:
        with self._connected() as connection:
            return version(connection)

    def in_use(self) -> bool:
        with self._connected() as connection:
            return self._sessions(connection) > 0

    def check(self) -> list[str]:
        with self._connected() as connection:
            found = version(connection)
            if found == 0:
                return ["there is no database yet"]
            problems = list(self._look(connection))
            if not usable(connection):
                return [*problems, str(mismatch(found))]
            missing = list(_missing(connection))
            if missing:
                return problems + missing

            def ask(query: str) -> list[tuple[object, ...]]:
                return [tuple(row) for row in connection.exec_driver_sql(query)]

            return problems + list(contradictions(ask, self.repositories))

    def backup(self, target: Path) -> int:
        if self.version() == 0:
            raise StoreUnavailable(f"{self.name}: there is no database yet")
        if target.exists():
            raise StoreUnavailable(f"{target}: {os.strerror(errno.EEXIST)}")
        # In write-ahead mode; what is then made of it is one file by itself.
        draft = target.with_name(f".{target.name}.draft")
        try:
            self._dump(draft)
            return SqliteUpkeep(draft).backup(target)
        finally:
            for suffix in ("", "-wal", "-shm"):
                with suppress(FileNotFoundError):
                    Path(f"{draft}{suffix}").unlink()

    def _dump(self, draft: Path) -> None:
        made = SqliteDatabase(draft)
        made.prepare()
        made.dispose()
        copied = SqliteUpkeep(draft).engine()
        source = self._engine()
        try:
            with snapshot(source) as connection:
                for repository in sorted(self.repositories):
                    for table in TABLES[repository]:
                        copy(connection, copied, table, _silent)
        except StoreError as error:
            raise type(error)(f"{self.name}: {error}") from error
        finally:
            source.dispose()
            copied.dispose()

    @contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
        engine = self._engine()
        try:
            with translated(), engine.connect() as connection:
                yield connection
        except StoreError as error:
            raise type(error)(f"{self.name}: {error}") from error
        finally:
            engine.dispose()


def _missing(connection: sa.Connection) -> Iterator[str]:
    inspector = sa.inspect(connection)
    for table in schema.metadata.sorted_tables:
        there = inspector.has_table(table.name)
        found = {column["name"] for column in inspector.get_columns(table.name)} if there else set()
        yield from (
            f"table {table.name} has no column {column.name}"
            for column in table.columns
            if column.name not in found
        )


def _silent(table: str, rows: int) -> None:
    del table, rows
