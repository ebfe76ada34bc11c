"""`dffmpeg-admin db copy`: a cluster's whole memory into other databases."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import trio

from dffmpeg.actors.coordinator.store_settings import store_settings
from dffmpeg.admin.output import answer
from dffmpeg.admin.recording import record
from dffmpeg.admin.statuses import NotDone
from dffmpeg.configuration import load
from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.errors import BadInput
from dffmpeg.store import InUse, StoreSettings, StoreUnavailable, open_store, upkeeps
from dffmpeg.store.copying import TABLES, Report, copy, rows_in, snapshot
from dffmpeg.store.upkeep import Upkeep


def copy_all(options: argparse.Namespace) -> None:
    """Copy what the configured databases hold into those of another configuration."""
    source = store_settings(load(CoordinatorConfig, "coordinator", options.config))
    target = store_settings(load(CoordinatorConfig, "coordinator", options.to))
    from_, to = _by_repository(source), _by_repository(target)
    _refuse_the_same(from_, to)
    for database in _each(from_):
        if database.version() == 0:
            raise StoreUnavailable(f"{database.name}: there is no database yet")
        _refuse_in_use(database)
    trio.run(_require_current, source)
    for database in _each(to):
        # A database that is not there is made below, and nobody can have it open.
        if database.version():
            _refuse_in_use(database)
    trio.run(_make, target)
    _refuse_full(to)
    with _progress(options) as report:
        counts = _copied(from_, to, report)
    trio.run(_require_keys, target)
    trio.run(_record, target, sum(counts.values()))
    places = sorted(database.name for database in _each(to))
    value = {"from": sorted(database.name for database in _each(from_)), "to": places, "rows": counts}
    answer(options, value, f"copied {sum(counts.values())} rows to {', '.join(places)}")


def _by_repository(settings: StoreSettings) -> dict[str, Upkeep]:
    return {name: database for database in upkeeps(settings) for name in database.repositories}


def _each(databases: Mapping[str, Upkeep]) -> list[Upkeep]:
    return list({database.name: database for database in databases.values()}.values())


def _refuse_the_same(from_: Mapping[str, Upkeep], to: Mapping[str, Upkeep]) -> None:
    both = {database.name for database in from_.values()} & {database.name for database in to.values()}
    if both:
        raise BadInput(f"both configurations name {min(both)}: what is to be copied needs another place")


def _refuse_in_use(database: Upkeep) -> None:
    if database.in_use():
        raise InUse(f"{database.name} is open in another process, a coordinator perhaps: stop that first")


def _refuse_full(to: Mapping[str, Upkeep]) -> None:
    for database in _each(to):
        engine = database.engine()
        try:
            found = rows_in(engine, [table for tables in TABLES.values() for table in tables])
        finally:
            engine.dispose()
        if found:
            name, number = next(iter(found.items()))
            rows = f"{number} row{'' if number == 1 else 's'}"
            raise NotDone(f"{database.name} is not empty: its table {name} has {rows}; nothing was copied")


def _copied(from_: Mapping[str, Upkeep], to: Mapping[str, Upkeep], report: Report) -> dict[str, int]:
    counts: dict[str, int] = {}
    with ExitStack() as opened:
        for repository, tables in TABLES.items():
            source, target = from_[repository].engine(), to[repository].engine()
            opened.callback(source.dispose)
            opened.callback(target.dispose)
            with snapshot(source) as connection:
                for table in tables:
                    counts[table.name] = copy(connection, target, table, report)
    return counts


@contextmanager
def _progress(options: argparse.Namespace) -> Iterator[Report]:
    """One line on a terminal, which is written over, and gone at the end; nothing elsewhere."""
    shown = sys.stderr.isatty() and not options.json

    def report(table: str, rows: int) -> None:
        if shown:
            print(f"\r\x1b[K{table}: {rows} rows", end="", file=sys.stderr, flush=True)

    try:
        yield report
    finally:
        if shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


async def _require_current(settings: StoreSettings) -> None:
    async with open_store(settings, upgrade=False):
        await trio.lowlevel.checkpoint()


async def _make(settings: StoreSettings) -> None:
    async with open_store(settings):
        await trio.lowlevel.checkpoint()


async def _require_keys(settings: StoreSettings) -> None:
    """Read every key, which the other configuration may not be able to decrypt."""
    async with open_store(settings, upgrade=False) as store:
        await store.identities.list()


async def _record(settings: StoreSettings, rows: int) -> None:
    async with open_store(settings, upgrade=False) as store:
        await record(store, "database.copy", rows=rows)
