"""The server itself: how it starts, how it stops, and what one bad connection cannot do."""

from __future__ import annotations

import msgspec
import pytest
import trio
from trio.testing import MockClock
from trio_websocket import ConnectionClosed

from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.errors import ConfigurationError
from dffmpeg.supervisors import ChildSpec, Supervisor, SupervisorFailure, open_tree
from dffmpeg.web import WebServer, create_app
from dffmpeg.wire.frames import Kind
from tests.web.conftest import Site, code_of, raw, read_all, read_until, serving, sign
from tests.web.memory import MemoryIdentities, MemoryOperations
from tests.web.test_authentication import status_of

GRACE = 3.0


@pytest.fixture
def clock(autojump_clock: MockClock) -> MockClock:
    """Jumps only if the sockets have been quiet for a moment too."""
    autojump_clock.autojump_threshold = 0.05
    return autojump_clock


async def stop(site: Site) -> float:
    """Stop and wait; returns the seconds that it took."""
    began = trio.current_time()
    site.tree.stop()
    await site.tree.wait()
    assert site.server.connections == 0
    return trio.current_time() - began


async def test_stop_without_connections(clock: MockClock) -> None:
    async with serving() as site:
        port = site.server.port
        assert await stop(site) == 0
        with pytest.raises(OSError):
            await trio.open_tcp_stream("127.0.0.1", port)


async def test_stop_with_idle_connections(clock: MockClock) -> None:
    async with serving() as site, await site.connect() as silent, await site.connect() as used:
        await used.send_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        await read_until(used, b"}")
        while site.server.connections < 2:
            await trio.lowlevel.checkpoint()
        assert await stop(site) == 0
        assert await read_all(silent) == await read_all(used) == b""


async def test_stop_closes_websockets_with_1012(clock: MockClock) -> None:
    async with serving() as site:
        job = await site.submit()
        async with (
            site.websocket(f"/jobs/{job.job_id}/follow") as follower,
            site.websocket("/worker/worker/downlink", "worker") as downlink,
            # One that has not even said where it begins.
            site.websocket(f"/jobs/{job.job_id}/follow") as silent,
        ):
            await follower.send_message("{}")
            await follower.get_message()
            assert await stop(site) < 0.5
            for connection in (follower, downlink, silent):
                with pytest.raises(ConnectionClosed) as end:
                    await connection.get_message()
                assert code_of(end.value) == 1012
        assert not site.operations.attached


async def test_stop_ends_polls_and_streams(clock: MockClock) -> None:
    async with serving() as site:
        answers: list[bytes] = []

        async def ask(headers: dict[str, str]) -> None:
            signed = sign("worker", "GET", "/poll/worker?wait=60")
            answers.append(await site.exchange(raw("GET", "/poll/worker?wait=60", signed | headers)))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, {})
            nursery.start_soon(ask, {"Accept": "application/x-ndjson"})
            while len(site.app.closing._scopes) < 2:
                await trio.lowlevel.checkpoint()
            assert await stop(site) < 0.5
    assert sorted(answer.endswith(b'{"messages":[]}') for answer in answers) == [False, True]
    assert all(status_of(answer) == 200 for answer in answers)
    assert any(answer.endswith(b"\r\n0\r\n\r\n") for answer in answers)


async def test_request_under_way_is_finished(clock: MockClock) -> None:
    async with serving() as site:
        job = await site.submit()
        site.operations.hold = trio.Event()
        site.operations.entered = trio.Event()
        answers: list[bytes] = []

        async def ask() -> None:
            path = f"/jobs/{job.job_id}/status"
            request = raw("GET", path, sign("client", "GET", path)).replace(b"Connection: close\r\n", b"")
            answers.append(await site.exchange(request))

        async def release() -> None:
            await trio.sleep(GRACE / 2)
            site.operations.hold.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await site.operations.entered.wait()
            nursery.start_soon(release)
            assert await stop(site) == pytest.approx(GRACE / 2, abs=0.5)
    assert status_of(answers[0]) == 200


async def test_request_that_does_not_finish_is_cut_off(clock: MockClock) -> None:
    async with serving() as site:
        job = await site.submit()
        site.operations.hold = trio.Event()
        path = f"/jobs/{job.job_id}/status"
        async with await site.connect() as stream:
            await stream.send_all(raw("GET", path, sign("client", "GET", path)))
            site.operations.entered = trio.Event()
            await site.operations.entered.wait()
            assert await stop(site) == pytest.approx(GRACE, abs=0.5)
            assert await read_all(stream) == b""


async def test_held_output_is_put_off(clock: MockClock) -> None:
    async with serving() as site:
        job = await site.submit()
        site.operations.hold, site.operations.entered = trio.Event(), trio.Event()
        path = f"/jobs/{job.job_id}/output"
        async with await site.connect() as stream:
            await stream.send_all(raw("POST", path, sign("worker", "POST", path)))
            await site.operations.entered.wait()
            assert await stop(site) < 0.5
            answer = await read_all(stream)
    assert status_of(answer) == 503
    assert b"retry-after: 1" in answer.lower()


async def test_health_says_that_it_stops(clock: MockClock) -> None:
    async with serving() as site:
        site.operations.hold, site.operations.entered = trio.Event(), trio.Event()
        answers: list[bytes] = []

        async def ask() -> None:
            answers.append(await site.exchange(raw("GET", "/health", {})))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await site.operations.entered.wait()
            site.tree.stop()
            await trio.testing.wait_all_tasks_blocked()
            site.operations.hold.set()
            await site.tree.wait()
    assert status_of(answers[0]) == 503
    assert b'"status":"shutdown"' in answers[0]


