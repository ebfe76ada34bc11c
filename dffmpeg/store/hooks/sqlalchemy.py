"""Calls of hooks on any engine that SQLAlchemy speaks to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from ulid import ULID

from dffmpeg.model.hooks import HookCall
from dffmpeg.model.jobs import Job
from dffmpeg.store import schema
from dffmpeg.store.database import Database
from dffmpeg.store.hooks import HookRepository
from dffmpeg.wire import hooks

_t = schema.hook_calls
_c = _t.c
_earlier = _t.alias()
_FIRST = ~(
    sa.select(_earlier.c.seq)
    .where(
        _earlier.c.job_id == _c.job_id,
        _earlier.c.url == _c.url,
        _earlier.c.due_at.is_not(None),
        _earlier.c.seq < _c.seq,
    )
    .exists()
)
_DUE = (
    sa.select(_t)
    .where(_c.due_at <= sa.bindparam("now", type_=sa.Double), _FIRST)
    .order_by(_c.due_at, _c.seq)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)
_ADD = sa.insert(_t)


def enqueue(connection: sa.Connection, job: Job, now: float) -> None:
    """Have a job's hooks told of the state that it has come into, in a transaction of the jobs."""
    rows = []
    for url in job.rules.hooks:
        event = str(ULID())
        rows.append(
            {
                "call_id": event,
                "job_id": job.job_id,
                "url": url,
                "body": hooks.body(event, job, now),
                "created_at": now,
                "due_at": now,
                "tries": 0,
            }
        )
    if rows:
        connection.execute(_ADD, rows)


class SqlAlchemyHookRepository(HookRepository):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self, now: float, limit: int) -> Sequence[HookCall]:
        return await self._select(_DUE, {"now": now, "limit": limit})

    async def next_moment(self, now: float) -> float | None:
        query = sa.select(sa.func.min(_c.due_at)).where(_c.due_at > now)
        return await self._database.read(lambda c: c.scalar(query))

    async def of_job(self, job_id: str) -> Sequence[HookCall]:
        return await self._select(sa.select(_t).where(_c.job_id == job_id).order_by(_c.seq))

    async def delivered(self, call: HookCall, now: float) -> None:
        values = {"due_at": None, "delivered_at": now, "tries": call.tries + 1, "last_error": None}
        await self._database.execute(sa.update(_t).where(_c.seq == call.seq).values(values))

    async def postpone(self, call: HookCall, due_at: float, error: str) -> None:
        behind = sa.update(_t).where(
            _c.job_id == call.job_id, _c.url == call.url, _c.seq > call.seq, _c.due_at.is_not(None)
        )
        this = sa.update(_t).where(_c.seq == call.seq)

        def operation(connection: sa.Connection) -> None:
            connection.execute(this.values(due_at=due_at, tries=call.tries + 1, last_error=error))
            # Otherwise each look at what is due would pass over them again.
            connection.execute(behind.values(due_at=due_at))

        await self._database.write(operation)

    async def give_up(self, call: HookCall, error: str) -> None:
        values = {"due_at": None, "tries": call.tries + 1, "last_error": error}
        await self._database.execute(sa.update(_t).where(_c.seq == call.seq).values(values))

    async def _select(
        self, query: sa.Select[Any], parameters: dict[str, Any] | None = None
    ) -> Sequence[HookCall]:
        rows = await self._database.read(lambda c: c.execute(query, parameters).mappings().all())
        return [HookCall(**row) for row in rows]
