"""Types of columns that mean the same on every engine, and columns that hold more than a scalar.

Migrations name the first ones too, so these never change: what needs another type makes a new one.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeDecorator

# In the order of code points, wherever the server stands; MySQL's tables have that for all of their columns.
ID = sa.String(128).with_variant(sa.String(128, collation="C"), "postgresql")


class _WithoutNul(TypeDecorator[str]):
    """PostgreSQL's text: it can hold any character but one."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        del dialect
        # What a program or a person said, which must not keep its job from ending.
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}") if isinstance(value, str) else value


# Without a length MySQL's would end at 64 KiB.
TEXT = sa.Text().with_variant(mysql.LONGTEXT(), "mysql").with_variant(_WithoutNul(), "postgresql")
BYTES = sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql")

# What SQLite calls otherwise does not count by itself.
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


class Json(TypeDecorator[Any]):
    """A value of one type as JSON text; NULL is None.

    Args:
        kind: what the text decodes to: any type that msgspec knows, a dataclass for example.
        remembered: how many texts are decoded once only; what comes of them is shared, and not to be changed.
    """

    impl = sa.Text
    cache_ok = True

    def __init__(self, kind: Any, *, remembered: int = 0) -> None:
        super().__init__()
        self.kind = kind
        self.remembered = remembered
        decode = msgspec.json.Decoder(kind).decode
        self._decode = lru_cache(remembered)(decode) if remembered else decode

    def load_dialect_impl(self, dialect: sa.Dialect) -> Any:
        # Of text itself: JSON writes a NUL otherwise.
        return mysql.LONGTEXT() if dialect.name == "mysql" else self.impl_instance

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str | None:
        del dialect
        return None if value is None else msgspec.json.encode(value).decode("utf-8")

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        del dialect
        return None if value is None else self._decode(value)


class Packed(TypeDecorator[Any]):
    """A value of one type with byte strings in it, as MessagePack; NULL is None.

    Args:
        kind: as for `Json`.
    """

    impl = sa.LargeBinary
    cache_ok = True

    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.kind = kind
        self._decode = msgspec.msgpack.Decoder(kind).decode

    def load_dialect_impl(self, dialect: sa.Dialect) -> Any:
        return mysql.LONGBLOB() if dialect.name == "mysql" else self.impl_instance

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> bytes | None:
        del dialect
        return None if value is None else msgspec.msgpack.encode(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        del dialect
        return None if value is None else self._decode(value)
