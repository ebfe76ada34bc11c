"""WebSockets that are passed on to the coordinator that is home to what they are about."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import cast

import pytest
import trio
import trio.testing
import trio_websocket
from trio_websocket import ConnectionClosed, ConnectionRejected

from dffmpeg.actors.coordinator.operations import Elsewhere, Unavailable
from dffmpeg.errors import Refused
from dffmpeg.wire import codec, frames
from dffmpeg.wire.frames import Frame, Kind
from dffmpeg.wire.jobs import JobRecord, Position, StatusReply
from dffmpeg.wire.workers import DownlinkMessage
from tests.web.conftest import code_of, raw, sign
from tests.web.pairs import PATIENCE, Pair, pair, to_the_end
from tests.web.test_authentication import restrict, status_of


@pytest.fixture
async def both() -> AsyncIterator[Pair]:
    async with pair() as made:
        yield made


# WebSockets


async def test_a_follower_elsewhere(both: Pair) -> None:
    job_id = await both.job()
    async with both.edge.websocket(f"/jobs/{job_id}/follow") as follower:
        await follower.send_message(codec.encode(Position()).decode())
        (first,) = frames.decode_all(cast("bytes", await follower.get_message()))
        assert codec.decode(first.payload, JobRecord).job_id == job_id
        # More than a connection holds, in messages of different sizes.
        data = bytes(range(256)) * 40_000
        both.home.operations.write(job_id, Kind.STDOUT, data)
        both.home.operations.end(job_id)
        found, closed = await to_the_end(follower)
        assert found == data
        assert (closed.code, closed.reason) == (1000, "the job has ended")
    assert both.home.operations.departures == []


async def test_a_workers_link_elsewhere(both: Pair) -> None:
    both.edges.workers["worker"] = "02HOME"
    async with both.edge.websocket("/worker/worker/downlink", "worker") as connection:
        sent = both.home.operations.post("worker")
        assert codec.decode(await connection.get_message(), DownlinkMessage) == sent
        await connection.send_message("ping")
        assert await connection.get_message() == "pong"
        # The other one answers pings of the protocol, too.
        with trio.fail_after(PATIENCE):
            await connection.ping()
    await both.home.operations.detached.wait()
    assert not both.edge.operations.attached


async def test_close_codes_are_the_others(both: Pair) -> None:
    job_id = await both.job()
    async with both.edge.websocket(f"/jobs/{job_id}/follow") as follower:
        await follower.send_message(b"bytes where text was expected")
        with pytest.raises(ConnectionClosed) as closed:
            await follower.get_message()
        assert code_of(closed.value) == 1003


async def test_a_refused_handshake_is_the_others(both: Pair) -> None:
    both.edges.jobs["nothing"] = "02HOME"
    with pytest.raises(ConnectionRejected) as rejected:
        async with both.edge.websocket("/jobs/nothing/follow"):
            pass
    assert rejected.value.status_code == 404
    assert rejected.value.body is not None
    assert b"nothing" in rejected.value.body


async def test_a_client_that_leaves_is_noticed_there(both: Pair) -> None:
    job_id = await both.job()
    async with both.edge.websocket(f"/jobs/{job_id}/follow") as follower:
        await follower.send_message("{}")
        await follower.get_message()
    with trio.fail_after(PATIENCE):
        await both.home.operations.until(lambda: bool(both.home.operations.departures))
    assert both.home.operations.departures[0][2]


async def test_when_this_one_stops_clients_are_told_to_come_again(both: Pair) -> None:
    job_id = await both.job()
    async with both.edge.websocket(f"/jobs/{job_id}/follow") as follower:
        await follower.send_message("{}")
        await follower.get_message()
        both.edge.tree.stop()
        with pytest.raises(ConnectionClosed) as closed:
            await follower.get_message()
        assert code_of(closed.value) == 1012
    with trio.fail_after(PATIENCE):
        await both.home.operations.until(lambda: bool(both.home.operations.departures))


async def test_a_stop_in_the_middle_of_a_large_message(both: Pair) -> None:
    """What has begun is sent to its end, and only then that it ends."""
    job_id = await both.job()
    data = bytes(range(256)) * 4000
    async with await both.edge.connect(receive_buffer=4096) as stream:
        headers = {
            **sign("client", "GET", f"/jobs/{job_id}/follow"),
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        }
        request = raw("GET", f"/jobs/{job_id}/follow", headers).replace(
            b"Connection: close", b"Connection: Upgrade"
        )
        await stream.send_all(request + b"")
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += await stream.receive_some()
        assert b"s3pPLMBiTxaQ9kYGzhTxZo2QfSk" in answer or b"sec-websocket-accept" in answer.lower()
        await stream.send_all(b"\x81\x82\0\0\0\0{}")
        both.home.operations.write(job_id, Kind.STDOUT, data)
        received = answer.partition(b"\r\n\r\n")[2]
        while len(received) < 100_000:
            received += await stream.receive_some()
        both.edge.tree.stop()
        while part := await stream.receive_some():
            received += part
    sizes, codes = [], []
    while received:
        opcode, length, header = received[0] & 15, received[1], 2
        if length > 125:
            width = 2 if length == 126 else 8
            length, header = int.from_bytes(received[2 : 2 + width], "big"), 2 + width
        payload, received = received[header : header + length], received[header + length :]
        assert len(payload) == length
        sizes.append(length)
        if opcode == 8:
            codes.append(int.from_bytes(payload[:2], "big"))
    assert codes == [1012]
    assert sum(sizes) > len(data)


async def test_when_the_other_one_breaks_off_clients_are_told_to_come_again(both: Pair) -> None:
    job_id = await both.job()
    async with both.edge.websocket(f"/jobs/{job_id}/follow") as follower:
        await follower.send_message("{}")
        await follower.get_message()
        for connection in tuple(both.home.server._open):
            connection.abort()
        with pytest.raises(ConnectionClosed) as closed:
            await follower.get_message()
        assert code_of(closed.value) == 1012


async def test_a_job_that_comes_to_be_elsewhere_ends_its_follower_in_good_order(both: Pair) -> None:
    job_id = (await both.edge.submit()).job_id
    async with both.edge.websocket(f"/jobs/{job_id}/follow") as follower:
        await follower.send_message("{}")
        await follower.get_message()

        async def follow(
            who: object, job_id: str, cursor: Position, ear: object = None, *, outputs: object = None
        ) -> list[Frame]:
            raise Elsewhere("it has been assigned to another's worker")

        both.edge.operations.follow = follow  # type: ignore[method-assign]
        both.edge.operations.write(job_id, Kind.STDOUT, b"wake")
        await follower.get_message()
        with pytest.raises(ConnectionClosed) as closed:
            await follower.get_message()
        assert code_of(closed.value) == 1012
        assert closed.value.reason is not None
        assert "another" in str(closed.value.reason.reason)


async def test_whoever_does_not_read_holds_up_the_other_side(both: Pair) -> None:
    job_id = await both.job()
    much = 64 << 20
    async with await both.edge.connect(receive_buffer=4096) as stream, trio.open_nursery() as nursery:
        connection = await trio_websocket.wrap_client_stream(
            nursery,
            stream,
            "127.0.0.1",
            f"/jobs/{job_id}/follow",
            extra_headers=[
                (name.encode(), value.encode())
                for name, value in sign("client", "GET", f"/jobs/{job_id}/follow").items()
            ],
            message_queue_size=1,
            max_message_size=16 << 20,
        )
        await connection.send_message("{}")
        await connection.get_message()
        both.home.operations.write(job_id, Kind.STDOUT, bytes(much))
        await trio.testing.wait_all_tasks_blocked(0.2)
        # It asked once for what it is still sending, and for no more.
        assert both.home.operations.all[job_id].record.status == "pending"
        both.home.operations.end(job_id)
        found, _ = await to_the_end(connection)
        assert len(found) == much


async def test_behind_the_proxy_protocol_they_speak_it_too() -> None:
    config = {"proxy_protocol": True, "security": {"trusted_proxies": ["127.0.0.1"]}}
    async with pair(edge=config, home=config) as both:
        job_id = "job"
        both.edges.jobs[job_id] = "02HOME"
        path = f"/jobs/{job_id}/cancel"
        begin = b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n"
        restrict(both.home, "10.0.0.0/8")
        answer = await both.edge.exchange(begin + raw("POST", path, sign("client", "POST", path)))
        # It is let pass there, by the address that the proxy named here.
        assert status_of(answer) == 404
        restrict(both.home, "127.0.0.0/8")
        answer = await both.edge.exchange(begin + raw("POST", path, sign("client", "POST", path)))
        assert status_of(answer) == 401


async def test_a_refusal_of_its_own_is_passed_on_with_its_time(both: Pair) -> None:
    job_id = await both.job()

    async def cancel(who: object, job_id: str) -> StatusReply:
        raise Unavailable("not now", retry_after=7.0)

    both.home.operations.cancel = cancel  # type: ignore[method-assign]
    async with both.edge.http() as http:
        with pytest.raises(Refused) as refused:
            await http.request("POST", f"/jobs/{job_id}/cancel")
    assert (refused.value.status, refused.value.retry_after, refused.value.detail) == (503, 7.0, "not now")
