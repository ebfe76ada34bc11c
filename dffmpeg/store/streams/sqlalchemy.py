"""Streams on any engine that SQLAlchemy speaks to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from dffmpeg.store import schema
from dffmpeg.store.database import Database
from dffmpeg.store.streams import StreamPiece, StreamRepository, StreamSlice

_t = schema.stream_chunks
_c = _t.c

# What runs for each piece of output is built once: building a statement costs ten times what running it does.
_THE_STREAM = (
    _c.job_id == sa.bindparam("the_job"),
    _c.attempt == sa.bindparam("the_attempt"),
    _c.stream == sa.bindparam("the_stream"),
)
_END = sa.select(sa.func.max(_c.end_offset)).where(*_THE_STREAM)
_ADD = sa.insert(_t)
# Bounded below too: what is kept of the beginning is not looked at each time. The last chunk
# stays whatever the retention, or nobody would know where the stream ends.
_DROP = sa.delete(_t).where(
    *_THE_STREAM,
    _c.end_offset > sa.bindparam("gap_begin"),
    _c.end_offset <= sa.bindparam("gap_end"),
    _c.end_offset < sa.bindparam("stream_end"),
    _c.end_offset - sa.func.length(_c.data) >= sa.bindparam("gap_begin"),
)
_CHUNKS = (
    sa.select(_c.end_offset, _c.data)
    .where(*_THE_STREAM, _c.end_offset > sa.bindparam("begin"))
    .order_by(_c.end_offset)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)
PAGE = 16
"""Pieces of at most 256 KiB that are read at once to begin with."""

LONGEST_PAGE = 512

DELETED = 64
"""Pieces of at most 256 KiB that are deleted in one transaction."""

_FIRST_PIECES = (
    sa.select(_c.attempt, _c.stream, _c.end_offset)
    .where(_c.job_id == sa.bindparam("the_job"))
    .order_by(_c.attempt, _c.stream, _c.end_offset)
    .limit(DELETED)
)
_NEXT_JOB = sa.select(sa.func.min(_c.job_id)).where(_c.job_id > sa.bindparam("after"))


class SqlAlchemyStreamRepository(StreamRepository):
    """A chunk's key is the offset behind it, so that what holds a position is the first key above it."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def append(self, piece: StreamPiece) -> None:
        await self.database.put(lambda connection: store_piece(connection, piece))

    async def extent(self, job_id: str, attempt: int, stream: int) -> int:
        key = _of(job_id, attempt, stream)
        return int(await self.database.read(lambda c: c.scalar(_END, key)) or 0)

    async def read(self, job_id: str, attempt: int, stream: int, offset: int, limit: int) -> StreamSlice:
        key = _of(job_id, attempt, stream)

        def query(connection: sa.Connection) -> StreamSlice:
            end = int(connection.scalar(_END, key) or 0)
            return _join(_pages(connection, key, offset), offset, limit, end)

        return await self.database.read(query)

    async def delete(self, job_id: str) -> None:
        while await self.database.write(lambda connection: _delete_some(connection, job_id)):
            pass

    async def kept(self, after: str, limit: int) -> Sequence[str]:
        def query(connection: sa.Connection) -> Sequence[str]:
            found: list[str] = []
            # Each is one look into the index; all of a job's pieces in between are never seen.
            while len(found) < limit:
                job_id = connection.scalar(_NEXT_JOB, {"after": found[-1] if found else after})
                if job_id is None:
                    break
                found.append(job_id)
            return found

        return await self.database.read(query)


def _delete_some(connection: sa.Connection, job_id: str) -> bool:
    """Delete the first pieces of a job's output; returns whether there may be more."""
    key = connection.execute(_FIRST_PIECES, {"the_job": job_id}).all()
    if not key:
        return False
    attempt, stream, _ = key[0]
    last = max(end for of_attempt, of_stream, end in key if (of_attempt, of_stream) == (attempt, stream))
    connection.execute(
        sa.delete(_t).where(
            _c.job_id == job_id, _c.attempt == attempt, _c.stream == stream, _c.end_offset <= last
        )
    )
    return True


def store_piece(connection: sa.Connection, piece: StreamPiece) -> None:
    """`StreamRepository.append`, in a transaction."""
    key = _of(piece.job_id, piece.attempt, piece.stream)
    known = connection.scalar(_END, key) or 0
    fresh = piece.data[max(0, known - piece.offset) :]
    if not fresh:
        return
    connection.execute(
        _ADD,
        {
            "job_id": piece.job_id,
            "attempt": piece.attempt,
            "stream": piece.stream,
            "end_offset": piece.end,
            "data": fresh,
        },
    )
    gap = piece.retention.dropped(piece.end)
    if gap is not None:
        connection.execute(_DROP, {**key, "gap_begin": gap[0], "gap_end": gap[1], "stream_end": piece.end})


def _of(job_id: str, attempt: int, stream: int) -> dict[str, Any]:
    return {"the_job": job_id, "the_attempt": attempt, "the_stream": stream}


def _pages(connection: sa.Connection, key: dict[str, Any], offset: int) -> Iterator[tuple[int, bytes]]:
    """The pieces behind an offset, some at a time: of a cursor that is left in the middle, engines
    differ in how much they have fetched."""
    size, begin = PAGE, offset
    while True:
        rows = connection.execute(_CHUNKS, {**key, "begin": begin, "limit": size}).all()
        yield from ((row.end_offset, row.data) for row in rows)
        if len(rows) < size:
            return
        # So many have not been enough, so they are small.
        begin, size = rows[-1].end_offset, min(size * 2, LONGEST_PAGE)


def _join(rows: Iterable[tuple[int, bytes]], offset: int, limit: int, end: int) -> StreamSlice:
    parts: list[bytes] = []
    begin: int | None = None
    position = offset
    for chunk_end, data in rows:
        start = chunk_end - len(data)
        if begin is None:
            begin = position = max(offset, start)
        elif start > position:
            break
        part = data[position - start : position - start + limit - (position - begin)]
        parts.append(part)
        position += len(part)
        if position - begin >= limit:
            break
    # The stream may have grown since its end was looked up.
    return StreamSlice(
        offset if begin is None else begin, b"".join(parts), max(end, position if parts else 0)
    )
