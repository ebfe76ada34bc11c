"""Two coordinators: what is about a job or a worker of the other one is passed on to it, and only that."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import httpx
import pytest
import trio
import trio.testing
import trio_websocket
from trio.testing import MockClock
from trio_websocket import CloseReason, ConnectionClosed, ConnectionRejected, WebSocketConnection

from dffmpeg.actors.coordinator.operations import Elsewhere, Unavailable
from dffmpeg.errors import Refused
from dffmpeg.model.membership import Member
from dffmpeg.wire import codec, forwarding, frames
from dffmpeg.wire.forwarding import Passage
from dffmpeg.wire.frames import Frame, Kind
from dffmpeg.wire.jobs import JobRecord, Position, StatusReply
from dffmpeg.wire.workers import DownlinkMessage, RegisterReply, RegisterRequest
from tests.web.conftest import Site, code_of, raw, serving, sign
from tests.web.test_authentication import restrict, status_of

SECRET = "shared by all coordinators of this cluster"
PATIENCE = 60.0


class Town:
    """Who is home to what, as one coordinator sees it."""

    def __init__(self, me: str) -> None:
        self.me = me
        self.others: dict[str, Member] = {}
        self.jobs: dict[str, str] = {}
        self.workers: dict[str, str] = {}
        self.asked = 0

    def members(self) -> Mapping[str, Member]:
        return {self.me: Member(self.me, None, "active"), **self.others}

    async def home_of_worker(self, worker_id: str, *, claim: bool) -> Member | None:
        self.asked += 1
        return self.others.get(self.workers.get(worker_id, self.me))

    async def home_of_job(self, job_id: str) -> Member | None:
        self.asked += 1
        return self.others.get(self.jobs.get(job_id, self.me))


@dataclass
class Pair:
    """Both, of which `edge` takes the requests and `home` has the job."""

    edge: Site
    home: Site
    edges: Town
    homes: Town

    async def job(self, name: str = "client") -> str:
        """A live job of the second one's, which the first knows of."""
        job_id = (await self.home.submit(name)).job_id
        self.edges.jobs[job_id] = self.homes.me
        return job_id

    def misled(self, job_id: str) -> None:
        """The other one sees the first one as the home, which so is nobody's."""
        self.homes.jobs[job_id] = self.edges.me


@asynccontextmanager
async def pair(
    *, edge: dict[str, Any] | None = None, home: dict[str, Any] | None = None, secret: str = SECRET
) -> AsyncIterator[Pair]:
    first, second = Town("01EDGE"), Town("02HOME")
    async with (
        serving({"cluster": {"secret": SECRET}, **(home or {})}, neighbours=second) as there,
        serving({"cluster": {"secret": secret}, **(edge or {})}, neighbours=first) as here,
    ):
        first.others["02HOME"] = Member("02HOME", there.url, "active")
        second.others["01EDGE"] = Member("01EDGE", here.url, "active")
        yield Pair(here, there, first, second)


async def to_the_end(follower: WebSocketConnection) -> tuple[bytes, CloseReason]:
    """What comes of stdout, and how it ends."""
    found: list[bytes] = []
    while True:
        try:
            message = await follower.get_message()
        except ConnectionClosed as closed:
            return b"".join(found), cast("CloseReason", closed.reason)
        assert isinstance(message, bytes)
        found += (frame.payload for frame in frames.decode_all(message) if frame.kind is Kind.STDOUT)


@pytest.fixture
async def both() -> AsyncIterator[Pair]:
    async with pair() as made:
        yield made


# Requests


async def test_a_request_about_a_job_elsewhere(both: Pair) -> None:
    job_id = await both.job()
    async with both.edge.http() as http:
        reply = await http.call("POST", f"/jobs/{job_id}/cancel", StatusReply)
        again = await http.call("POST", f"/jobs/{job_id}/cancel", StatusReply)
    assert (reply.detail, again.detail) == (None, "the job was canceled already")
    assert both.home.operations.all[job_id].record.status == "canceled"
    assert job_id not in both.edge.operations.all


async def test_what_stands_in_rows_is_answered_here(both: Pair) -> None:
    job_id = await both.job()
    async with both.edge.http() as http:
        with pytest.raises(Refused) as refused:
            await http.request("GET", f"/jobs/{job_id}/status")
    # Here each has rows of its own.
    assert refused.value.status == 404
    assert both.edges.asked == 0


async def test_body_query_and_answer_are_the_same(both: Pair) -> None:
    job_id = await both.job()
    both.edges.workers["worker"] = "02HOME"
    data = bytes(range(256)) * 4096
    output = frames.encode(Frame(Kind.STDOUT, 1, 0, data, eof=True))
    async with both.edge.http("worker") as http:
        await http.request("POST", f"/jobs/{job_id}/output", body=output)
        sent = both.home.operations.post("worker")
        answer = await http.request("GET", "/poll/worker", query={"wait": "0"})
        assert json.loads(answer)["messages"][0]["message_id"] == sent.message_id
        query = {"wait": "0", "last_message_id": sent.message_id}
        assert json.loads(await http.request("GET", "/poll/worker", query=query)) == {"messages": []}
    assert bytes(both.home.operations.all[job_id].streams[Kind.STDOUT].data) == data
    async with both.edge.http() as http:
        position = Position(owner=True)
        both.home.operations.end(job_id)
        assert (await http.request("POST", f"/jobs/{job_id}/follow", json=position)).startswith(output[:20])


