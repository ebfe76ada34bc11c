"""Identity rows on PostgreSQL: the generic statements serve as they are."""

from __future__ import annotations

from dffmpeg.store.identities.sqlalchemy import SqlAlchemyIdentityRepository
from dffmpeg.store.postgresql import PostgresqlDatabase


class PostgresqlIdentityRepository(SqlAlchemyIdentityRepository):
    database_kind = PostgresqlDatabase
