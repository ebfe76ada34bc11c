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


class Conflict(StoreUnavailable):
    """The server took back the transaction in favour of another one: the same again may well succeed."""


class Unreachable(StoreUnavailable):
    """No server takes a connection."""


class Disconnected(StoreUnavailable):
    """The server closed a connection, or does not answer on it: what was under way is undone, unless it
    was its commit."""


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
    except sa.exc.SQLAlchemyError as error:
        kind = _kind(error)
        raise kind(_in_our_words(error) if kind is Unstorable else _one_line(error)) from error
    except (UnicodeEncodeError, OverflowError) as error:
        # Drivers raise these while they bind a parameter, past SQLAlchemy. The value itself may be secret.
        raise Unstorable(f"a value cannot be stored: {_complaint(error)}") from None


_DUPLICATE = frozenset({"SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY", "23505", 1062})
_CONFLICT = frozenset(
    # PostgreSQL: serialization failure, deadlock, lock not available. MySQL: waited too long for a
    # lock, deadlock (with Galera also: another node was first), the row has changed since.
    {"40001", "40P01", "55P03", 1205, 1213, 1020}
)
_TOO_LARGE = frozenset({"54000", 1153})


def _kind(error: sa.exc.SQLAlchemyError) -> type[StoreError]:
    if not isinstance(error, sa.exc.DBAPIError):
        return StoreUnavailable
    if error.connection_invalidated:
        return Disconnected
    code = code_of(error.orig)
    if isinstance(error, sa.exc.IntegrityError):
        # One that says nothing of it is taken for the usual one.
        return Duplicate if code is None or code in _DUPLICATE else Unstorable
    if isinstance(error, sa.exc.DataError) or code in _TOO_LARGE:
        return Unstorable
    return Conflict if code in _CONFLICT else StoreUnavailable


def code_of(origin: BaseException | None) -> str | int | None:
    """The name or number that a driver gives to what went wrong: SQLite's name, PostgreSQL's SQLSTATE,
    MySQL's error number; None if there is none."""
    # MySQL's errors have an SQLSTATE besides, which says less.
    if origin is not None and origin.args and isinstance(origin.args[0], int):
        return origin.args[0]
    for name in ("sqlite_errorname", "sqlstate"):
        found = getattr(origin, name, None)
        if isinstance(found, str):
            return found
    return None


def _complaint(error: UnicodeEncodeError | OverflowError) -> str:
    return error.reason if isinstance(error, UnicodeEncodeError) else str(error)


_UNSTORABLE = {
    # PostgreSQL: too long, out of range, no such character; MySQL: too long, out of range, no such character.
    **dict.fromkeys(("22001", 1406), "it is too long"),
    **dict.fromkeys(("22003", 1264, 1690), "the number is too large"),
    **dict.fromkeys(("22021", "22P05", 1366), "it holds a character that no text can"),
}


def _in_our_words(error: sa.exc.SQLAlchemyError) -> str:
    """Why a value does not fit. It is somebody's input, to whom the driver's words say nothing."""
    origin = getattr(error, "orig", None)
    known = _UNSTORABLE.get(code_of(origin) or "")
    if known is None and "NUL (0x00)" in str(origin):
        known = "it holds a NUL character"
    return f"a value cannot be stored: {known or _one_line(error)}"


def _one_line(error: sa.exc.SQLAlchemyError) -> str:
    origin = getattr(error, "orig", None)
    return told(error if origin is None else origin)


def told(error: BaseException) -> str:
    """A driver's message as one line, without its number beside it."""
    has_number = len(error.args) > 1 and isinstance(error.args[0], int) and isinstance(error.args[1], str)
    return " ".join((error.args[1] if has_number else str(error)).split())
