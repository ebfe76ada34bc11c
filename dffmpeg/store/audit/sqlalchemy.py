"""The audit trail on any engine that SQLAlchemy speaks to."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from dffmpeg.model.audit import AuditEntry, AuditRequest, Outcome, Value, Via
from dffmpeg.store import ageing, schema
from dffmpeg.store.audit import AuditRepository
from dffmpeg.store.database import Database

_t = schema.audit
_c = _t.c
_ADD = sa.insert(_t)


class SqlAlchemyAuditRepository(AuditRepository):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, entry: AuditEntry) -> None:
        values = {
            "entry_id": entry.entry_id,
            "at": entry.at,
            "actor": entry.actor,
            "via": entry.via.value,
            "address": entry.address,
            "request_id": entry.request_id,
            "action": entry.action,
            "subject": entry.subject,
            "outcome": entry.outcome.value,
            "details": msgspec.json.encode(entry.details).decode(),
        }
        await self._database.execute(_ADD, values)

    async def page(self, request: AuditRequest) -> Sequence[AuditEntry]:
        order = _c.entry_id.desc() if request.descending else _c.entry_id
        query = sa.select(_t).where(*_conditions(request)).order_by(order)
        query = query.limit(request.limit).offset(request.offset)
        rows = await self._database.read(lambda c: c.execute(query).mappings().all())
        return [_to_entry(row) for row in rows]

    async def forget(self, before: float, limit: int) -> int:
        return await ageing.forget(self._database, _c.entry_id, _c.at, before, limit)


def _conditions(request: AuditRequest) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if request.after is not None:
        newer = _c.entry_id > request.after
        found.append(_c.entry_id < request.after if request.descending else newer)
    if request.actor is not None:
        found.append(_c.actor == request.actor)
    if request.action is not None:
        area = _c.action.startswith(f"{request.action}.", autoescape=True)
        found.append(sa.or_(_c.action == request.action, area))
    if request.since is not None:
        found.append(_c.at >= request.since)
    if request.before is not None:
        found.append(_c.at < request.before)
    return found


def _to_entry(row: sa.RowMapping) -> AuditEntry:
    values = dict(row)
    values["via"], values["outcome"] = Via(values["via"]), Outcome(values["outcome"])
    values["details"] = msgspec.json.decode(values["details"], type=dict[str, Value])
    return AuditEntry(**values)
