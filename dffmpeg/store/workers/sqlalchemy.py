"""Workers on any engine that SQLAlchemy speaks to."""

from __future__ import annotations

import builtins
import operator
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Any

import sqlalchemy as sa

from dffmpeg.model.jobs import LIVE
from dffmpeg.model.workers import Hold, Worker, WorkerFilter, WorkerKey, WorkerOrder, WorkerPlace, WorkerState
from dffmpeg.store import schema
from dffmpeg.store.database import Database
from dffmpeg.store.encoding import dump, load_map, load_names
from dffmpeg.store.journal import Journal, WorkerChanged, note
from dffmpeg.store.results import by_name, one_by_one
from dffmpeg.store.workers import Move, WorkerRepository

_w = schema.workers.c
_RENEW = sa.update(schema.workers).where(_w.worker_id == sa.bindparam("the_worker"))
_GET = sa.select(schema.workers).where(_w.worker_id == sa.bindparam("the_worker"))
_ALL = sa.select(schema.workers).order_by(_w.worker_id)
_BRIEFLY = sa.select(*(column for column in _w if column.name != "abilities"))
_ALL_BRIEFLY = _BRIEFLY.order_by(_w.worker_id)
_HOMES = sa.select(_w.worker_id, _w.home)
_LIVE_THERE = (
    sa.select(schema.jobs.c.job_id)
    .where(schema.jobs.c.worker_id == _w.worker_id, schema.jobs.c.state.in_(sorted(LIVE)))
    .exists()
)
_LOOKED_AFTER = _HOMES.where((_w.state != WorkerState.OFFLINE.value) | _LIVE_THERE)
_RENEW_SAME = _RENEW.where(_w.abilities_digest == sa.bindparam("the_digest"))
_HELD = ("hold", "hold_reason", "hold_until", "strikes", "home")
"""What a registration does not change: others decided it."""

_NAMES = ("capabilities", "binaries", "paths", "supported_transports")


class SqlAlchemyWorkerRepository(WorkerRepository):
    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def journal(self) -> Journal:
        return self._database.journal

    async def register(self, worker: Worker) -> None:
        values = _to_row(worker)
        renewed = {name: value for name, value in values.items() if name not in _HELD}

        def operation(connection: sa.Connection) -> None:
            if not _renew(connection, worker, renewed):
                connection.execute(sa.insert(schema.workers), values)
            note(connection, worker)

        await self._database.put(operation)

    async def get(self, worker_id: str) -> Worker | None:
        found = await self._select(_GET, {"the_worker": worker_id})
        return found[0] if found else None

    async def list(self, since: float | None, *, abilities: bool = True) -> Sequence[Worker]:
        query = _ALL if abilities else _ALL_BRIEFLY
        return await self._select(query if since is None else query.where(_w.last_seen >= since))

    async def page(
        self,
        wanted: WorkerFilter,
        *,
        after: WorkerPlace | None,
        most: int,
        order: WorkerOrder = WorkerOrder(),  # noqa: B008 - it is frozen
    ) -> Sequence[Worker]:
        statement = _in_order(order, whole=after is None)
        place = {} if after is None else {"the_worker": after.worker_id, "seen": after.last_seen}

        def query(connection: sa.Connection) -> builtins.list[Worker]:
            # SQLite reads no row before it is asked for it, and has to be told that no more will be asked
            # for.
            with connection.execute(statement, place) as found:
                return list(islice(filter(wanted.fits, map(_to_worker, one_by_one(found))), most))

        return await self._database.read(query)

    async def set_state(
        self, worker_id: str, sources: Collection[WorkerState], target: WorkerState, now: float
    ) -> bool:
        change = (
            sa.update(schema.workers)
            .where(_w.worker_id == worker_id, _w.state.in_(sorted(sources)))
            .values(state=target.value, last_seen=now)
        )
        return await self._change(worker_id, change)

    async def delete(self, worker_id: str) -> bool:
        change = sa.delete(schema.workers).where(
            _w.worker_id == worker_id, _w.state == WorkerState.OFFLINE.value
        )
        return await self._change(worker_id, change)

    async def verify(self, worker_id: str, token: str, now: float) -> bool:
        change = (
            sa.update(schema.workers)
            .where(
                _w.worker_id == worker_id,
                _w.state == WorkerState.REGISTERING.value,
                _w.registration_token == token,
            )
            .values(
                state=sa.case((_w.draining, WorkerState.DRAINING.value), else_=WorkerState.ONLINE.value),
                registration_token=None,
                last_seen=now,
            )
        )
        return await self._change(worker_id, change)

    async def set_hold(
        self, worker_id: str, hold: Hold | None, *, reason: str | None, until: float | None, strikes: int
    ) -> bool:
        change = (
            sa.update(schema.workers)
            .where(_w.worker_id == worker_id)
            .values(
                hold=None if hold is None else hold.value,
                hold_reason=reason,
                hold_until=until,
                strikes=strikes,
            )
        )
        return await self._change(worker_id, change)

    async def homes(self, worker_ids: Collection[str] | None = None) -> Mapping[str, str | None]:
        return await self._homes(_HOMES if worker_ids is None else _HOMES.where(_w.worker_id.in_(worker_ids)))

    async def looked_after(self) -> Mapping[str, str | None]:
        return await self._homes(_LOOKED_AFTER)

    async def _homes(self, query: sa.Select[Any]) -> Mapping[str, str | None]:
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return {row.worker_id: row.home for row in rows}

    async def move(self, moves: Mapping[str, Move]) -> Collection[str]:
        def operation(connection: sa.Connection) -> Collection[str]:
            return [worker_id for worker_id, move in moves.items() if _move(connection, worker_id, move)]

        return await self._database.write(operation)

    async def _change(self, worker_id: str, change: sa.Update | sa.Delete) -> bool:
        def operation(connection: sa.Connection) -> bool:
            if connection.execute(change).rowcount == 0:
                return False
            note(connection, WorkerChanged(worker_id))
            return True

        return await self._database.write(operation)

    async def _select(
        self, query: sa.Select[Any], parameters: Mapping[str, Any] | None = None
    ) -> builtins.list[Worker]:
        return await self._database.read(
            lambda c: [_to_worker(row) for row in by_name(c.execute(query, parameters))]
        )


