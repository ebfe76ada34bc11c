"""What becomes of jobs around their end, on any engine that SQLAlchemy speaks to: those that cannot begin any
more, and those that were kept for long enough."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from dffmpeg.model.jobs import TERMINAL, Job, JobState
from dffmpeg.store import schema
from dffmpeg.store.database import Database
from dffmpeg.store.jobs import Doomed, JobRepository, consequences
from dffmpeg.store.results import by_name

_j = schema.jobs.c
_p = schema.job_predecessors.c
_h = schema.hook_calls.c

_NOW = sa.bindparam("now", type_=sa.Double)
_LIMIT = sa.bindparam("limit", type_=sa.Integer)
_DOOMED = (
    sa.select(schema.jobs, _p.predecessor_id, _p.outcome)
    .join_from(schema.job_predecessors, schema.jobs, _j.job_id == _p.job_id)
    .where(_p.outcome.is_not(None), _j.state == JobState.PENDING.value)
    .limit(_LIMIT)
)
# Who was promised a call of a hook gets it first.
_TOLD = ~sa.select(_h.seq).where(_h.job_id == _j.job_id, _h.due_at.is_not(None)).exists()
_ENDED = _j.state.in_(sorted(TERMINAL))
_EXPIRED = (
    sa.select(_j.job_id).where(_j.expires_at <= _NOW, _ENDED, _TOLD).order_by(_j.expires_at).limit(_LIMIT)
)
_OLD = (
    sa.select(_j.job_id)
    .where(_j.ended_at <= sa.bindparam("before", type_=sa.Double), _j.expires_at.is_(None), _ENDED, _TOLD)
    .order_by(_j.ended_at)
    .limit(_LIMIT)
)


class SqlAlchemyAftermath(JobRepository):
    """A part of the repository; it has the database and the rows' decoding from the rest."""

    database: Database

    @staticmethod
    @abstractmethod
    def job_of(row: Mapping[str, Any]) -> Job:
        """A row as a job."""

    async def doomed(self, limit: int) -> Sequence[Doomed]:
        rows = await self.database.read(lambda c: by_name(c.execute(_DOOMED, {"limit": limit})))
        return [self._doomed_of(row) for row in rows]

    def _doomed_of(self, values: dict[str, Any]) -> Doomed:
        predecessor_id, outcome = values.pop("predecessor_id"), JobState(values.pop("outcome"))
        return Doomed(self.job_of(values), predecessor_id, outcome)

    async def heal(self, now: float, limit: int) -> int:
        ended, miscounted = await self.database.read(lambda c: consequences.inconsistencies(c, limit))
        if ended or miscounted:
            await self.database.write(lambda c: consequences.repair(c, ended, miscounted, now))
        return len(ended) + len(miscounted)

    async def old(self, ended_before: float | None, now: float, limit: int) -> Sequence[str]:
        def query(connection: sa.Connection) -> Sequence[str]:
            found = list(connection.scalars(_EXPIRED, {"now": now, "limit": limit}))
            if ended_before is not None:
                found += connection.scalars(_OLD, {"before": ended_before, "limit": limit})
            return found[:limit]

        return await self.database.read(query)

    async def outdated(self, job_ids: Collection[str], ended_before: float) -> Collection[str]:
        def query(connection: sa.Connection) -> Collection[str]:
            kept = sa.select(_j.job_id).where(
                _j.job_id.in_(job_ids),
                _j.ended_at.is_(None) | (_j.ended_at > ended_before) | _j.expires_at.is_not(None),
            )
            return set(job_ids) - set(connection.scalars(kept))

        return await self.database.read(query)

    async def delete(self, job_id: str) -> bool:
        return await self.database.write(lambda connection: _delete(connection, job_id))


def _delete(connection: sa.Connection, job_id: str) -> bool:
    ended = sa.delete(schema.jobs).where(_j.job_id == job_id, _ENDED)
    if connection.execute(ended).rowcount == 0:
        return False
    for table in (schema.attempts, schema.hook_calls, schema.job_predecessors):
        connection.execute(sa.delete(table).where(table.c.job_id == job_id))
    return True
