"""Message rows on PostgreSQL: the generic statements serve as they are."""

from __future__ import annotations

from dffmpeg.store.messages.sqlalchemy import SqlAlchemyMessageRepository
from dffmpeg.store.postgresql import PostgresqlDatabase


class PostgresqlMessageRepository(SqlAlchemyMessageRepository):
    database_kind = PostgresqlDatabase