async def test_head_is_what_get_is(both: Pair) -> None:
    both.edges.workers["worker"] = "02HOME"
    for _ in range(2):
        signed = sign("worker", "HEAD", "/poll/worker")
        answer = await both.edge.exchange(raw("HEAD", "/poll/worker?wait=0", signed))
        assert status_of(answer) == 200
        assert answer.endswith(b"\r\n\r\n")
    assert both.home.server.connections == 1


async def test_a_worker_registers_where_its_home_is(both: Pair) -> None:
    request = RegisterRequest(
        worker_id="worker", capabilities=[], binaries=["ffmpeg"], paths=[], supported_transports=["websocket"]
    )
    both.edges.workers["worker"] = "02HOME"
    async with both.edge.http("worker") as http:
        await http.call("POST", "/worker/register", RegisterReply, json=request)
    assert "worker" in both.home.operations.known_workers
    assert "worker" not in both.edge.operations.known_workers


async def test_refusals_are_the_others(both: Pair) -> None:
    job_id = await both.job("other")
    both.home.operations.failure = None
    async with both.edge.http() as http:
        with pytest.raises(Refused) as refused:
            await http.request("POST", f"/jobs/{job_id}/cancel")
    assert refused.value.status == 403
    async with httpx.AsyncClient() as client:
        path = f"/jobs/{job_id}/cancel"
        wrong = await client.post(both.edge.url + path, headers=sign("client", "POST", "/elsewhere"))
    assert wrong.status_code == 401


async def test_a_stream_of_lines_passes_as_it_comes(both: Pair) -> None:
    both.edges.workers["worker"] = "02HOME"
    headers = {**sign("worker", "GET", "/poll/worker"), "accept": "application/x-ndjson"}
    with trio.fail_after(PATIENCE):
        async with (
            httpx.AsyncClient() as client,
            client.stream("GET", f"{both.edge.url}/poll/worker?wait=1", headers=headers) as answer,
        ):
            assert answer.headers["x-accel-buffering"] == "no"
            lines = answer.aiter_lines()
            assert await anext(lines) == ""
            for _ in range(3):
                sent = both.home.operations.post("worker")
                line = await anext(lines)
                assert json.loads(line)["messages"][0]["message_id"] == sent.message_id
            both.home.operations.failure = Unavailable("later")
            both.home.operations.change()
            assert [line async for line in lines if line] == []


async def test_unsigned_requests_are_never_passed_on(both: Pair) -> None:
    both.edges.jobs["job"] = "02HOME"
    path = "/jobs/job/cancel"
    for headers in (
        {},
        sign("client", "POST", path, b"another body"),
        sign("client", "POST", path, now=1.0),
        sign("worker", "POST", path),
    ):
        answer = await both.edge.exchange(raw("POST", path, headers, b"body"))
        assert status_of(answer) in (401, 403)
    with pytest.raises(ConnectionRejected) as rejected:
        async with both.edge.websocket("/jobs/job/follow", headers=sign("client", "GET", "/")):
            pass
    assert rejected.value.status_code == 401
    assert both.edges.asked == 0
    assert both.home.server.connections == 0


async def test_a_body_that_is_too_large_is_not_passed_on() -> None:
    async with pair(edge={"limits": {"body": 65536}}) as both:
        job_id = await both.job()
        async with both.edge.http() as http:
            with pytest.raises(Refused) as refused:
                await http.request("POST", f"/jobs/{job_id}/follow", body=bytes(65537))
        assert refused.value.status == 413
        assert both.edges.asked == 0


# Whom it came from


async def test_the_first_ones_address_counts(both: Pair) -> None:
    job_id = await both.job()
    for trusting, networks, status in (
        (["127.0.0.1"], ("10.0.0.0/8",), 200),
        (["127.0.0.1"], ("127.0.0.0/8",), 401),
        ([], ("127.0.0.0/8",), 200),
    ):
        async with pair(edge={"security": {"trusted_proxies": trusting}}) as made:
            job_id = await made.job()
            restrict(made.home, *networks)
            headers = {**sign("client", "POST", f"/jobs/{job_id}/cancel"), "x-forwarded-for": "10.0.0.1"}
            answer = await made.edge.exchange(raw("POST", f"/jobs/{job_id}/cancel", headers))
            assert status_of(answer) == status


