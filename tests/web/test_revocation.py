"""What is open ends for those who may not have it any more, and for nobody else."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import trio
import trio.lowlevel
import trio_websocket

from dffmpeg.model.identities import PreviousKey, Role
from dffmpeg.store import IdentityRepository, StoreUnavailable
from dffmpeg.web.authentication import revocation
from dffmpeg.wire import signature
from tests.web.conftest import KEYS, code_of, open_websocket, sign
from tests.web.live import Live, identity, live
from tests.web.signing_in import PATH, browser, sign_in

FEED = "/api/v1/events"
PATIENCE = 60.0

Change = Callable[[IdentityRepository], Awaitable[object]]


async def _reborn(identities: IdentityRepository) -> None:
    await identities.delete("client")
    await identities.add(replace(identity("client"), role=Role.ADMIN))


CHANGES: dict[str, Change] = {
    "deleted": lambda identities: identities.delete("client"),
    "another key": lambda identities: identities.set_key("client", b"k" * 32),
    "another role": _reborn,
    "another network": lambda identities: identities.set_scope("client", ["10.0.0.0/8"]),
}


@pytest.fixture
async def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Live]:
    monkeypatch.setattr(revocation, "EVERY", 0.05)
    async with live(tmp_path) as found:
        yield found


@pytest.fixture
async def seldom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Live]:
    """One that looks only where something asks for it."""
    monkeypatch.setattr(revocation, "EVERY", 24 * 3600.0)
    async with live(tmp_path) as found:
        yield found


@pytest.fixture(params=CHANGES)
def change(request: pytest.FixtureRequest) -> Change:
    return CHANGES[request.param]


@asynccontextmanager
async def feed(running: Live, headers: dict[str, str]) -> AsyncIterator[trio_websocket.WebSocketConnection]:
    """A subscriber who was told that the feed has begun."""
    async with (
        await trio.open_tcp_stream("127.0.0.1", running.server.port) as stream,
        open_websocket(stream, f"{FEED}?interval=0", headers) as connection,
    ):
        assert '"here"' in await connection.get_message()
        yield connection


def signed(name: str) -> dict[str, str]:
    return sign(name, "GET", f"{FEED}?interval=0")


def cookie_of(client: httpx.AsyncClient) -> dict[str, str]:
    return {"cookie": f"dffmpeg_session={client.cookies['dffmpeg_session']}"}


async def ended(connection: trio_websocket.WebSocketConnection) -> int:
    """The code with which it ends, whatever comes before."""
    with trio.fail_after(PATIENCE):
        while True:
            try:
                await connection.get_message()
            except trio_websocket.ConnectionClosed as closed:
                return code_of(closed)


async def goes_on(running: Live, connection: trio_websocket.WebSocketConnection, name: str) -> bool:
    job_id = await running.coordinator.submit(identity(name))
    with trio.fail_after(PATIENCE):
        return job_id in await connection.get_message()


async def test_a_signed_websocket(running: Live, change: Change) -> None:
    async with feed(running, signed("client")) as theirs, feed(running, signed("other")) as others:
        await change(running.coordinator.services.store.identities)
        assert await ended(theirs) == 4401
        assert await goes_on(running, others, "other")


async def test_a_websocket_by_a_session(running: Live, change: Change) -> None:
    async with browser(running) as client:
        await sign_in(client, "client")
        async with feed(running, cookie_of(client)) as connection:
            await change(running.coordinator.services.store.identities)
            assert await ended(connection) == 4401


async def test_signing_out_ends_that_session_alone(running: Live) -> None:
    async with browser(running) as client, browser(running) as other:
        for one in (client, other):
            await sign_in(one, "client")
        async with feed(running, cookie_of(client)) as theirs, feed(running, cookie_of(other)) as others:
            assert (await client.delete(PATH)).status_code == 200
            assert await ended(theirs) == 4401
            assert await goes_on(running, others, "client")


async def test_signing_out_is_not_waited_for(seldom: Live) -> None:
    async with browser(seldom) as client:
        await sign_in(client, "client")
        async with feed(seldom, cookie_of(client)) as connection:
            assert (await client.delete(PATH)).status_code == 200
            assert await ended(connection) == 4401


@pytest.mark.parametrize(
    ("method", "place", "body"),
    [
        ("DELETE", "/api/v1/users/client", b""),
        ("POST", "/api/v1/users/client/networks", b'{"networks": ["10.0.0.0/8"]}'),
    ],
)
async def test_what_is_asked_for_here_holds_at_once(
    seldom: Live, method: str, place: str, body: bytes
) -> None:
    async with (
        feed(seldom, signed("client")) as theirs,
        feed(seldom, signed("other")) as others,
        httpx.AsyncClient(base_url=seldom.url, trust_env=False, timeout=PATIENCE) as admin,
    ):
        headers = sign("admin", method, place, body)
        assert (await admin.request(method, place, headers=headers, content=body)).status_code == 200
        assert await ended(theirs) == 4401
        assert await goes_on(seldom, others, "other")


async def test_a_session_that_expires(running: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    async with browser(running) as client:
        await sign_in(client, "client")
        async with feed(running, cookie_of(client)) as connection:
            later = time.time() + 12 * 3600
            monkeypatch.setattr(running.server._app._revocation, "_clock", lambda: later)
            assert await ended(connection) == 4401


async def _rotated(running: Live, until: float) -> None:
    identities = running.coordinator.services.store.identities
    await identities.set_key("client", b"k" * 32, PreviousKey(KEYS["client"][1], until))


async def _looked_again(monkeypatch: pytest.MonkeyPatch, running: Live) -> None:
    """Wait until two more looks have seen who is open, of which the second began after this."""
    identities = running.coordinator.services.store.identities
    current, looks = identities.current, trio.Event()
    seen = 0

    async def counted(client_ids: set[str]) -> object:
        nonlocal seen
        found = await current(client_ids)
        seen += 1
        if seen == 3:
            looks.set()
        return found

    monkeypatch.setattr(identities, "current", counted)
    with trio.fail_after(PATIENCE):
        await looks.wait()
    monkeypatch.setattr(identities, "current", current)


@pytest.mark.parametrize("session", [False, True])
async def test_the_old_key_holds_until_its_overlap_ends(
    running: Live, monkeypatch: pytest.MonkeyPatch, session: bool
) -> None:
    until = time.time() + 3600
    async with browser(running) as client:
        await sign_in(client, "client")
        headers = cookie_of(client) if session else signed("client")
        async with feed(running, headers) as theirs:
            await _rotated(running, until)
            await _looked_again(monkeypatch, running)
            assert await goes_on(running, theirs, "client")
            target = f"{FEED}?interval=0"
            new = signature.sign("client", b"k" * 32, "GET", target, b"", now=time.time())
            async with feed(running, new) as others:
                monkeypatch.setattr(running.server._app._revocation, "_clock", lambda: until)
                assert await ended(theirs) == 4401
                assert await goes_on(running, others, "client")


@pytest.mark.parametrize("session", [False, True])
async def test_who_expires_is_cut_off(running: Live, monkeypatch: pytest.MonkeyPatch, session: bool) -> None:
    until = time.time() + 3600
    async with browser(running) as client:
        await sign_in(client, "client")
        headers = cookie_of(client) if session else signed("client")
        async with feed(running, headers) as theirs, feed(running, signed("other")) as others:
            await running.coordinator.services.store.identities.set_expiry("client", until)
            await _looked_again(monkeypatch, running)
            assert await goes_on(running, theirs, "client")
            monkeypatch.setattr(running.server._app._revocation, "_clock", lambda: until)
            assert await ended(theirs) == 4401
            assert await goes_on(running, others, "other")


async def test_streams_end(running: Live) -> None:
    async with (
        httpx.AsyncClient(base_url=running.url, trust_env=False, timeout=PATIENCE) as client,
        client.stream("GET", f"{FEED}?interval=0", headers=signed("client")) as answer,
    ):
        lines = answer.aiter_lines()
        assert (await anext(lines)).startswith("id:")
        await running.coordinator.services.store.identities.delete("client")
        # It ends as a whole answer does.
        assert [line async for line in lines if not line.startswith(("event:", "data:", ":"))] == [""]


async def test_a_poll_is_refused(running: Live) -> None:
    job_id = await running.coordinator.submit(identity("client"))
    path = f"/poll/jobs/{job_id}"
    answers: list[httpx.Response] = []

    async def poll(wait: str) -> None:
        async with httpx.AsyncClient(base_url=running.url, trust_env=False, timeout=PATIENCE) as client:
            target = f"{path}?wait={wait}"
            answers.append(await client.get(target, headers=sign("client", "GET", target)))

    await poll("0")
    assert answers.pop().status_code == 200
    async with trio.open_nursery() as nursery:
        nursery.start_soon(poll, "60")
        watched = running.server._app._revocation._open
        with trio.fail_after(PATIENCE):
            while not watched:
                await trio.lowlevel.checkpoint()
        await running.coordinator.services.store.identities.delete("client")
    assert answers[0].status_code == 401
    assert "not let in any more" in answers[0].json()["detail"]


async def test_a_database_that_is_away_ends_nothing(running: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    identities = running.coordinator.services.store.identities
    asked = trio.Event()
    current = identities.current

    async def away(client_ids: set[str]) -> object:
        monkeypatch.setattr(identities, "current", current)
        asked.set()
        raise StoreUnavailable("away")

    async with feed(running, signed("client")) as theirs, feed(running, signed("other")) as others:
        monkeypatch.setattr(identities, "current", away)
        await asked.wait()
        assert await goes_on(running, theirs, "client")
        # And it is looked again.
        await identities.delete("other")
        assert await ended(others) == 4401


async def test_whoever_only_looks_is_not_ended(running: Live) -> None:
    async with feed(running, {}) as connection, feed(running, signed("other")) as others:
        await running.coordinator.services.store.identities.delete("other")
        assert await ended(others) == 4401
        assert await goes_on(running, connection, "client")
