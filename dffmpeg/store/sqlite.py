"""SQLite: write-ahead log, and a commit is on the disk when it returns."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from dffmpeg.errors import ConfigurationError
from dffmpeg.store.database import READERS, Database
from dffmpeg.store.errors import StoreUnavailable
from dffmpeg.store.sqlite_upkeep import SqliteUpkeep
from dffmpeg.store.upkeep import Upkeep

_INCREMENTAL = 2

BUSY_MS = 30_000
"""How long another process's write is waited for."""


class SqliteDatabase(Database):
    """One file, readable by its owner only: it holds keys.

    Args:
        path: the file; it and its folder are made where they are missing.
    """

    def __init__(self, path: Path) -> None:
        _make_private(path)
        super().__init__(str(path), _engine(path, writing=False), _engine(path, writing=True))
        self.file = path

    async def vacuum(self, pages: int) -> int:
        return await self.write(lambda connection: _vacuum(connection, pages))

    async def optimize(self) -> None:
        await self.write(_optimize)

    @classmethod
    def identity(cls, settings: Mapping[str, Any]) -> str:
        return str(_path(settings))

    @classmethod
    def upkeep(cls, settings: Mapping[str, Any]) -> Upkeep:
        return SqliteUpkeep(_path(settings))

    @classmethod
    def open(cls, settings: Mapping[str, Any]) -> Database:
        return cls(_path(settings))


def _free(connection: sa.Connection) -> int:
    return int(connection.exec_driver_sql("PRAGMA freelist_count").scalar_one())


def _vacuum(connection: sa.Connection, pages: int) -> int:
    if connection.exec_driver_sql("PRAGMA auto_vacuum").scalar_one() != _INCREMENTAL:
        return 0
    found = min(pages, _free(connection))
    for _ in range(found):
        # The driver takes a single step of a statement without rows, and each step is a page.
        connection.exec_driver_sql("PRAGMA incremental_vacuum(1)")
    return found


def _optimize(connection: sa.Connection) -> None:
    # Bounded: without a limit a whole index is read.
    connection.exec_driver_sql("PRAGMA analysis_limit=400")
    connection.exec_driver_sql("PRAGMA optimize")


def _path(settings: Mapping[str, Any]) -> Path:
    path = settings.get("path")
    if not isinstance(path, str) or not path:
        raise ConfigurationError("database.engine_defaults.sqlite.path: expected the path of a file")
    unknown = sorted(set(settings) - {"path"})
    if unknown:
        raise ConfigurationError(f"database.engine_defaults.sqlite.{unknown[0]}: unknown key; expected: path")
    # Resolved, so that each file has one database whatever it is called, and so that
    # SQLite takes no name for anything but a file's (`:memory:`).
    return Path(path).resolve()


def _make_private(path: Path) -> None:
    """Create the file before SQLite would, with its mode from the first instant; SQLite gives
    its `-wal` and `-shm` files the mode of the database."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreUnavailable(f"{path}: {error.strerror}") from error


def _engine(path: Path, *, writing: bool) -> sa.Engine:
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)),
        poolclass=sa.QueuePool,
        pool_size=1 if writing else READERS,
        max_overflow=0,
        connect_args={"check_same_thread": False, "isolation_level": None},
    )

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, record: object) -> None:
        del record
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        if writing:
            # Before anything else is written: a file that was made without it stays as it is.
            cursor.execute("PRAGMA auto_vacuum=INCREMENTAL")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        if not writing:
            cursor.execute("PRAGMA query_only=ON")
        cursor.close()

    if writing:
        # The driver would begin a transaction at the first write only, and lose the race
        # for the lock to another process between a read and that write.
        @sa.event.listens_for(engine, "begin")
        def begin(connection: sa.Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine
