"""What can go wrong with the database. A driver's or SQLAlchemy's exception never leaves the store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from dffmpeg.errors import BadInput, DffmpegError


class StoreError(DffmpegError):
    """Base of them."""


class StoreUnavailable(StoreError):
    """The database cannot be used now: not open, not reachable, busy, or broken."""


class Fenced(StoreUnavailable):
    """This coordinator's membership has ended: nothing was written, and nothing will be for it."""


class Duplicate(StoreError):
    """A row with this key is there already."""


class Unstorable(StoreError, BadInput):
    """A value that the column does not take: a lone surrogate, a number beyond 64 bits, a missing one."""


class InUse(StoreError):
    """Another process has the database open, so that it cannot be had for oneself."""


class SchemaMismatch(StoreError):
    """The database's schema is not one that this program knows."""


@contextmanager
def translated() -> Iterator[None]:
    """The one place where SQLAlchemy's exceptions become ours."""
    try:
        yield
    except sa.exc.IntegrityError as error:
        kind = Duplicate if _is_duplicate(error.orig) else Unstorable
        raise kind(_one_line(error)) from error
    except sa.exc.SQLAlchemyError as error:
        raise StoreUnavailable(_one_line(error)) from error
    except (UnicodeEncodeError, OverflowError) as error:
        # Drivers raise these while they bind a parameter, past SQLAlchemy. The value itself may be secret.
        raise Unstorable(f"a value cannot be stored: {_complaint(error)}") from None


def _is_duplicate(origin: BaseException | None) -> bool:
    name = getattr(origin, "sqlite_errorname", None)
    return name is None or name in ("SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY")


def _complaint(error: UnicodeEncodeError | OverflowError) -> str:
    return error.reason if isinstance(error, UnicodeEncodeError) else str(error)


def _one_line(error: sa.exc.SQLAlchemyError) -> str:
    origin = getattr(error, "orig", None)
    return " ".join(str(origin if origin is not None else error).split())