@cache
def _in_order(order: WorkerOrder, *, whole: bool) -> sa.Select[Any]:
    """All, or those behind a place, whose `the_worker` and `seen` are parameters."""
    by_time = order.key is WorkerKey.LAST_SEEN
    keys = [_w.last_seen, _w.worker_id] if by_time else [_w.worker_id]
    query = _BRIEFLY.order_by(*(key.desc() if order.descending else key for key in keys))
    if whole:
        return query
    behind = operator.lt if order.descending else operator.gt
    seen = sa.bindparam("seen", type_=sa.Double)
    condition = behind(_w.worker_id, sa.bindparam("the_worker"))
    if by_time:
        condition = sa.or_(behind(_w.last_seen, seen), sa.and_(_w.last_seen == seen, condition))
    return query.where(condition)


def _move(connection: sa.Connection, worker_id: str, move: Move) -> bool:
    fits = _w.home.is_(None) if move.source is None else _w.home == move.source
    change = sa.update(schema.workers).where(_w.worker_id == worker_id, fits).values(home=move.target)
    if connection.execute(change).rowcount == 0:
        return False
    note(connection, WorkerChanged(worker_id))
    return True


def _renew(connection: sa.Connection, worker: Worker, values: dict[str, Any]) -> bool:
    """Write a worker's row again, its abilities only if they are others: these are large."""
    values = {**values, "the_worker": worker.worker_id}
    if worker.abilities_digest is not None:
        others = {name: value for name, value in values.items() if name != "abilities"}
        if connection.execute(_RENEW_SAME, {**others, "the_digest": worker.abilities_digest}).rowcount:
            return True
    return bool(connection.execute(_RENEW, values).rowcount)


def _to_row(worker: Worker) -> dict[str, Any]:
    row = {column.name: getattr(worker, column.name) for column in schema.workers.columns}
    row |= {name: dump(row[name]) for name in _NAMES}
    return row | {
        "state": worker.state.value,
        "hold": None if worker.hold is None else worker.hold.value,
        "transport_metadata": dump(dict(worker.transport_metadata)),
    }


def _to_worker(row: Mapping[str, Any]) -> Worker:
    values = dict(row)
    values |= {name: load_names(values[name]) for name in _NAMES}
    values["transport_metadata"] = load_map(values["transport_metadata"])
    values["state"] = WorkerState(values["state"])
    values["hold"] = None if values["hold"] is None else Hold(values["hold"])
    return Worker(**values)
