"""The follow WebSocket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio_websocket
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked
from trio_websocket import ConnectionClosed, ConnectionRejected, WebSocketConnection

from dffmpeg.actors.coordinator.operations import Unavailable
from dffmpeg.store import StoreUnavailable
from dffmpeg.web.following import MAX_MESSAGE, Progress, messages
from dffmpeg.wire import codec, frames
from dffmpeg.wire.frames import Frame, Kind
from dffmpeg.wire.jobs import JobRecord, Position
from tests.web.conftest import Site, serving, sign


@asynccontextmanager
async def following(
    site: Site, job_id: str, start: Position | None = None
) -> AsyncIterator[WebSocketConnection]:
    async with site.websocket(f"/jobs/{job_id}/follow") as connection:
        await connection.send_message(codec.encode(start or Position()).decode())
        yield connection


async def next_frames(connection: WebSocketConnection) -> list[Frame]:
    message = await connection.get_message()
    assert isinstance(message, bytes)
    return list(frames.decode_all(message))


async def collect(connection: WebSocketConnection) -> list[Frame]:
    """All frames until the server closes."""
    news: list[Frame] = []
    try:
        while True:
            message = await connection.get_message()
            assert isinstance(message, bytes)
            assert len(message) <= MAX_MESSAGE
            news += frames.decode_all(message)
    except ConnectionClosed:
        return news


def closed(connection: WebSocketConnection) -> tuple[int, str]:
    assert connection.closed is not None
    return connection.closed.code, connection.closed.reason or ""


def content(news: list[Frame], kind: Kind) -> bytes:
    return b"".join(frame.payload for frame in news if frame.kind is kind)


async def test_follow_to_the_end(site: Site) -> None:
    job = await site.submit()
    operations = site.operations
    data = bytes(range(256)) * 12_000
    async with following(site, job.job_id, Position(owner=True)) as connection:
        first = await next_frames(connection)
        assert [frame.kind for frame in first] == [Kind.STATUS]
        operations.write(job.job_id, Kind.STDERR, b"speed=1\r")
        second = await next_frames(connection)
        assert content(second, Kind.STDERR) == b"speed=1\r"
        await connection.send_message('{"stderr":8,"owner":true}')
        await operations.until(lambda: len(operations.all[job.job_id].positions) == 2)
        operations.write(job.job_id, Kind.STDOUT, data, eof=True)
        operations.end(job.job_id, exit_code=3)
        rest = await collect(connection)
    assert content(rest, Kind.STDOUT) == data
    status = [codec.decode(frame.payload, JobRecord) for frame in rest if frame.kind is Kind.STATUS][-1]
    assert (status.status, status.exit_code) == ("completed", 3)
    assert {frame.kind for frame in rest if frame.eof} == {Kind.STDOUT, Kind.STDERR}
    assert closed(connection) == (1000, "the job has ended")
    assert operations.all[job.job_id].positions[1].stderr == 8


async def test_resume_at_offsets(site: Site) -> None:
    job = await site.submit()
    site.operations.write(job.job_id, Kind.STDOUT, b"0123456789")
    site.operations.end(job.job_id)
    start = Position(attempt=1, stdout=4, status="completed")
    async with following(site, job.job_id, start) as connection:
        news = await collect(connection)
    # The state is known to this follower already, so it is not sent; the streams' ends are.
    assert content(news, Kind.STDOUT) == b"456789"
    assert closed(connection)[0] == 1000


async def test_attempt_begins_anew(site: Site) -> None:
    job = await site.submit()
    operations = site.operations
    operations.write(job.job_id, Kind.STDOUT, b"first", eof=True)
    async with following(site, job.job_id) as connection:
        await connection.get_message()
        operations.again(job.job_id)
        operations.write(job.job_id, Kind.STDOUT, b"second")
        operations.end(job.job_id)
        news = [frame for frame in await collect(connection) if frame.attempt == 2]
    assert content(news, Kind.STDOUT) == b"second"
    assert closed(connection)[0] == 1000


async def test_attempt_from_the_future_does_not_spin(site: Site) -> None:
    job = await site.submit()
    async with following(site, job.job_id, Position(attempt=9, stdout=5, status="pending")) as connection:
        site.operations.write(job.job_id, Kind.STDOUT, b"x" * 6)
        await connection.get_message()
        site.operations.end(job.job_id)
        await collect(connection)
    assert closed(connection)[0] == 1000


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("", 1008),
        ("{", 1008),
        ("[]", 1008),
        ('{"stdout":-1}', 1008),
        ('{"stdout":1e99}', 1008),
        ('{"stdout":99999999999999999999}', 1008),
        ('{"wait":NaN}', 1008),
        ('{"status":"\\ud800"}', 1008),
        ("[" * 20_000, 1008),
        (b"{}", 1003),
        (b"", 1003),
    ],
    ids=lambda value: repr(value)[:20],
)
@pytest.mark.parametrize("first", [True, False])
async def test_bad_position(site: Site, message: str | bytes, code: int, first: bool) -> None:
    job = await site.submit()
    async with site.websocket(f"/jobs/{job.job_id}/follow") as connection:
        if not first:
            await connection.send_message("{}")
        await connection.send_message(message)
        await collect(connection)
    assert closed(connection)[0] == code
    assert "position" in closed(connection)[1] or "stdout" in closed(connection)[1]


async def test_message_that_is_too_large(site: Site) -> None:
    job = await site.submit()
    async with site.websocket(f"/jobs/{job.job_id}/follow") as connection:
        await connection.send_message(" " * 200_000)
        await collect(connection)
    assert closed(connection)[0] == 1009


@pytest.mark.parametrize(
    ("name", "job", "status"), [("other", None, 403), ("client", "NONE", 404), ("worker", None, 403)]
)
async def test_refused_before_the_handshake(site: Site, name: str, job: str | None, status: int) -> None:
    job_id = job or (await site.submit()).job_id
    with pytest.raises(ConnectionRejected) as rejection:
        async with site.websocket(f"/jobs/{job_id}/follow", name):
            pass
    assert rejection.value.status_code == status
    assert b'"detail"' in (rejection.value.body or b"")


async def test_signature_of_the_handshake(site: Site) -> None:
    job = await site.submit()
    path = f"/jobs/{job.job_id}/follow"
    for headers in (
        {},
        sign("client", "POST", path),
        sign("client", "GET", "/jobs"),
        sign("client", "GET", path, now=9),
    ):
        with pytest.raises(ConnectionRejected) as rejection:
            async with site.websocket(path, headers=headers):
                pass
        assert rejection.value.status_code == 401


async def test_unknown_path_and_plain_request(site: Site) -> None:
    with pytest.raises(ConnectionRejected) as rejection:
        async with site.websocket("/nothing"):
            pass
    assert rejection.value.status_code == 404


async def test_operation_that_fails_later(site: Site) -> None:
    job = await site.submit()
    async with following(site, job.job_id) as connection:
        await connection.get_message()
        site.operations.failure = Unavailable("the job is being moved")
        site.operations.change()
        await connection.send_message("{}")
        await collect(connection)
    assert closed(connection) == (1011, "the job is being moved")


async def test_a_database_that_is_gone_ends_no_follower(site: Site) -> None:
    job = await site.submit()
    async with following(site, job.job_id) as connection:
        await connection.get_message()
        site.operations.failure = StoreUnavailable("nobody there")
        site.operations.write(job.job_id, Kind.STDOUT, b"meanwhile")
        await connection.send_message("{}")
        await wait_all_tasks_blocked(0.1)
        site.operations.failure = None
        site.operations.end(job.job_id)
        found = await collect(connection)
    assert b"".join(frame.payload for frame in found if frame.kind is Kind.STDOUT) == b"meanwhile"
    assert closed(connection) == (1000, "the job has ended")


async def test_defect_is_logged_and_not_told(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    job = await site.submit()
    async with following(site, job.job_id) as connection:
        await connection.get_message()
        site.operations.failure = ZeroDivisionError("secret")
        await connection.send_message("{}")
        await collect(connection)
    assert closed(connection) == (1011, "internal error")
    assert "ZeroDivisionError" in caplog.text


async def test_abrupt_end_leaves_nothing(site: Site) -> None:
    job = await site.submit()
    for _ in range(5):
        async with following(site, job.job_id) as connection:
            await connection.get_message()
            await trio.aclose_forcefully(connection._stream)
    with trio.fail_after(20):
        while site.server.connections:
            await trio.lowlevel.checkpoint()


async def test_silent_follower(autojump_clock: trio.testing.MockClock) -> None:
    autojump_clock.autojump_threshold = 0.05
    async with serving() as site:
        job = await site.submit(heartbeat_interval=40.0)
        began = trio.current_time()
        async with following(site, job.job_id) as connection:
            await collect(connection)
        assert closed(connection)[0] == 1011
        assert 120 <= trio.current_time() - began < 125


async def test_follower_that_does_not_read(autojump_clock: trio.testing.MockClock) -> None:
    """It is cut off after the write time-out, and until then nothing piles up for it."""
    autojump_clock.autojump_threshold = 0.05
    async with serving(write_timeout=60.0) as site:
        job = await site.submit()
        site.operations.write(job.job_id, Kind.STDOUT, bytes(64 << 20))
        path = f"/jobs/{job.job_id}/follow"
        async with await site.connect(receive_buffer=65536) as stream, trio.open_nursery() as nursery:
            connection = await trio_websocket.wrap_client_stream(
                nursery,
                stream,
                "127.0.0.1",
                path,
                extra_headers=[(k.encode(), v.encode()) for k, v in sign("client", "GET", path).items()],
                message_queue_size=0,
            )
            await connection.send_message("{}")
            began = trio.current_time()
            while site.server.connections:
                await connection.send_message("{}")
                await trio.sleep(1)
            assert 55 <= trio.current_time() - began < 70
            nursery.cancel_scope.cancel()


def _frame(data: bytes, eof: bool) -> Frame:
    return Frame(Kind.STDOUT, 1, 7, data, eof=eof)


@given(st.lists(st.tuples(st.integers(0, 3 << 20), st.booleans()), max_size=4))
def test_messages_hold_all_and_are_small(sizes: list[tuple[int, bool]]) -> None:
    given_frames = [_frame(bytes(size), eof) for size, eof in sizes]
    packed = [b"".join(parts) for parts in messages(given_frames)]
    assert all(len(message) <= MAX_MESSAGE for message in packed)
    parts = [frame for message in packed for frame in frames.decode_all(message)]
    position = 0
    for whole in given_frames:
        size = 0
        while True:
            part = parts[position]
            position += 1
            assert part.offset == whole.offset + size
            size += len(part.payload)
            if size == len(whole.payload):
                assert part.eof == whole.eof
                break
            assert not part.eof
    assert position == len(parts)


def test_progress_is_complete_with_the_final_status() -> None:
    progress = Progress(Position())
    for frame, new in (
        (Frame(Kind.STATUS, 1, 0, b'{"status":"running"}'), True),
        (Frame(Kind.STDOUT, 1, 0, b"ab"), True),
        (Frame(Kind.STDOUT, 1, 0, b"ab"), False),
        (Frame(Kind.STATUS, 2, 0, b'{"status":"running"}'), True),
        (Frame(Kind.OUTPUT, 2, 0, b"c", descriptor=3), True),
        (Frame(Kind.STDOUT, 2, 0, b"abc", eof=True), True),
        (frames.acknowledgement(0, 2, 5, 4), True),
    ):
        assert progress.sent([frame]) is new
        assert not progress.complete
    assert progress.cursor == Position(attempt=2, stdout=3, others={3: 1}, status="running")
    assert progress.heard == {0: (4, False)}
    assert progress.sent([Frame(Kind.STATUS, 2, 0, b'{"status":"completed"}')])
    assert progress.complete
