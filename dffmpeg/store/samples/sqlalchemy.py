"""Samples on any engine that SQLAlchemy speaks to."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec
import sqlalchemy as sa

from dffmpeg.model.samples import Figures, Sample
from dffmpeg.store import schema
from dffmpeg.store.database import Database
from dffmpeg.store.samples import SampleRepository

_s = schema.samples.c
_IT = (
    _s.step == sa.bindparam("the_step"),
    _s.at == sa.bindparam("the_time"),
    _s.coordinator_id == sa.bindparam("the_coordinator"),
)
_KNOWN = sa.select(_s.figures).where(*_IT).with_for_update()
_CHANGE = sa.update(schema.samples).where(*_IT)


class SqlAlchemySampleRepository(SampleRepository):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, samples: Sequence[Sample]) -> None:
        await self._database.put(partial(_store, samples, together=True))

    async def put(self, samples: Sequence[Sample]) -> None:
        await self._database.put(partial(_store, samples, together=False))

    async def list(self, step: int, since: int) -> Sequence[Sample]:
        query = sa.select(schema.samples).where(_s.step == step, _s.at >= since)
        rows = await self._database.read(
            lambda c: c.execute(query.order_by(_s.at, _s.coordinator_id)).mappings().all()
        )
        return [_to_sample(row) for row in rows]

    async def forget(self, step: int, before: int, limit: int) -> int:
        old = sa.select(_s.at).where(_s.step == step, _s.at < before).order_by(_s.at).limit(limit)

        def operation(connection: sa.Connection) -> int:
            # Whole stretches: a few of them, of however many coordinators.
            times: builtins.list[Any] = sorted(set(connection.scalars(old)))
            if not times:
                return 0
            gone = sa.delete(schema.samples).where(_s.step == step, _s.at.in_(times))
            return connection.execute(gone).rowcount

        return await self._database.write(operation)


def _store(samples: Sequence[Sample], connection: sa.Connection, *, together: bool) -> None:
    for one in samples:
        key = {"the_step": one.step, "the_time": one.at, "the_coordinator": one.coordinator_id}
        known = connection.scalar(_KNOWN, key)
        figures = one.figures
        if together and known is not None:
            figures = figures.plus(msgspec.json.decode(known, type=Figures))
        text = msgspec.json.encode(figures).decode()
        if known is not None:
            connection.execute(_CHANGE, {**key, "figures": text})
        else:
            row = {"step": one.step, "at": one.at, "coordinator_id": one.coordinator_id, "figures": text}
            connection.execute(sa.insert(schema.samples), row)


def _to_sample(row: sa.RowMapping) -> Sample:
    figures = msgspec.json.decode(row["figures"], type=Figures)
    return Sample(row["step"], row["at"], row["coordinator_id"], figures)
