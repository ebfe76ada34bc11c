"""Base of the engines that are servers, which several coordinators may share."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, ClassVar

import sqlalchemy as sa

from dffmpeg.errors import ConfigurationError
from dffmpeg.store.database import Database
from dffmpeg.store.errors import code_of
from dffmpeg.store.patience import Patience
from dffmpeg.store.server_settings import ServerSettings, server_settings
from dffmpeg.store.server_upkeep import ServerUpkeep
from dffmpeg.store.upkeep import Upkeep

Connect = Callable[[], Any]
"""Opens a connection of the driver's; raises `Unreachable` if no server takes one."""

PROGRAM = "dffmpeg"
"""By what a server's administrator knows our connections."""

LOCK_S = 5
"""Seconds for which a transaction waits for a row of another one before it begins anew."""

_CLOSING_S = 2.0

IDLE_S = 3
"""Seconds after which a server ends a transaction in which nothing happens: a process that was stopped
in the middle of one must not keep others from its rows, not even for as long as coordinators have for a
sign of life, which is a write like any other."""


class ServerDatabase(Database):
    """One database of a server.

    Its readers see each statement's committed rows, its writer's transactions are READ COMMITTED: what has to
    stay as it was read is locked.
    """

    shared = True
    engine: ClassVar[str]
    driver: ClassVar[str]
    dialect: ClassVar[str]
    port: ClassVar[int]
    lost: ClassVar[frozenset[str | int]]
    """What a server says of a connection that is of no more use."""

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        super().__init__(
            settings.name,
            self._engine("AUTOCOMMIT", settings.pool_size, self.connecting(settings, writing=False)),
            self._engine("READ COMMITTED", 1, self.connecting(settings, writing=True)),
            readers=settings.pool_size,
            patience=Patience(settings.patience),
        )

    @classmethod
    @abstractmethod
    def connecting(cls, settings: ServerSettings, *, writing: bool, hurried: bool = True) -> Connect:
        """What opens connections.

        Args:
            hurried: whether statements have to end in time; changing large tables takes what it takes.
        """

    @classmethod
    @abstractmethod
    def sessions(cls, connection: sa.Connection) -> int:
        """How many other connections of ours, of any process, the database has."""

    @classmethod
    @abstractmethod
    def doubts(cls, connection: sa.Connection) -> Collection[str]:
        """What of the server's own settings endangers what it has acknowledged, a line each."""

    @classmethod
    def identity(cls, settings: Mapping[str, Any]) -> str:
        return cls.settings(settings).name

    @classmethod
    def upkeep(cls, settings: Mapping[str, Any]) -> Upkeep:
        checked = cls.settings(settings)

        def engine() -> sa.Engine:
            return cls._engine("READ COMMITTED", 1, cls.connecting(checked, writing=True, hurried=False))

        return ServerUpkeep(checked.name, engine, cls.sessions, cls.doubts)

    @classmethod
    def open(cls, settings: Mapping[str, Any]) -> Database:
        return cls(cls.settings(settings))

    @classmethod
    def settings(cls, options: Mapping[str, Any]) -> ServerSettings:
        """Check a configuration's section, and that there is a driver.

        Raises:
            ConfigurationError: something is wrong.
        """
        if find_spec(cls.driver) is None:
            raise ConfigurationError(
                f"database: the engine {cls.engine!r} needs a driver: pip install 'dffmpeg[{cls.engine}]'"
            )
        return server_settings(cls.engine, cls.port, options)

    @classmethod
    def _engine(cls, isolation: str, size: int, connect: Connect) -> sa.Engine:
        engine = sa.create_engine(
            f"{cls.dialect}://",
            creator=connect,
            isolation_level=isolation,
            skip_autocommit_rollback=True,
            poolclass=sa.QueuePool,
            pool_size=size,
            max_overflow=0,
        )

        @sa.event.listens_for(engine, "handle_error")
        def judge(context: sa.engine.ExceptionContext) -> None:
            if code_of(context.original_exception) in cls.lost:
                context.is_disconnect = True

        return engine

    @classmethod
    @abstractmethod
    def lock(cls, connection: sa.Connection) -> None:
        """Wait until nobody else changes the database's tables, and keep others from it as long as the
        transaction's connection lives."""

    @contextmanager
    def _migrating(self) -> Iterator[sa.Connection]:
        connect = self.connecting(self._settings, writing=True, hurried=False)
        engine = self._engine("READ COMMITTED", 1, connect)
        try:
            with engine.begin() as connection:
                self.lock(connection)
                yield connection
        finally:
            engine.dispose()

    def _is_alone(self, connection: sa.Connection) -> bool:
        # Of this process are those that wait in its pools; a server takes a moment to see them closed.
        self.dispose()
        give_up = time.monotonic() + _CLOSING_S
        while self.sessions(connection):
            if time.monotonic() > give_up:
                return False
            time.sleep(_CLOSING_S / 20)
        return True
