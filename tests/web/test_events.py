"""The change feed over the wire: server-sent events as a browser reads them, and the WebSocket."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import h11
import httpx
import pytest
import trio
import trio.testing
import trio_websocket

from tests.actors.coordinator.tree import PATIENCE
from tests.web.conftest import sign
from tests.web.live import Live, identity, live

EVENTS = "/api/v1/events"


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path) as found:
        yield found


class Reader:
    """A subscriber by server-sent events, as the HTML standard, section 9.2.6, has them."""

    def __init__(self, running: Live, name: str, query: str = "", **headers: str) -> None:
        self._port = running.server.port
        self._target = EVENTS + query
        self._headers = {"host": "here", **sign(name, "GET", EVENTS + query), **headers}
        self._connection = h11.Connection(h11.CLIENT)
        self._rest = b""

    async def __aenter__(self) -> Reader:
        self._stream = await trio.open_tcp_stream("127.0.0.1", self._port)
        request = h11.Request(method="GET", target=self._target, headers=[*self._headers.items()])
        asked = (self._connection.send(request) or b"") + (self._connection.send(h11.EndOfMessage()) or b"")
        await self._stream.send_all(asked)
        answer = await self._event()
        assert isinstance(answer, h11.Response)
        self.status = answer.status_code
        self.headers = {name.decode(): value.decode() for name, value in answer.headers}
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stream.aclose()

    async def _event(self) -> object:
        with trio.fail_after(PATIENCE):
            while (event := self._connection.next_event()) is h11.NEED_DATA:
                self._connection.receive_data(await self._stream.receive_some())
        return event

    async def content(self) -> bytes:
        """All that comes, where there is an end."""
        while isinstance(event := await self._event(), h11.Data):
            self._rest += bytes(event.data)
        return self._rest

    async def next(self) -> dict[str, str]:
        """The next event; nothing at the end."""
        while True:
            while b"\n\n" not in self._rest:
                event = await self._event()
                if not isinstance(event, h11.Data):
                    return {}
                self._rest += bytes(event.data)
            block, _, self._rest = self._rest.partition(b"\n\n")
            found = dict(
                line.split(": ", 1) for line in block.decode().splitlines() if not line.startswith(":")
            )
            if found:
                return found


async def test_server_sent_events(running: Live) -> None:
    async with (
        Reader(running, "client", "?interval=0") as mine,
        Reader(running, "other", "?interval=0") as theirs,
    ):
        assert mine.headers["content-type"].startswith("text/event-stream")
        assert mine.headers["cache-control"].startswith("no-cache")
        assert (await mine.next())["event"] == "here"
        assert (await theirs.next())["event"] == "here"
        job_id = await running.coordinator.submit(identity("client"))
        event = await mine.next()
        data = json.loads(event["data"])
        assert (event["event"], data["job_id"], data["status"]) == ("job", job_id, "pending")
        await running.coordinator.operations.cancel(identity("client"), job_id)
        last = await mine.next()
        assert json.loads(last["data"])["status"] == "canceled"
        other = await running.coordinator.submit(identity("other"))
        assert json.loads((await theirs.next())["data"])["job_id"] == other
    headers = {"last-event-id": event["id"]}
    async with Reader(running, "client", **headers) as again:
        assert await again.next() == last
    async with Reader(running, "client", f"?last_event_id={last['id']}", **headers) as first_by_header:
        assert await first_by_header.next() == last
    async with Reader(running, "client", "?last_event_id=gone-1") as unknown:
        assert (await unknown.next())["event"] == "missed"


async def test_subscriber_that_left_is_forgotten(running: Live) -> None:
    log = running.coordinator.services.events
    async with Reader(running, "client") as reader:
        await reader.next()
        assert log.subscribers == 1
    with trio.fail_after(PATIENCE):
        while log.subscribers:
            await trio.testing.wait_all_tasks_blocked()


async def test_stop_ends_it(tmp_path: Path) -> None:
    reader: Reader | None = None
    async with live(tmp_path) as running:
        reader = Reader(running, "client")
        await reader.__aenter__()
        assert (await reader.next())["event"] == "here"
    assert await reader.next() == {}
    await reader.__aexit__()


async def test_websocket(running: Live) -> None:
    async def connect(nursery: trio.Nursery, name: str, query: str) -> trio_websocket.WebSocketConnection:
        url = f"ws://127.0.0.1:{running.server.port}{EVENTS}{query}"
        headers = [(key.encode(), value.encode()) for key, value in sign(name, "GET", EVENTS + query).items()]
        return await trio_websocket.connect_websocket_url(nursery, url, extra_headers=headers)

    async with trio.open_nursery() as nursery:
        with trio.fail_after(PATIENCE):
            end = await connect(nursery, "client", "?interval=0&kind=job")
            assert json.loads(await end.get_message())["event"] == "here"
            job_id = await running.coordinator.submit(identity("client"))
            message = json.loads(await end.get_message())
            assert (message["event"], message["data"]["job_id"]) == ("job", job_id)
            await end.aclose()
            again = await connect(nursery, "client", "?last_event_id=gone-1")
            missed = json.loads(await again.get_message())
            assert (missed["event"], set(missed)) == ("missed", {"id", "event", "data"})
            await again.aclose()


async def test_batches(running: Live) -> None:
    """As the dashboard follows: all that is told at once is one message."""
    async with trio.open_nursery() as nursery:
        with trio.fail_after(PATIENCE):
            query = "?batch=1&interval=0&kind=overview,alerts,progress,job"
            url = f"ws://127.0.0.1:{running.server.port}{EVENTS}{query}"
            signed = sign("client", "GET", EVENTS + query)
            headers = [(key.encode(), value.encode()) for key, value in signed.items()]
            end = await trio_websocket.connect_websocket_url(nursery, url, extra_headers=headers)
            opening = json.loads(await end.get_message())
            assert [event["event"] for event in opening] == ["here", "overview", "alerts"]
            assert opening[1]["data"]["counts"]["pending"] == 0
            assert opening[2]["data"] == []
            job_id = await running.coordinator.submit(identity("client"))
            seen: dict[str, dict[str, object]] = {}
            while seen.keys() != {"job", "overview"}:
                for event in json.loads(await end.get_message()):
                    seen[event["event"]] = event["data"]
            assert seen["job"]["job_id"] == job_id
            assert seen["overview"]["counts"]["pending"] == 1  # type: ignore[index]
            await end.aclose()


async def test_pages_read_the_cluster_as_a_whole(running: Live) -> None:
    async with httpx.AsyncClient(base_url=running.url) as client:

        async def get(path: str, query: str = "", name: str = "client") -> httpx.Response:
            return await client.get(path + query, headers=sign(name, "GET", path + query))

        overview = await get("/api/v1/overview")
        assert overview.status_code == 200
        assert overview.json()["counts"]["pending"] == 0
        assert (await get("/api/v1/alerts")).json() == []
        for span, step, number in (("", 60, 60), ("?span=hour", 60, 60), ("?span=day", 900, 96)):
            found = (await get("/api/v1/history", span)).json()
            assert (found["step"], len(found["points"])) == (step, number)
        wrong = await get("/api/v1/history", "?span=year")
        assert wrong.status_code == 422
        assert "span: expected one of hour, day" in wrong.json()["detail"]
        assert (await get("/api/v1/overview", name="worker")).status_code == 403


@pytest.mark.parametrize(("query", "field"), [("?kind=jobs", "kind"), ("?interval=11", "interval")])
async def test_what_makes_no_sense_is_named(running: Live, query: str, field: str) -> None:
    async with Reader(running, "client", query) as reader:
        assert reader.status == 422
        assert json.loads(await reader.content())["detail"].startswith(f"{field}: ")


async def test_head_has_an_end(running: Live) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.head(running.url + EVENTS, headers=sign("client", "HEAD", EVENTS))
    assert (answer.status_code, answer.content) == (200, b"")
