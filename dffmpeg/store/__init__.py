"""The database: repositories behind interfaces, an engine for each of them, chosen by configuration.

Engines come by entry points (`dffmpeg.db.auth`, `dffmpeg.db.jobs`, …), so that
one that is not ours can be added without touching this package.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import sqlalchemy as sa

from dffmpeg.errors import ConfigurationError
from dffmpeg.model.jobs import Transition
from dffmpeg.store.audit import AuditRepository
from dffmpeg.store.audit.sqlalchemy import SqlAlchemyAuditRepository
from dffmpeg.store.crypto import KeyRing
from dffmpeg.store.database import Database
from dffmpeg.store.errors import (
    Duplicate,
    Fenced,
    InUse,
    SchemaMismatch,
    StoreError,
    StoreUnavailable,
    Unstorable,
)
from dffmpeg.store.hooks import HookRepository
from dffmpeg.store.identities import IdentityRepository
from dffmpeg.store.janitor import JanitorRepository
from dffmpeg.store.jobs import JobRepository
from dffmpeg.store.jobs.sqlalchemy import SqlAlchemyJobRepository
from dffmpeg.store.jobs.transitions import apply_transition
from dffmpeg.store.members import MemberRepository
from dffmpeg.store.members.sqlalchemy import SqlAlchemyMemberRepository
from dffmpeg.store.messages import MessageRepository
from dffmpeg.store.migrations import STEPS
from dffmpeg.store.nonces import NonceRepository
from dffmpeg.store.nonces.sqlalchemy import SqlAlchemyNonceRepository
from dffmpeg.store.samples import SampleRepository
from dffmpeg.store.samples.sqlalchemy import SqlAlchemySampleRepository
from dffmpeg.store.sessions import SessionRepository
from dffmpeg.store.sessions.sqlalchemy import SqlAlchemySessionRepository
from dffmpeg.store.settings import SettingsRepository
from dffmpeg.store.settings.sqlalchemy import SqlAlchemySettingsRepository
from dffmpeg.store.streams import StreamPiece, StreamRepository, StreamSlice
from dffmpeg.store.streams.sqlalchemy import SqlAlchemyStreamRepository, store_piece
from dffmpeg.store.tokens import TokenRepository
from dffmpeg.store.tokens.sqlalchemy import SqlAlchemyTokenRepository
from dffmpeg.store.upkeep import Upkeep
from dffmpeg.store.workers import WorkerRepository

SCHEMA_VERSION = len(STEPS)
"""Of the tables that this program knows."""

REPOSITORIES = ("auth", "jobs", "workers", "messages", "streams")

OTHER_NAMES = {"mariadb": "mysql", "pg": "postgresql", "psql": "postgresql"}
"""What people call engines, and what we call them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """Which engine each repository uses, and how.

    Attributes:
        engine_defaults: by engine, its settings: `{"sqlite": {"path": "/var/lib/…"}}`.
        engines: by repository, the engine's name; `sqlite` for one that is not named.
        encryption_keys: for the identities' keys; the first seals, all open.
    """

    engine_defaults: Mapping[str, Mapping[str, Any]] = field(repr=False)
    engines: Mapping[str, str] = field(default_factory=dict)
    encryption_keys: Sequence[str] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """The open repositories; those that share transactions with the jobs come from theirs."""

    identities: IdentityRepository
    jobs: JobRepository
    workers: WorkerRepository
    messages: MessageRepository
    streams: StreamRepository
    settings: SettingsRepository
    sessions: SessionRepository
    tokens: TokenRepository
    audit: AuditRepository
    members: MemberRepository
    nonces: NonceRepository
    samples: SampleRepository
    databases: Mapping[str, Database] = field(default_factory=dict)
    """Each once, by the repositories that it has: `jobs,workers`."""

    @property
    def hooks(self) -> HookRepository:
        return self.jobs.hooks

    @property
    def janitor(self) -> JanitorRepository:
        return self.jobs.janitor

    async def apply_with_output(self, transition: Transition, pieces: Sequence[StreamPiece]) -> bool:
        """Store pieces of a job's output, and then make a change of the job, if its row still fits.

        Where one database has both, that is one commit; the change is never durable before the output.

        Returns:
            Whether the change was made; the output is durable in either case.
        """
        jobs, streams = self.jobs, self.streams
        if (
            pieces
            and isinstance(jobs, SqlAlchemyJobRepository)
            and isinstance(streams, SqlAlchemyStreamRepository)
            and jobs.database is streams.database
        ):
            return await jobs.database.put(partial(_together, transition, pieces))
        for piece in pieces:
            await streams.append(piece)
        return await jobs.apply(transition)