async def test_nobody_else_can_say_where_a_request_came_from(both: Pair) -> None:
    job_id = await both.job()
    restrict(both.home, "10.0.0.0/8")
    path = f"/jobs/{job_id}/cancel"
    signed = sign("client", "POST", path)
    passage = Passage("01EDGE", "02HOME", "10.0.0.1")

    async def status(key: bytes, *, signature: str = "", to: str = path, what: Passage = passage) -> int:
        signature = signature or signed["x-dffmpeg-signature"]
        sealed = forwarding.seal(key, what, "POST", to.encode(), signature)
        headers = {**signed, forwarding.HEADER: sealed}
        return status_of(await both.home.exchange(raw("POST", path, headers)))

    ours = forwarding.key_of(SECRET)
    assert await status(forwarding.key_of("another secret of the same length or so")) == 401
    assert await status(ours, signature="another request's") == 401
    assert await status(ours, to=f"{path}?monitor=1") == 401
    # Sealed for another coordinator, it is not this one's to answer.
    assert await status(ours, what=Passage("01EDGE", "03OTHER", "10.0.0.1")) == 421
    assert both.home.operations.all[job_id].record.status == "pending"
    assert await status(ours) == 200
    doubled = {**signed, forwarding.HEADER: forwarding.seal(ours, passage, "POST", path.encode(), "x")}
    twice = raw("POST", path, {**doubled, forwarding.HEADER.title(): "v1 a b - x"})
    assert status_of(await both.home.exchange(twice)) == 401


async def test_the_header_means_nothing_where_there_is_no_secret(site: Site) -> None:
    headers = {**sign("client", "GET", "/jobs"), forwarding.HEADER: "v1 a b - AAAA"}
    assert status_of(await site.exchange(raw("GET", "/jobs", headers))) == 401


async def test_secrets_that_differ_are_refused_and_never_go_round() -> None:
    async with pair(secret="another secret than that of the other one") as both:
        job_id = await both.job()
        both.misled(job_id)
        async with both.edge.http() as http:
            with pytest.raises(Refused, match="same at all coordinators"):
                await http.request("POST", f"/jobs/{job_id}/cancel")
        assert both.homes.asked == 0


# When it does not work


async def test_nothing_goes_round(both: Pair, autojump_clock: MockClock) -> None:
    autojump_clock.autojump_threshold = 0.05
    job_id = await both.job()
    both.misled(job_id)
    async with both.edge.http() as http:
        with pytest.raises(Refused) as refused:
            await http.request("POST", f"/jobs/{job_id}/cancel")
    assert (refused.value.status, refused.value.retry_after) == (503, 1.0)
    # Each try asked the other one once, and that one nobody.
    assert both.edges.asked == both.homes.asked == 4
    with pytest.raises(ConnectionRejected) as rejected:
        async with both.edge.websocket(f"/jobs/{job_id}/follow"):
            pass
    assert rejected.value.status_code == 503


async def test_a_home_that_moves_meanwhile_is_found(both: Pair, autojump_clock: MockClock) -> None:
    autojump_clock.autojump_threshold = 0.05
    job_id = await both.job()
    both.misled(job_id)
    async with trio.open_nursery() as nursery:

        async def settle() -> None:
            await trio.sleep(0.2)
            del both.homes.jobs[job_id]

        nursery.start_soon(settle)
        async with both.edge.http() as http:
            await http.call("POST", f"/jobs/{job_id}/cancel", StatusReply)


async def test_what_turns_out_to_be_elsewhere_is_passed_on(both: Pair, autojump_clock: MockClock) -> None:
    autojump_clock.autojump_threshold = 0.05
    job_id = await both.job()
    del both.edges.jobs[job_id]

    async def cancel(who: object, job_id: str) -> StatusReply:
        both.edges.jobs[job_id] = "02HOME"
        raise Elsewhere("it has just been assigned")

    both.edge.operations.cancel = cancel  # type: ignore[method-assign]
    async with both.edge.http() as http:
        assert await http.call("POST", f"/jobs/{job_id}/cancel", StatusReply) == StatusReply()
    assert both.home.operations.all[job_id].record.status == "canceled"


async def test_a_home_that_cannot_be_reached(both: Pair, autojump_clock: MockClock) -> None:
    autojump_clock.autojump_threshold = 0.05
    with trio.socket.socket() as nobody:
        await nobody.bind(("127.0.0.1", 0))
        both.edges.others["03GONE"] = Member(
            "03GONE", f"http://127.0.0.1:{nobody.getsockname()[1]}", "active"
        )
        both.edges.others["04MUTE"] = Member("04MUTE", None, "active")
        for gone in ("03GONE", "04MUTE"):
            both.edges.jobs["job"] = gone
            answer = await both.edge.exchange(
                raw("POST", "/jobs/job/cancel", sign("client", "POST", "/jobs/job/cancel"))
            )
            assert status_of(answer) == 503
            assert b"retry-after: 1\r\n" in answer
            with pytest.raises(ConnectionRejected) as rejected:
                async with both.edge.websocket("/jobs/job/follow"):
                    pass
            assert rejected.value.status_code == 503


async def test_connections_are_kept_and_one_that_was_closed_is_made_again(both: Pair) -> None:
    job_id = await both.job()
    path = f"/jobs/{job_id}/client_heartbeat"
    async with both.edge.http() as http:
        for _ in range(3):
            await http.request("POST", path)
        (kept,) = both.home.server._open
        kept.abort()
        await http.request("POST", path)
    assert both.home.operations.all[job_id].heartbeats == 4


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

        async def follow(who: object, job_id: str, cursor: Position, ear: object = None) -> list[Frame]:
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
