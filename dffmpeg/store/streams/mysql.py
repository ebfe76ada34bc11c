"""Stream rows on MariaDB and MySQL: the generic statements serve as they are."""

from __future__ import annotations

from dffmpeg.store.mysql import MysqlDatabase
from dffmpeg.store.streams.sqlalchemy import SqlAlchemyStreamRepository


class MysqlStreamRepository(SqlAlchemyStreamRepository):
    database_kind = MysqlDatabase
