"""Stream rows on PostgreSQL: the generic statements serve as they are."""

from __future__ import annotations

from dffmpeg.store.postgresql import PostgresqlDatabase
from dffmpeg.store.streams.sqlalchemy import SqlAlchemyStreamRepository


class PostgresqlStreamRepository(SqlAlchemyStreamRepository):
    database_kind = PostgresqlDatabase
