"""Identity rows on MariaDB and MySQL: the generic statements serve as they are."""

from __future__ import annotations

from dffmpeg.store.identities.sqlalchemy import SqlAlchemyIdentityRepository
from dffmpeg.store.mysql import MysqlDatabase


class MysqlIdentityRepository(SqlAlchemyIdentityRepository):
    database_kind = MysqlDatabase