def _together(transition: Transition, pieces: Sequence[StreamPiece], connection: sa.Connection) -> bool:
    for piece in pieces:
        store_piece(connection, piece)
    return apply_transition(connection, transition)


@asynccontextmanager
async def open_store(settings: StoreSettings, *, upgrade: bool = True) -> AsyncIterator[Store]:
    """Open each database once, migrate it, and run its writer inside the block, which owns it.

    Args:
        upgrade: whether to migrate databases that are there already; new ones always are.

    Raises:
        ConfigurationError: an engine is not installed, or its settings do not fit.
        SchemaMismatch, StoreUnavailable: a database cannot be used.
    """
    keys = KeyRing.from_keys(settings.encryption_keys)
    async with AsyncExitStack() as stack:
        databases: dict[tuple[str, str], Database] = {}
        made: dict[str, Any] = {}
        users: dict[tuple[str, str], list[str]] = {}
        for name in REPOSITORIES:
            engine = settings.engines.get(name, "sqlite")
            kind = _repository(name, engine)
            options = settings.engine_defaults.get(engine, {})
            key = (engine, kind.database_kind.identity(options))
            if key not in databases:
                database = kind.database_kind.open(options)
                databases[key] = await stack.enter_async_context(database.opened(upgrade=upgrade))
            users.setdefault(key, []).append(name)
            made[name] = kind(databases[key], keys) if name == "auth" else kind(databases[key])
            if name == "auth":
                made["nonces"] = SqlAlchemyNonceRepository(databases[key])
                # Who is signed in stands where it stands who there is.
                made["sessions"] = SqlAlchemySessionRepository(databases[key])
                made["tokens"] = SqlAlchemyTokenRepository(databases[key], keys)
                made["audit"] = SqlAlchemyAuditRepository(databases[key])
            if name == "jobs":
                # What is about the jobs as a whole stands where they do.
                made["settings"] = SqlAlchemySettingsRepository(databases[key])
                made["members"] = SqlAlchemyMemberRepository(databases[key])
                made["samples"] = SqlAlchemySampleRepository(databases[key])
        named = {",".join(names): databases[key] for key, names in users.items()}
        yield Store(identities=made.pop("auth"), databases=named, **made)


def upkeeps(settings: StoreSettings) -> list[Upkeep]:
    """The databases that the settings name, each once, without opening them.

    Raises:
        ConfigurationError: as `open_store`.
    """
    found: dict[tuple[str, str], Upkeep] = {}
    for name in REPOSITORIES:
        engine = settings.engines.get(name, "sqlite")
        kind = _repository(name, engine).database_kind
        options = settings.engine_defaults.get(engine, {})
        upkeep = found.setdefault((engine, kind.identity(options)), kind.upkeep(options))
        upkeep.repositories.add(name)
    return list(found.values())


def require_engine(name: str, engine: str, key: str) -> EntryPoint:
    """What gives a repository's engine.

    Args:
        key: where the configuration names it, for errors.

    Raises:
        ConfigurationError: it is not installed.
    """
    group = f"dffmpeg.db.{name}"
    for entry in entry_points(group=group, name=engine):
        return entry
    installed = sorted(entry_points(group=group).names)
    called = engine.lower()
    near = [name for name in installed if name == OTHER_NAMES.get(called)] or get_close_matches(
        called, installed, 1
    )
    meant = f', did you mean "{near[0]}"?' if near else f"; installed: {', '.join(installed) or 'none'}"
    raise ConfigurationError(f"{key}: there is no engine {engine!r}{meant}")


def _repository(name: str, engine: str) -> Any:
    return require_engine(name, engine, f"database.repositories.{name}.engine").load()


__all__ = [
    "REPOSITORIES",
    "SCHEMA_VERSION",
    "AuditRepository",
    "Duplicate",
    "Fenced",
    "HookRepository",
    "IdentityRepository",
    "InUse",
    "JanitorRepository",
    "JobRepository",
    "MemberRepository",
    "MessageRepository",
    "NonceRepository",
    "SampleRepository",
    "SchemaMismatch",
    "SessionRepository",
    "SettingsRepository",
    "Store",
    "StoreError",
    "StoreSettings",
    "StoreUnavailable",
    "StreamPiece",
    "StreamRepository",
    "StreamSlice",
    "TokenRepository",
    "Unstorable",
    "Upkeep",
    "WorkerRepository",
    "open_store",
    "upkeeps",
]
