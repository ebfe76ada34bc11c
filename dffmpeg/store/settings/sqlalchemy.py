"""Settings on any engine that SQLAlchemy speaks to."""

from __future__ import annotations

import msgspec
import sqlalchemy as sa

from dffmpeg.model.scheduling.pause import Pause
from dffmpeg.store import schema
from dffmpeg.store.database import Database
from dffmpeg.store.journal import note
from dffmpeg.store.settings import SettingsRepository

_s = schema.settings.c
_QUEUE = "queue"


class SqlAlchemySettingsRepository(SettingsRepository):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def pause(self) -> Pause:
        query = sa.select(_s.value).where(_s.name == _QUEUE)
        text = await self._database.read(lambda connection: connection.scalar(query))
        return Pause() if text is None else msgspec.json.decode(text, type=Pause)

    async def set_pause(self, pause: Pause) -> None:
        values = {"value": msgspec.json.encode(pause).decode(), "changed_at": pause.at or 0.0}

        def operation(connection: sa.Connection) -> None:
            change = sa.update(schema.settings).where(_s.name == _QUEUE).values(values)
            if connection.execute(change).rowcount == 0:
                connection.execute(sa.insert(schema.settings), {"name": _QUEUE, **values})
            note(connection, pause)

        await self._database.put(operation)
