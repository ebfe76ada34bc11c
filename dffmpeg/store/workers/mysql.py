"""Worker rows on MariaDB and MySQL: the generic statements serve as they are."""

from __future__ import annotations

from dffmpeg.store.mysql import MysqlDatabase
from dffmpeg.store.workers.sqlalchemy import SqlAlchemyWorkerRepository


class MysqlWorkerRepository(SqlAlchemyWorkerRepository):
    database_kind = MysqlDatabase
