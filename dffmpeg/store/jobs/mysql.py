"""Job rows on MariaDB and MySQL: the generic statements serve as they are."""

from __future__ import annotations

from dffmpeg.store.jobs.sqlalchemy import SqlAlchemyJobRepository
from dffmpeg.store.mysql import MysqlDatabase


class MysqlJobRepository(SqlAlchemyJobRepository):
    database_kind = MysqlDatabase
