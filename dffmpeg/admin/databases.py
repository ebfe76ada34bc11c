"""`dffmpeg-admin db …`: the database as a whole, on the machine where it is."""

from __future__ import annotations

import argparse

import trio

from dffmpeg.actors.coordinator.store_settings import store_settings
from dffmpeg.admin.output import answer
from dffmpeg.admin.recording import record
from dffmpeg.admin.statuses import NotDone
from dffmpeg.configuration import load
from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.errors import BadInput, DffmpegError
from dffmpeg.store import SCHEMA_VERSION, InUse, StoreSettings, open_store, upkeeps
from dffmpeg.store.migrations import only_expands


class Unsound(DffmpegError):
    """A check found something."""


def migrate(options: argparse.Namespace) -> None:
    """Bring the databases' tables up to this version."""
    settings = _settings(options)
    databases = upkeeps(settings)
    before = [database.version() for database in databases]
    for database, version in zip(databases, before, strict=True):
        # Whoever has it open knows the older tables only, and may not get on with the newer ones.
        if 0 < version < SCHEMA_VERSION and not only_expands(version) and database.in_use():
            raise InUse(f"{database.name} is open in another process, a coordinator perhaps: stop that first")

    async def run() -> None:
        # Opening does it.
        async with open_store(settings) as store:
            if min(before) < SCHEMA_VERSION:
                await record(store, "database.migrate", before=min(before), after=SCHEMA_VERSION)

    trio.run(run)
    shown = [
        {"database": database.name, "before": version, "after": database.version()}
        for database, version in zip(databases, before, strict=True)
    ]
    lines = [
        f"{one['database']}: schema version {one['after']}, "
        + ("was up to date" if one["before"] == one["after"] else f"was {one['before'] or 'not there'}")
        for one in shown
    ]
    answer(options, shown, "\n".join(lines))


def check(options: argparse.Namespace) -> None:
    """Look for damage and contradictions."""
    shown = [
        {"database": database.name, "problems": database.check()} for database in upkeeps(_settings(options))
    ]
    lines = [f"{one['database']}: {problem}" for one in shown for problem in one["problems"] or ["ok"]]
    answer(options, shown, "\n".join(lines))
    count = sum(len(one["problems"]) for one in shown)
    if count:
        raise Unsound(f"{count} problem{'s' if count > 1 else ''} found")


def backup(options: argparse.Namespace) -> None:
    """Copy the database."""
    databases = upkeeps(_settings(options))
    if len(databases) > 1:
        names = ", ".join(database.name for database in databases)
        raise BadInput(
            f"the configuration names more than one database, and one file cannot hold them: {names}"
        )
    if options.target.exists():
        raise NotDone(f"{options.target} exists already")
    size = databases[0].backup(options.target.absolute())
    value = {"database": databases[0].name, "file": str(options.target.absolute()), "bytes": size}
    answer(options, value, f"wrote {options.target} ({size} bytes)")


def _settings(options: argparse.Namespace) -> StoreSettings:
    return store_settings(load(CoordinatorConfig, "coordinator", options.config))
