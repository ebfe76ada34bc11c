"""A SQLite file as a whole: its version, whether it is sound, a copy of it."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Collection, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa

from dffmpeg.errors import ConfigurationError
from dffmpeg.process_lock import Held, held
from dffmpeg.store import schema
from dffmpeg.store.contradictions import SHOWN, contradictions
from dffmpeg.store.errors import StoreUnavailable
from dffmpeg.store.migrations import STEPS, mismatch
from dffmpeg.store.upkeep import Upkeep

BUSY_S = 30.0


class SqliteUpkeep(Upkeep):
    """One file.

    Args:
        path: resolved.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._path = path

    def version(self) -> int:
        if not self._has_content():
            return 0
        with self._reading() as connection:
            return _version(connection)

    def in_use(self) -> bool:
        if not self._has_content():
            return False
        with self._connected("rw", timeout=0.0) as connection:
            # In this mode SQLite takes the whole file, which it cannot while any other connection, however
            # idle, has it open in write-ahead mode.
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            try:
                connection.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                    return True
                raise
            connection.execute("ROLLBACK")
            return False

    @contextmanager
    def claim(self) -> Iterator[None]:
        # A file of its own: closing any descriptor of the database's would drop SQLite's locks on it.
        lock = Path(f"{self._path}.lock")
        with ExitStack() as claimed:
            try:
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                claimed.enter_context(held(lock))
            except OSError as error:
                raise StoreUnavailable(f"{lock}: {error.strerror}") from error
            except Held as error:
                raise ConfigurationError(
                    f"{self.name}: in use by another coordinator (process {error.holder}): "
                    "stop that one, or configure another database.engine_defaults.sqlite.path"
                ) from None
            yield

    def check(self) -> list[str]:
        if not self._has_content():
            return ["there is no database yet"]
        problems = self._modes()
        try:
            with self._reading() as connection:
                return problems + list(_problems(connection, self.repositories))
        except StoreUnavailable as error:
            if isinstance(error.__cause__, sqlite3.OperationalError):
                raise
            # So damaged that it cannot even be asked what is.
            return [*problems, str(error)]

    def backup(self, target: Path) -> int:
        if not self._has_content():
            raise StoreUnavailable(f"{self.name}: there is no database yet")
        try:
            os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise StoreUnavailable(f"{target}: {error.strerror}") from None
        try:
            return self._copy(target)
        except BaseException:
            # Half a copy must not be taken for one.
            for left in (target, Path(f"{target}-journal"), Path(f"{target}-wal"), Path(f"{target}-shm")):
                with suppress(FileNotFoundError):
                    left.unlink()
            raise

    def engine(self) -> sa.Engine:
        return sa.create_engine(sa.URL.create("sqlite", database=str(self._path)), poolclass=sa.NullPool)

    def _copy(self, target: Path) -> int:
        with self._reading() as source, _errors(str(target)), closing(_connect(target, "rw", BUSY_S)) as copy:
            # In one piece: one snapshot, which writers neither change nor wait for.
            source.backup(copy, pages=-1)
            # A file by itself, with nothing beside it that would have to be carried along.
            copy.execute("PRAGMA journal_mode = DELETE")
            found = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                raise StoreUnavailable(f"{target}: the copy is damaged: {found}")
        try:
            _sync(target)
            _sync(target.parent)
            return target.stat().st_size
        except OSError as error:
            raise StoreUnavailable(f"{target}: {error.strerror}") from error

    def _has_content(self) -> bool:
        try:
            return self._path.stat().st_size > 0
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StoreUnavailable(f"{self.name}: {error.strerror}") from error

    def _modes(self) -> list[str]:
        found = []
        for suffix in ("", "-wal", "-shm"):
            path = Path(f"{self._path}{suffix}")
            with suppress(FileNotFoundError):
                if stat.S_IMODE(path.stat().st_mode) & 0o077:
                    found.append(f"others than its owner may use {path}: chmod 600 {path}")
        return found

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        # Opened for writing all the same, where that is allowed: what opens it for reading only
        # leaves the write-ahead log behind.
        with self._connected("rw", timeout=BUSY_S) as connection:
            connection.execute("PRAGMA query_only = ON")
            yield connection

    @contextmanager
    def _connected(self, mode: str, *, timeout: float) -> Iterator[sqlite3.Connection]:
        with _errors(self.name), closing(_connect(self._path, mode, timeout)) as connection:
            yield connection


def _connect(path: Path, mode: str, timeout: float) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.as_uri()}?mode={mode}", uri=True, timeout=timeout, isolation_level=None)


@contextmanager
def _errors(name: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreUnavailable(f"{name}: {error}") from error


def _problems(connection: sqlite3.Connection, repositories: Collection[str]) -> Iterator[str]:
    found = [str(row[0]) for row in connection.execute(f"PRAGMA integrity_check({SHOWN})")]
    if found != ["ok"]:
        # What rows say of each other means nothing in a file that is damaged.
        yield from found
        return
    version = _version(connection)
    if version < len(STEPS) or _harmed(connection):
        yield str(mismatch(version))
        return
    missing = list(_missing(connection))
    yield from missing
    if not missing:
        yield from contradictions(connection.execute, repositories)


def _version(connection: sqlite3.Connection) -> int:
    table = schema.schema_version.name
    known = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (table,))
    if known.fetchone() is None:
        return 0
    return int(connection.execute(f"SELECT max(version) FROM {table}").fetchone()[0] or 0)  # noqa: S608


def _harmed(connection: sqlite3.Connection) -> bool:
    """Whether a newer program has left what this one cannot use."""
    query = "SELECT count(*) FROM schema_version WHERE version > ? AND NOT expands"
    return bool(connection.execute(query, (len(STEPS),)).fetchone()[0])


def _missing(connection: sqlite3.Connection) -> Iterator[str]:
    for table in schema.metadata.sorted_tables:
        found = {row[1] for row in connection.execute(f"PRAGMA table_info({table.name})")}
        yield from (
            f"table {table.name} has no column {column.name}"
            for column in table.columns
            if column.name not in found
        )


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