async def stuffed(site: Site, stream: trio.SocketStream) -> None:
    """Ask for much on a connection and read none of it, until the server is stuck in writing."""
    job = await site.submit()
    site.operations.write(job.job_id, Kind.STDOUT, bytes(64 << 20))
    path = f"/jobs/{job.job_id}/follow"
    site.operations.entered = trio.Event()
    await stream.send_all(raw("POST", path, sign("client", "POST", path)))
    await site.operations.entered.wait()
    await trio.testing.wait_all_tasks_blocked(0.05)


async def test_client_that_does_not_read_cannot_hold_the_stop(clock: MockClock) -> None:
    async with serving() as site, await site.connect(receive_buffer=65536) as stream:
        await stuffed(site, stream)
        assert await stop(site) == pytest.approx(GRACE, abs=0.5)


async def test_client_that_does_not_read_cannot_hold_a_cancelation(clock: MockClock) -> None:
    """The supervisor's own patience is shorter than the grace here."""
    async with serving(shutdown=0.5) as site, await site.connect(receive_buffer=65536) as stream:
        await stuffed(site, stream)
        assert await stop(site) == pytest.approx(0.5, abs=0.4)


async def test_client_that_does_not_read_is_cut_off(clock: MockClock) -> None:
    async with serving(write_timeout=10.0) as site, await site.connect(receive_buffer=65536) as stream:
        began = trio.current_time()
        await stuffed(site, stream)
        while site.server.connections:  # noqa: ASYNC110
            await trio.sleep(0.5)
        assert 8 < trio.current_time() - began < 62


async def test_client_that_reads_slowly_is_served(clock: MockClock) -> None:
    async with serving(write_timeout=10.0) as site, await site.connect(receive_buffer=65536) as stream:
        await stuffed(site, stream)
        size = pause = 0
        while part := await stream.receive_some(4 << 20):
            size += len(part)
            if size - pause > 4 << 20:
                pause = size
                await trio.sleep(5)
        assert size > 64 << 20


async def test_headers_that_never_end(clock: MockClock) -> None:
    async with serving() as site, await site.connect() as stream:
        began = trio.current_time()
        await stream.send_all(b"GET /health HTTP/1.1\r\n")
        assert status_of(await read_all(stream)) == 408
        assert 9 < trio.current_time() - began < 12


async def test_failure_in_one_connection_ends_it_alone(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    async with await site.connect() as bystander:
        await bystander.send_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        await read_until(bystander, b"}")
        whole, site.server._worker.mark_request = site.server._worker.mark_request, fail  # type: ignore[method-assign]
        await site.exchange(raw("GET", "/health", {}))
        site.server._worker.mark_request = whole  # type: ignore[method-assign]
        await bystander.send_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        await read_until(bystander, b"}")
    assert "ZeroDivisionError" in caplog.text


async def test_thousands_of_requests_on_one_connection(site: Site) -> None:
    async with await site.connect() as stream:
        for _ in range(1100):
            await stream.send_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = await stream.receive_some(65536)
            while not answer.endswith(b"}"):
                answer += await stream.receive_some(65536)
            assert b"connection: close" not in answer.lower()


async def test_disconnect_before_the_answer_is_quiet(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    job = await site.submit()
    site.operations.hold = trio.Event()
    for path, name in ((f"/jobs/{job.job_id}/status", "client"), ("/poll/worker", "worker")):
        site.operations.entered = trio.Event()
        stream = await site.connect()
        await stream.send_all(raw("GET", path, sign(name, "GET", path)))
        if name == "client":
            await site.operations.entered.wait()
        await stream.aclose()
    with trio.fail_after(20):
        while site.server.connections:
            await trio.lowlevel.checkpoint()
    assert [record for record in caplog.records if record.exc_info] == []


async def test_connections_are_limited() -> None:
    async with serving({"limits": {"live_jobs": 1, "workers": 1}}) as site:
        site.server._limit = 1
        async with await site.connect() as stream:
            await stream.send_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            await read_until(stream, b"}")
            assert await site.exchange(b"") == b""


async def test_port_in_use(site: Site) -> None:
    settings = msgspec.convert({"port": site.server.port}, CoordinatorConfig)
    app = create_app(MemoryOperations(), MemoryIdentities(), settings)
    root = Supervisor([ChildSpec("web", start=lambda: WebServer(app, settings))], intensity=0)
    with pytest.raises(SupervisorFailure) as failure:
        async with open_tree(root, name="coordinator"):
            pass
    assert "cannot listen on 127.0.0.1 port" in _text(failure.value)
    assert isinstance(_leaf(failure.value), ConfigurationError)


def _leaf(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error if isinstance(error, ConfigurationError) else error.__cause__ or error


def _text(error: BaseException) -> str:
    return str(_leaf(error))


async def test_bound_port_is_told_before_ready() -> None:
    settings = msgspec.convert({"port": 0}, CoordinatorConfig)
    app = create_app(MemoryOperations(), MemoryIdentities(), settings)
    ports: list[int] = []
    root = Supervisor([ChildSpec("web", start=lambda: WebServer(app, settings, bound=ports.append))])
    async with (
        open_tree(root, name="coordinator"),
        await trio.open_tcp_stream("127.0.0.1", ports[0]) as stream,
    ):
        await stream.send_all(raw("GET", "/health", {}))
        assert status_of(await read_all(stream)) == 200
