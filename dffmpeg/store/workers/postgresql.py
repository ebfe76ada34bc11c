"""Worker rows on PostgreSQL: the generic statements serve as they are."""

from __future__ import annotations

from dffmpeg.store.postgresql import PostgresqlDatabase
from dffmpeg.store.workers.sqlalchemy import SqlAlchemyWorkerRepository


class PostgresqlWorkerRepository(SqlAlchemyWorkerRepository):
    database_kind = PostgresqlDatabase
