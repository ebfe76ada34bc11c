"""Message rows on MariaDB and MySQL: the generic statements serve as they are."""

from __future__ import annotations

from dffmpeg.store.messages.sqlalchemy import SqlAlchemyMessageRepository
from dffmpeg.store.mysql import MysqlDatabase


class MysqlMessageRepository(SqlAlchemyMessageRepository):
    database_kind = MysqlDatabase
