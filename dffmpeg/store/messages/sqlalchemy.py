"""Messages on any engine that SQLAlchemy speaks to."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from dffmpeg.model.messages import Message
from dffmpeg.store import ageing, schema
from dffmpeg.store.database import Database
from dffmpeg.store.encoding import dump, load_map
from dffmpeg.store.journal import MessageStored, note
from dffmpeg.store.messages import MessageRepository

_m = schema.messages.c
_t = schema.message_turns.c
_ADD = sa.insert(schema.messages)
_TAKE_TURN = (
    sa.update(schema.message_turns)
    .where(_t.recipient_id == sa.bindparam("the_recipient"))
    .values(turn=_t.turn + 1)
)
_FIRST_TURN = sa.insert(schema.message_turns)


class SqlAlchemyMessageRepository(MessageRepository):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, message: Message) -> int:
        values = {
            "message_id": message.message_id,
            "sender_id": message.sender_id,
            "recipient_id": message.recipient_id,
            "job_id": message.job_id,
            "timestamp": message.timestamp,
            "message_type": message.message_type,
            "payload": dump(dict(message.payload)),
        }

        def operation(connection: sa.Connection) -> int:
            if self._database.shared:
                _take_turn(connection, message.recipient_id)
            key = connection.execute(_ADD, values).inserted_primary_key
            assert key is not None
            note(connection, MessageStored(message.recipient_id))
            return int(key[0])

        return await self._database.put(operation)

    async def after(
        self, recipient_id: str, *, job_id: str | None, last_message_id: str | None, limit: int
    ) -> Sequence[Message]:
        query = (
            sa.select(schema.messages).where(_m.recipient_id == recipient_id).order_by(_m.seq).limit(limit)
        )
        if job_id is not None:
            query = query.where(_m.job_id == job_id)
        if last_message_id is not None:
            other = schema.messages.alias()
            last = sa.select(other.c.seq).where(other.c.message_id == last_message_id).scalar_subquery()
            query = query.where(_m.seq > sa.func.coalesce(last, 0))
        rows = await self._database.read(lambda c: c.execute(query).mappings().all())
        return [_to_message(row) for row in rows]

    async def prune(self, before: float, limit: int) -> int:
        return await ageing.forget(self._database, _m.seq, _m.timestamp, before, limit)


def _take_turn(connection: sa.Connection, recipient_id: str) -> None:
    """Keep others from adding messages for the recipient until the commit: their numbers come later."""
    if connection.execute(_TAKE_TURN, {"the_recipient": recipient_id}).rowcount == 0:
        connection.execute(_FIRST_TURN, {"recipient_id": recipient_id, "turn": 1})


def _to_message(row: sa.RowMapping) -> Message:
    values = dict(row)
    del values["seq"]
    values["payload"] = load_map(values["payload"])
    return Message(**values)
