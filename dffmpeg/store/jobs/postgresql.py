"""Job rows on PostgreSQL: the generic statements serve as they are."""

from __future__ import annotations

from dffmpeg.store.jobs.sqlalchemy import SqlAlchemyJobRepository
from dffmpeg.store.postgresql import PostgresqlDatabase


class PostgresqlJobRepository(SqlAlchemyJobRepository):
    database_kind = PostgresqlDatabase
