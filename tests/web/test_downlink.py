"""The worker's WebSocket, and polling."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest
import trio
from trio_websocket import ConnectionClosed, ConnectionRejected, WebSocketConnection

from dffmpeg.actors.coordinator.operations import Unavailable
from dffmpeg.errors import Refused
from dffmpeg.wire import codec, frames, link
from dffmpeg.wire.jobs import StatusReply
from dffmpeg.wire.link import Reply
from dffmpeg.wire.workers import (
    DeregisterRequest,
    DownlinkMessage,
    Messages,
    RegisterReply,
    RegisterRequest,
    VerifyRequest,
    WorkerRecord,
)
from tests.web.conftest import Site, code_of, serving, sign

PATH = "/worker/worker/downlink"


async def test_messages_and_pings(site: Site) -> None:
    async with site.websocket(PATH, "worker") as connection:
        sent = site.operations.post("worker")
        assert codec.decode(await connection.get_message(), DownlinkMessage) == sent
        await connection.send_message("ping")
        assert await connection.get_message() == "pong"
    await site.operations.detached.wait()


async def report(connection: WebSocketConnection, number: int, route: str, job_id: str, body: Any) -> Reply:
    call = {"call": number, "route": route, "job_id": job_id, "body": body}
    await connection.send_message(codec.encode(call).decode())
    return codec.decode(await connection.get_message(), Reply)


async def test_reports_are_answered_as_requests_are(site: Site) -> None:
    job = await site.submit()
    async with site.websocket(PATH, "worker") as connection:
        accepted = await report(connection, 1, "accept", job.job_id, {"attempt": 1})
        again = await report(connection, 2, "accept", job.job_id, {"attempt": 1})
        strange = await report(connection, 3, "heartbeat", job.job_id, {"attempt": "one"})
        missing = await report(connection, 4, "heartbeat", "nothing", {"attempt": 1})
        finished = await report(
            connection, 5, "finish", job.job_id, {"attempt": 1, "status": "completed", "exit_code": 0}
        )
    assert (accepted.reply, accepted.status, accepted.detail) == (1, 200, None)
    assert (again.reply, again.status, again.detail) == (2, 409, "the job is running")
    assert (strange.reply, strange.status) == (3, 422)
    assert (missing.reply, missing.status) == (4, 404)
    assert (finished.reply, finished.status) == (5, 200)
    assert site.operations.all[job.job_id].record.status == "completed"


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ('{"call":1,"route":"register","job_id":"x"}', 1008),
        ("{", 1008),
        ('{"call":1,"route":"accept","job_id":"' + "x" * 70_000 + '"}', 1009),
        (b"x" * 26, 1008),
        (b"\xff" * 100, 1008),
        (link.pack("x" * 26, [frames.output(1, 1, 0, b""), frames.output(1, 2, 0, b"")]), 1008),
        (b"x" * (link.MAX_MESSAGE + 1), 1009),
    ],
    ids=["route", "JSON", "long", "no frames", "no id", "two attempts", "large"],
)
async def test_what_is_no_report_and_no_frame_closes(site: Site, message: str | bytes, code: int) -> None:
    async with site.websocket(PATH, "worker") as connection:
        await connection.send_message(message)
        with pytest.raises(ConnectionClosed) as end:
            await connection.get_message()
    assert code_of(end.value) == code


async def test_newer_connection_takes_over(site: Site) -> None:
    async with site.websocket(PATH, "worker") as older, site.websocket(PATH, "worker") as newer:
        with pytest.raises(ConnectionClosed) as end:
            await older.get_message()
        assert code_of(end.value) == 1000
        sent = site.operations.post("worker")
        assert codec.decode(await newer.get_message(), DownlinkMessage) == sent


@pytest.mark.parametrize("message", ["pong", "", b"ping"])
async def test_only_pings_are_expected(site: Site, message: str | bytes) -> None:
    async with site.websocket(PATH, "worker") as connection:
        await connection.send_message(message)
        with pytest.raises(ConnectionClosed) as end:
            await connection.get_message()
    assert code_of(end.value) == 1008


async def test_not_ones_own_downlink(site: Site) -> None:
    for name, path in (("worker", "/worker/someone/downlink"), ("client", "/worker/client/downlink")):
        with pytest.raises(ConnectionRejected) as rejection:
            async with site.websocket(path, name):
                pass
        assert rejection.value.status_code == 403
    assert not site.operations.attached


async def test_abrupt_end_detaches(site: Site) -> None:
    async with site.websocket(PATH, "worker") as connection:
        await trio.aclose_forcefully(connection._stream)
        await site.operations.detached.wait()
    assert not site.operations.attached


async def test_silence_detaches(autojump_clock: trio.testing.MockClock) -> None:
    autojump_clock.autojump_threshold = 0.05
    async with serving() as site, site.websocket(PATH, "worker") as connection:
        began = trio.current_time()
        with pytest.raises(ConnectionClosed) as end:
            await connection.get_message()
        assert code_of(end.value) == 1011
        assert 15 <= trio.current_time() - began < 16
        await site.operations.detached.wait()


async def test_pings_keep_it_open(autojump_clock: trio.testing.MockClock) -> None:
    autojump_clock.autojump_threshold = 0.05
    async with serving() as site, site.websocket(PATH, "worker") as connection:
        for _ in range(12):
            await trio.sleep(5)
            await connection.send_message("ping")
            assert await connection.get_message() == "pong"


async def test_registration(site: Site) -> None:
    async with site.http("worker") as worker, site.http("client") as client:
        request = RegisterRequest(worker_id="worker", slots=3, binaries=["ffmpeg"])
        reply = await worker.call("POST", "/worker/register", RegisterReply, json=request)
        assert reply.status == "registering"
        with pytest.raises(Refused) as refusal:
            await worker.request("POST", "/worker/worker/verify", json=VerifyRequest(registration_token="x"))
        assert refusal.value.status == 422
        verify = VerifyRequest(registration_token="token")
        assert (await worker.call("POST", "/worker/worker/verify", StatusReply, json=verify)).status == "ok"
        listed = await client.call("GET", "/workers", list[WorkerRecord], query={"window": "60"})
        assert [record.slots for record in listed] == [3]
        assert (await client.call("GET", "/workers/worker", WorkerRecord)).binaries == ["ffmpeg"]
        await worker.request("POST", "/worker/deregister", json=DeregisterRequest(worker_id="worker"))
        with pytest.raises(Refused) as refusal:
            await client.request("GET", "/workers/worker")
        assert refusal.value.status == 404
        other = RegisterRequest(worker_id="other")
        with pytest.raises(Refused) as refusal:
            await worker.request("POST", "/worker/register", json=other)
        assert refusal.value.status == 403


# Polling


async def test_long_poll(site: Site) -> None:
    async with site.http("worker") as worker, trio.open_nursery() as nursery:
        answers: list[Messages] = []

        async def poll() -> None:
            answers.append(await worker.call("GET", "/poll/worker", Messages, query={"wait": "20"}))

        nursery.start_soon(poll)
        await site.operations.until(
            lambda: "worker" in site.operations.queues or bool(site.operations.post("x"))
        )
        site.operations.post("worker")
    assert [message.recipient_id for message in answers[0].messages] == ["worker"]


async def test_poll_from_a_cursor(site: Site) -> None:
    job = await site.submit()
    first, second = (site.operations.post("client", job.job_id) for _ in range(2))
    async with site.http() as client:
        path = f"/poll/jobs/{job.job_id}"
        query = {"last_message_id": first.message_id, "wait": "0"}
        assert (await client.call("GET", path, Messages, query=query)).messages == [second]
        query["last_message_id"] = second.message_id
        assert (await client.call("GET", path, Messages, query=query)).messages == []
        for wait in ("nan", "-1", "61", "x"):
            with pytest.raises(Refused, match="wait: expected a number"):
                await client.request("GET", path, query={"wait": wait})


async def test_ndjson() -> None:
    async with serving() as site:
        before = site.operations.post("worker")
        headers = {**sign("worker", "GET", "/poll/worker?wait=1"), "accept": "application/x-ndjson"}
        async with (
            httpx.AsyncClient(trust_env=False) as client,
            client.stream("GET", f"{site.url}/poll/worker?wait=1", headers=headers) as answer,
        ):
            assert answer.headers["content-type"] == "application/x-ndjson"
            assert answer.headers["x-accel-buffering"] == "no"
            assert "no-transform" in answer.headers["cache-control"]
            lines = answer.aiter_lines()
            first = await anext(lines)
            assert msgspec.json.decode(first, type=Messages).messages == [before]
            after = site.operations.post("worker")
            line = await anext(lines)
            while not line:
                line = await anext(lines)
            assert msgspec.json.decode(line, type=Messages).messages == [after]
            # A failure can only end the answer: its status was sent long ago.
            site.operations.failure = Unavailable("later")
            site.operations.change()
            assert [line async for line in lines if line] == []


async def test_ndjson_keep_alive(autojump_clock: trio.testing.MockClock) -> None:
    autojump_clock.autojump_threshold = 0.05
    async with serving() as site, await site.connect() as stream:
        headers = {**sign("worker", "GET", "/poll/worker?wait=20"), "Accept": "application/x-ndjson"}
        lines = [f"{name}: {value}" for name, value in {"Host": "x", **headers}.items()]
        await stream.send_all("\r\n".join(["GET /poll/worker?wait=20 HTTP/1.1", *lines, "", ""]).encode())
        answer = b""
        began = trio.current_time()
        while answer.count(b"1\r\n\n\r\n") < 4:
            answer += await stream.receive_some()
        assert 59 < trio.current_time() - began < 65


async def test_ndjson_of_no_wait_does_not_spin(autojump_clock: trio.testing.MockClock) -> None:
    autojump_clock.autojump_threshold = 0.05
    async with serving() as site, await site.connect() as stream:
        headers = {**sign("worker", "GET", "/poll/worker?wait=0"), "Accept": "application/x-ndjson"}
        lines = [f"{name}: {value}" for name, value in {"Host": "x", **headers}.items()]
        await stream.send_all("\r\n".join(["GET /poll/worker?wait=0 HTTP/1.1", *lines, "", ""]).encode())
        answer = b""
        began = trio.current_time()
        while answer.count(b"1\r\n\n\r\n") < 4:
            answer += await stream.receive_some()
        assert trio.current_time() - began > 2.9


async def test_ndjson_refusal_has_its_status(site: Site) -> None:
    path = "/poll/jobs/NONE"
    headers = {**sign("client", "GET", path), "accept": "application/x-ndjson"}
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(site.url + path, headers=headers)).status_code == 404


async def test_a_worker_that_has_moved_is_told_to_connect_again(site: Site) -> None:
    async with site.websocket(PATH, "worker") as connection:
        await site.operations.until(lambda: "worker" in site.operations.attached)
        site.operations.moved.add("worker")
        site.operations.attached["worker"].close()
        with pytest.raises(ConnectionClosed) as closed:
            await connection.get_message()
        assert code_of(closed.value) == 1012
