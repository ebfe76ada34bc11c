"""Requests that are passed on to the coordinator that is home to what they are about."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import trio
import trio.testing
from trio.testing import MockClock
from trio_websocket import ConnectionRejected

from dffmpeg import logs
from dffmpeg.actors.coordinator.operations import Elsewhere, Unavailable
from dffmpeg.errors import Refused
from dffmpeg.model.membership import Member
from dffmpeg.wire import forwarding, frames
from dffmpeg.wire.forwarding import Passage
from dffmpeg.wire.frames import Frame, Kind
from dffmpeg.wire.jobs import Position, StatusReply
from dffmpeg.wire.workers import RegisterReply, RegisterRequest
from tests.web.conftest import Site, raw, sign
from tests.web.pairs import PATIENCE, SECRET, Pair, pair
from tests.web.test_authentication import restrict, status_of


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
        signed = sign("worker", "HEAD", "/poll/worker?wait=0")
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
    headers = {**sign("worker", "GET", "/poll/worker?wait=1"), "accept": "application/x-ndjson"}
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

    def passing(to: str = "02HOME", at: float | None = None) -> Passage:
        return Passage("01EDGE", to, "10.0.0.1", time.time() if at is None else at)

    async def status(key: bytes, *, signature: str = "", to: str = path, what: Passage | None = None) -> int:
        signature = signature or signed["x-dffmpeg-signature"]
        sealed = forwarding.seal(key, what or passing(), "POST", to.encode(), signature)
        headers = {**signed, forwarding.HEADER: sealed}
        return status_of(await both.home.exchange(raw("POST", path, headers)))

    ours = forwarding.key_of(SECRET)
    assert await status(forwarding.key_of("another secret of the same length or so")) == 401
    assert await status(ours, signature="another request's") == 401
    assert await status(ours, to=f"{path}?monitor=1") == 401
    # Sealed for another coordinator, it is not this one's to answer.
    assert await status(ours, what=passing("03OTHER")) == 421
    assert both.home.operations.all[job_id].record.status == "pending"
    assert await status(ours, what=passing(at=time.time() - 31)) == 401
    once = passing()
    assert await status(ours, what=once) == 200
    # Captured on its way it is worth nothing, neither sealed nor without the seal.
    assert await status(ours, what=once) == 401
    assert status_of(await both.home.exchange(raw("POST", path, signed))) == 401
    # The one that passed it on may have to do so once more.
    assert await status(ours) == 200
    assert await status(ours, what=Passage("03OTHER", "02HOME", "10.0.0.1", time.time())) == 401
    doubled = {**signed, forwarding.HEADER: forwarding.seal(ours, passing(), "POST", path.encode(), "x")}
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


async def test_a_home_that_cannot_be_reached(
    both: Pair, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "dffmpeg.web.forwarding")
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
    # Of each one line, whatever was tried how often.
    lines = [record.getMessage() for record in caplog.records if record.name == "dffmpeg.web.forwarding"]
    assert [line.split(",")[0] for line in lines] == [
        "coordinator 03GONE cannot be reached",
        "coordinator 04MUTE cannot be reached",
    ]
    assert "ws://" not in caplog.text
    both.edges.others["03GONE"] = Member("03GONE", both.home.url, "active")
    both.edges.jobs["job"] = "03GONE"
    await both.edge.exchange(raw("POST", "/jobs/job/cancel", sign("client", "POST", "/jobs/job/cancel")))
    assert "coordinator 03GONE is reached again" in caplog.text


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


class Lines(logging.Handler):
    """What the lines about requests are about."""

    def __init__(self) -> None:
        super().__init__()
        self.about: list[dict[str, str | int]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.about.append(dict(logs.subject()))


@pytest.fixture
def lines() -> Iterator[Lines]:
    log, found = logging.getLogger("dffmpeg.web.requests"), Lines()
    before = log.level
    log.setLevel(logging.DEBUG)
    log.addHandler(found)
    yield found
    log.removeHandler(found)
    log.setLevel(before)


@pytest.mark.parametrize("given", [{"X-Request-ID": "from-caller"}, {}, {"X-Request-ID": "not one\xff"}])
async def test_the_lines_of_both_coordinators_belong_together(
    both: Pair, lines: Lines, given: dict[str, str]
) -> None:
    job_id = await both.job()
    lines.about.clear()
    path = f"/jobs/{job_id}/cancel"
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = {**sign("client", "POST", path), **given, "traceparent": trace}
    answer = await both.edge.exchange(raw("POST", path, headers))
    assert answer.startswith(b"HTTP/1.1 200")
    edge, home = lines.about
    assert edge == home
    assert edge["trace"] == "0af7651916cd43dd8448eb211c80319c"
    if given == {"X-Request-ID": "from-caller"}:
        assert edge["request"] == "from-caller"
    assert answer.lower().count(f"x-request-id: {edge['request']}\r\n".lower().encode()) == 1
