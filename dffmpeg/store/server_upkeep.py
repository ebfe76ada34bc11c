"""A server's database as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from dffmpeg.store.errors import StoreError, StoreUnavailable, translated
from dffmpeg.store.migrations import version
from dffmpeg.store.upkeep import Upkeep


class ServerUpkeep(Upkeep):
    """One database of a server.

    Args:
        engine: makes an engine of one connection.
        sessions: see `ServerDatabase.sessions`.
    """

    def __init__(
        self, name: str, engine: Callable[[], sa.Engine], sessions: Callable[[sa.Connection], int]
    ) -> None:
        super().__init__(name)
        self._engine = engine
        self._sessions = sessions

    def version(self) -> int:
        with self._connected() as connection:
            return version(connection)

    def in_use(self) -> bool:
        with self._connected() as connection:
            return self._sessions(connection) > 0

    def check(self) -> list[str]:
        return []

    def backup(self, target: Path) -> int:
        raise StoreUnavailable(f"{self.name}: not yet: {target}")

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
