"""The client halves of the downlinks against real servers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio_websocket

from dffmpeg.errors import BadInput, ConfigurationError, Refused, Unreachable
from dffmpeg.transports import client, websocket_client
from dffmpeg.transports.http_polling_client import HttpPollingClient
from dffmpeg.transports.signed_http import SignedHttp
from dffmpeg.transports.websocket_client import WebSocketClient
from dffmpeg.wire.workers import DownlinkMessage
from tests.actors.worker.coordinator import KEY, WORKER, FakeCoordinator


@asynccontextmanager
async def server(handler: Any) -> AsyncIterator[SignedHttp]:
    """A WebSocket server on a port of this machine, and signed connections to it."""
    async with trio.open_nursery() as nursery:
        listening = await nursery.start(
            partial(trio_websocket.serve_websocket, handler, "127.0.0.1", 0, None, handler_nursery=nursery)
        )
        async with SignedHttp(f"http://127.0.0.1:{listening.port}", WORKER, KEY) as http:
            yield http
        nursery.cancel_scope.cancel()


MESSAGE = '{"message_id":"1","recipient_id":"w","timestamp":"t","message_type":"job_status","payload":{}}'


async def test_messages_arrive_and_a_good_end_ends_the_iteration() -> None:
    async def handler(request: trio_websocket.WebSocketRequest) -> None:
        assert request.path == "/here"
        assert dict(request.headers)[b"x-dffmpeg-client-id"] == WORKER.encode()
        socket = await request.accept()
        await socket.send_message(MESSAGE)
        await socket.aclose(1000)

    async with server(handler) as http, WebSocketClient(http, {"path": "/here"}).connect() as messages:
        assert [m.message_type async for m in messages if isinstance(m, DownlinkMessage)] == ["job_status"]


async def test_a_refusal_is_refused() -> None:
    async def handler(request: trio_websocket.WebSocketRequest) -> None:
        await request.reject(403, body=b'{"detail": "not a worker"}')

    async with server(handler) as http:
        with pytest.raises(Refused, match="not a worker") as caught:
            async with WebSocketClient(http, {"path": "/"}).connect():
                pass
    assert caught.value.status == 403


async def listen(http: SignedHttp) -> None:
    async with WebSocketClient(http, {"path": "/"}).connect() as messages:
        async for _ in messages:
            pass


async def test_an_abnormal_end_is_unreachable() -> None:
    async def handler(request: trio_websocket.WebSocketRequest) -> None:
        await (await request.accept()).aclose(1012, "restarting")

    async with server(handler) as http:
        with pytest.raises(Unreachable, match="1012 restarting"):
            await listen(http)


async def test_nobody_there_is_unreachable() -> None:
    async with SignedHttp("http://127.0.0.1:1", WORKER, KEY) as http:
        with pytest.raises(Unreachable):
            async with WebSocketClient(http, {"path": "/"}).connect():
                pass


async def test_silence_is_death_and_talk_is_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_client, "PING_SECONDS", 0.02)
    monkeypatch.setattr(websocket_client, "SILENCE_SECONDS", 2.0)
    heard = []

    async def handler(request: trio_websocket.WebSocketRequest) -> None:
        socket = await request.accept()
        for _ in range(5):
            heard.append(await socket.get_message())
            await socket.send_message("pong")
        await trio.sleep_forever()

    async with server(handler) as http:
        with pytest.raises(Unreachable, match="nothing was heard"):
            await listen(http)
    assert heard == ["ping"] * 5


async def test_what_is_not_a_message_is_bad_input() -> None:
    async def handler(request: trio_websocket.WebSocketRequest) -> None:
        socket = await request.accept()
        await socket.send_message("{}")
        await trio.sleep_forever()

    async with server(handler) as http:
        with pytest.raises(BadInput):
            await listen(http)


async def test_leaving_early_leaves_nothing_behind() -> None:
    async def handler(request: trio_websocket.WebSocketRequest) -> None:
        socket = await request.accept()
        with suppress(trio_websocket.ConnectionClosed):
            while True:
                await socket.send_message(MESSAGE)

    async with server(handler) as http, WebSocketClient(http, {"path": "/"}).connect() as messages:
        async for _ in messages:
            break


async def test_polling_goes_on_where_it_was() -> None:
    fake = FakeCoordinator()
    async with fake.serve(), SignedHttp(fake.url, WORKER, KEY) as http:
        polling = HttpPollingClient(http, {"path": "/poll/worker"})
        seen = []
        for number in range(3):
            fake.send("job_status", {"number": number})
            async with polling.connect() as messages:
                async for message in messages:
                    assert isinstance(message, DownlinkMessage)
                    seen.append(message.payload["number"])
                    break
    assert seen == [0, 1, 2]


@pytest.mark.parametrize("metadata", [{}, {"path": 1}, {"path": "relative"}])
def test_metadata_without_a_path_is_bad_input(metadata: dict[str, Any]) -> None:
    for kind in (WebSocketClient, HttpPollingClient):
        with pytest.raises(BadInput, match="path"):
            kind(SignedHttp("http://localhost", WORKER, KEY), metadata)


def test_transports_are_found_by_their_entry_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "pigeons-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pigeons\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[dffmpeg.transports.client]\npigeon = dffmpeg.transports.websocket_client:configure\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert client.load(["pigeon"], {}) == {"pigeon": WebSocketClient}
    with pytest.raises(ConfigurationError, match=r"no transport 'dove'; installed: .*pigeon"):
        client.load(["dove"], {})
