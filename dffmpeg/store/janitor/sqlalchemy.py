"""The janitor's runs on any engine that SQLAlchemy speaks to."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from dffmpeg.model.janitor import JanitorRun
from dffmpeg.store import ageing, schema
from dffmpeg.store.database import Database
from dffmpeg.store.encoding import dump, load_counts
from dffmpeg.store.janitor import JanitorRepository

_t = schema.janitor_runs
_END = sa.update(_t).where(_t.c.run_id == sa.bindparam("the_run"))


class SqlAlchemyJanitorRepository(JanitorRepository):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, run: JanitorRun) -> None:
        values = {
            "action": run.action,
            "started_at": run.started_at,
            "ended_at": run.ended_at,
            "result": dump(dict(run.result)),
        }

        def operation(connection: sa.Connection) -> None:
            if connection.execute(_END, {**values, "the_run": run.run_id}).rowcount == 0:
                connection.execute(sa.insert(_t), {**values, "run_id": run.run_id})

        await self._database.put(operation)

    async def runs(self, limit: int) -> Sequence[JanitorRun]:
        query = sa.select(_t).order_by(_t.c.started_at.desc(), _t.c.run_id.desc()).limit(limit)
        rows = await self._database.read(lambda c: c.execute(query).mappings().all())
        return [_to_run(row) for row in rows]

    async def forget(self, before: float, limit: int) -> int:
        return await ageing.forget(self._database, _t.c.run_id, _t.c.started_at, before, limit)

    async def vacuum(self, pages: int) -> int:
        return await self._database.vacuum(pages)

    async def optimize(self) -> None:
        await self._database.optimize()


def _to_run(row: sa.RowMapping) -> JanitorRun:
    values = dict(row)
    values["result"] = {} if values["result"] is None else load_counts(values["result"])
    return JanitorRun(**values)
