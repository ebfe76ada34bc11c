"""What a query found, as keyword arguments."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa


def by_name(result: sa.Result[Any]) -> list[dict[str, Any]]:
    """All rows, each by its columns' names."""
    return list(one_by_one(result))


def one_by_one(result: sa.Result[Any]) -> Iterator[dict[str, Any]]:
    """`by_name`, for who may not want all of them.

    The names are plain strings, which SQLAlchemy's own are not: Python finds a parameter by one of those
    only by comparing it with one after the other, which for fifty takes longer than reading them.
    """
    names = [sys.intern(str(name)) for name in result.keys()]  # noqa: SIM118 - it is no mapping
    for row in result:
        yield dict(zip(names, row, strict=True))
