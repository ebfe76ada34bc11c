"""The databases that a cluster may have: how coordinators are configured for it, and how it breaks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos.victims import Victim

REPOSITORIES = ("auth", "jobs", "workers", "messages", "streams")


@dataclass(frozen=True, slots=True)
class Database:
    """A database that runs.

    Attributes:
        settings: the coordinator's table `database`.
        victims: what of it may break.
        shared: whether several coordinators may have it.
    """

    settings: dict[str, Any]
    victims: Sequence[Victim] = ()
    shared: bool = True


@asynccontextmanager
async def open_sqlite(folder: Path) -> AsyncIterator[Database]:
    """A file of the coordinator's, which breaks with it."""
    yield Database({"engine_defaults": {"sqlite": {"path": str(folder / "dffmpeg.db")}}}, shared=False)


DATABASES = {"sqlite": open_sqlite}
