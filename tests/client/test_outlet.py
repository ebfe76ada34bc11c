"""The queue in front of a sink: bounded, in order, joined."""

from __future__ import annotations

import trio
from trio.testing import wait_all_tasks_blocked

from dffmpeg.client.outlet import Outlet
from dffmpeg.client.progress import Piece
from dffmpeg.wire.frames import MAX_PAYLOAD, Kind


def piece(data: bytes, end: int, attempt: int = 1, missing: int = 0) -> Piece:
    return Piece(Kind.STDOUT, attempt, data, end, missing)


async def test_pieces_are_joined_but_not_over_attempts_and_gaps() -> None:
    outlet = Outlet()
    for each in (
        piece(b"a", 1),
        piece(b"b", 2),
        piece(b"c", 9, missing=6),
        piece(b"", 3, 2),
        piece(b"d", 4, 2),
    ):
        outlet.put(each)
    outlet.close()
    taken = [await outlet.take() for _ in range(4)]
    assert taken == [piece(b"ab", 2), piece(b"c", 9, missing=6), piece(b"d", 4, 2), None]


async def test_joining_stops_at_a_frames_size() -> None:
    outlet = Outlet()
    outlet.put(piece(bytes(MAX_PAYLOAD), MAX_PAYLOAD))
    outlet.put(piece(b"x", MAX_PAYLOAD + 1))
    first = await outlet.take()
    assert first is not None
    assert len(first.data) == MAX_PAYLOAD


async def test_a_full_outlet_makes_wait_and_drained_means_written() -> None:
    outlet = Outlet(limit=3)
    outlet.put(piece(b"abc", 3))
    done: list[str] = []

    async def wait_for_room() -> None:
        await outlet.room()
        done.append("room")

    async def wait_for_end() -> None:
        await outlet.drained()
        done.append("drained")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait_for_room)
        nursery.start_soon(wait_for_end)
        await wait_all_tasks_blocked()
        assert done == []
        await outlet.take()
        await wait_all_tasks_blocked()
        assert (done, outlet.empty) == (["room"], False)
        outlet.close()
        assert await outlet.take() is None
    assert (done, outlet.empty) == (["room", "drained"], True)
