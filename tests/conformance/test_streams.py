"""What every engine has to do with jobs' output."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import trio

from dffmpeg.model import transitions
from dffmpeg.model.jobs import JobState, Transition
from dffmpeg.model.streams import Retention, Stream
from dffmpeg.store import Store, StreamPiece, StreamRepository, StreamSlice, Unstorable
from dffmpeg.store.jobs.sqlalchemy import SqlAlchemyJobRepository
from tests.conformance.rows import assigned, load

KEEP = Retention(head=1 << 30, tail=1 << 30)


async def test_streams_are_byte_logs(store: Store) -> None:
    streams = store.streams
    await streams.append(StreamPiece("J", 1, Stream.STDERR, 0, b"abc", KEEP))
    await streams.append(StreamPiece("J", 1, Stream.STDERR, 3, b"\xff\r\n", KEEP))
    await streams.append(StreamPiece("J", 1, Stream.STDERR, 1, b"bc\xff\r\n!", KEEP))
    await streams.append(StreamPiece("J", 1, Stream.STDERR, 0, b"abc", KEEP))
    assert await streams.extent("J", 1, Stream.STDERR) == 7
    part = await streams.read("J", 1, Stream.STDERR, 0, 100)
    assert (part.offset, part.data, part.end) == (0, b"abc\xff\r\n!", 7)
    part = await streams.read("J", 1, Stream.STDERR, 2, 3)
    assert (part.offset, part.data) == (2, b"c\xff\r")
    assert (await streams.read("J", 1, Stream.STDERR, 7, 100)).data == b""
    assert await streams.extent("J", 1, Stream.STDOUT) == 0
    assert await streams.extent("J", 2, Stream.STDERR) == 0
    await streams.delete("J")
    assert await streams.extent("J", 1, Stream.STDERR) == 0


async def test_a_read_stops_at_a_gap_and_skips_one(store: Store) -> None:
    await store.streams.append(StreamPiece("J", 1, Stream.STDOUT, 0, b"abc", KEEP))
    await store.streams.append(StreamPiece("J", 1, Stream.STDOUT, 10, b"xyz", KEEP))
    assert (await store.streams.read("J", 1, Stream.STDOUT, 0, 100)).data == b"abc"
    behind = await store.streams.read("J", 1, Stream.STDOUT, 3, 100)
    assert (behind.offset, behind.data, behind.end) == (10, b"xyz", 13)


async def test_the_middle_of_a_long_stream_is_dropped(store: Store) -> None:
    whole = bytes(range(200))
    keep = Retention(head=20, tail=30)
    for offset in range(0, 200, 5):
        piece = whole[offset : offset + 5]
        await store.streams.append(StreamPiece("J", 1, Stream.STDERR, offset, piece, keep))
    head = await store.streams.read("J", 1, Stream.STDERR, 0, 1000)
    assert head.data == whole[:20]
    tail = await store.streams.read("J", 1, Stream.STDERR, 20, 1000)
    assert (tail.offset, tail.data, tail.end) == (170, whole[170:], 200)


@pytest.mark.parametrize(("head", "tail"), [(10, 0), (0, 0), (0, 7)])
async def test_a_stream_s_end_is_known_however_little_is_kept(store: Store, head: int, tail: int) -> None:
    keep = Retention(head=head, tail=tail)
    for offset in range(0, 50, 5):
        await store.streams.append(StreamPiece("J", 1, Stream.STDOUT, offset, b"12345", keep))
        assert await store.streams.extent("J", 1, Stream.STDOUT) == offset + 5
    await store.streams.append(StreamPiece("J", 1, Stream.STDOUT, 20, b"xxxxx", keep))
    assert (await store.streams.read("J", 1, Stream.STDOUT, 20, 5)).data != b"xxxxx"


async def test_a_reader_of_a_growing_stream_never_sees_more_than_its_end(store: Store) -> None:
    async def grow() -> None:
        for offset in range(0, 300, 3):
            await store.streams.append(StreamPiece("J", 1, Stream.STDOUT, offset, b"abc", KEEP))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(grow)
        end = 0
        while end < 300:
            part = await store.streams.read("J", 1, Stream.STDOUT, 0, 1000)
            assert part.data == (b"abc" * 100)[: len(part.data)]
            assert part.offset + len(part.data) <= part.end
            end = part.end


async def accepted(store: Store) -> Transition:
    """A change that fits."""
    return transitions.accept(await assigned(store), 1, "w1", 120.0)


def pieces(*data: bytes) -> list[StreamPiece]:
    return [StreamPiece("J", 1, number, 0, each, KEEP) for number, each in enumerate(data, 1)]


class Elsewhere(StreamRepository):
    """Output in another database than the jobs, of an engine that is not ours."""

    def __init__(self, streams: StreamRepository) -> None:
        self._streams = streams

    async def append(self, piece: StreamPiece) -> None:
        await self._streams.append(piece)

    async def extent(self, job_id: str, attempt: int, stream: int) -> int:
        return await self._streams.extent(job_id, attempt, stream)

    async def read(self, job_id: str, attempt: int, stream: int, offset: int, limit: int) -> StreamSlice:
        return await self._streams.read(job_id, attempt, stream, offset, limit)

    async def delete(self, job_id: str) -> None:
        await self._streams.delete(job_id)

    async def kept(self, after: str, limit: int) -> Sequence[str]:
        return await self._streams.kept(after, limit)


@pytest.fixture(params=["one database", "two databases"])
def divided(request: pytest.FixtureRequest, store: Store) -> Store:
    return store if request.param == "one database" else replace(store, streams=Elsewhere(store.streams))


async def test_a_change_and_the_output_before_it(divided: Store) -> None:
    change = await accepted(divided)
    assert await divided.apply_with_output(change, pieces(b"abc", b"de"))
    assert (await load(divided, "J")).state is JobState.RUNNING
    assert [await divided.streams.extent("J", 1, number) for number in (1, 2)] == [3, 2]


async def test_output_is_kept_also_where_the_change_does_not_fit(divided: Store) -> None:
    change = await accepted(divided)
    assert await divided.jobs.apply(change)
    assert not await divided.apply_with_output(change, pieces(b"abc"))
    assert await divided.streams.extent("J", 1, 1) == 3


async def test_without_its_output_no_change_is_made(divided: Store) -> None:
    change = await accepted(divided)
    beyond = StreamPiece("J", 1, Stream.STDERR, 1 << 80, b"x", KEEP)
    with pytest.raises(Unstorable):
        await divided.apply_with_output(change, [*pieces(b"abc"), beyond])
    assert (await load(divided, "J")).state is JobState.ASSIGNED


async def test_a_change_and_its_output_are_one_commit(store: Store) -> None:
    change = await accepted(store)
    repository = store.jobs
    if not isinstance(repository, SqlAlchemyJobRepository):
        pytest.skip("how this engine commits is its own affair")
    before = repository.database.writer.statistics().commits
    assert await store.apply_with_output(change, pieces(b"abc", b"de"))
    assert repository.database.writer.statistics().commits == before + 1
