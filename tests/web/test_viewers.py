"""Who may look by address alone: not a page of another site, and nobody may do more than look."""

from __future__ import annotations

import socket
from typing import Any

import httpx
import pytest
import trio_websocket

from dffmpeg.model.identities import Role
from dffmpeg.web.access import ACCESS, OPEN
from tests.web.conftest import Site, raw, serving
from tests.web.signing_in import PROXY, browser, sign_in
from tests.web.test_access import ask
from tests.web.test_authentication import detail_of, status_of

JOBS = "/api/v1/jobs"
FEED = "/api/v1/events"
MEDIA = {"security": {"dashboard_origins": ["https://media.example.org"]}}

LOOKS = [route for route, roles in ACCESS.items() if roles is not OPEN and Role.VIEWER in roles]


def asked_as(host: str | None, path: str = JOBS, method: str = "GET", **headers: str) -> bytes:
    request = raw(method, path, headers)
    return request.replace(b"Host: here\r\n", b"" if host is None else f"Host: {host}\r\n".encode())


# What they may ask for


GUARDED = [route for route, roles in ACCESS.items() if roles is not OPEN]


async def test_every_route_from_where_one_may_look() -> None:
    async with serving({"debug": {"routes": True}}) as site:
        for route in GUARDED:
            status = await ask(site, route, {})
            may_look = route in LOOKS and route.startswith(("GET ", "WEBSOCKET "))
            assert status in ((101, 200, 404) if may_look else (401,)), route
            if route.startswith("GET "):
                assert await ask(site, route.replace("GET", "HEAD", 1), {}) == status, route


async def test_every_route_from_elsewhere() -> None:
    async with serving({"debug": {"routes": True}, "allowed_dashboard_ips": ["10.0.0.0/8"]}) as site:
        for route in GUARDED:
            assert await ask(site, route, {}) == 401, route


async def test_nothing_that_changes_something_is_for_viewers() -> None:
    changing = {route for route in LOOKS if not route.startswith(("GET ", "WEBSOCKET "))}
    assert changing == {"DELETE /api/v1/session"}
    assert {route for route in LOOKS if route.startswith("WEBSOCKET ")} == {"WEBSOCKET /api/v1/events"} | {
        route for route in LOOKS if route.startswith("WEBSOCKET /api/v1/jobs/")
    }


async def test_a_viewer_sees_everybodys_jobs(site: Site) -> None:
    mine, others = await site.submit(), await site.submit("other")
    async with browser(site) as client:
        for path in (f"/jobs/{mine.job_id}/status", f"/jobs/{others.job_id}/status"):
            assert (await client.get(path)).status_code == 200


async def test_a_proxy_that_is_not_trusted_opens_nothing(site: Site) -> None:
    async with browser(site, **{"x-forwarded-for": "127.0.0.1"}) as client:
        assert (await client.get(JOBS)).status_code == 401
        # Who has a key has it behind a proxy, too.
        await sign_in_elsewhere(client)


async def sign_in_elsewhere(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/session", json={"client_id": "admin", "key": "x"})
    assert answer.status_code == 403
    assert "trusted_proxies" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("forwarded", "status"), [("10.1.1.1", 200), ("192.0.2.1", 401), ("10.1.1.1, 192.0.2.1", 401)]
)
async def test_behind_a_trusted_proxy_the_visitors_address_counts(forwarded: str, status: int) -> None:
    async with serving(PROXY) as site, browser(site, **{"x-forwarded-for": forwarded}) as client:
        assert (await client.get(JOBS)).status_code == status


# Under which name


@pytest.mark.parametrize(
    "host",
    [
        None,
        "127.0.0.1:8000",
        "[::1]:8000",
        "192.168.1.5",
        "localhost",
        "dffmpeg.localhost:80",
        "media",
        "nas.local.",
        "ffmpeg.home.arpa",
        "ffmpeg.corp.internal",
        socket.gethostname(),
    ],
)
async def test_names_that_are_ours(site: Site, host: str | None) -> None:
    answer = await site.exchange(asked_as(host).replace(b"1.1", b"1.0", 1 if host is None else 0))
    assert status_of(answer) == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "local.evil.example", "evil.example."],
)
async def test_names_that_anybody_could_have(site: Site, host: str) -> None:
    """A page of evil.example, whose name was made one of this machine, reads nothing."""
    answer = await site.exchange(asked_as(host))
    assert status_of(answer) == 403
    assert b"dashboard_origins" in answer
    handshake = {
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version": "13",
        "Origin": f"http://{host}",
    }
    request = asked_as(host, FEED, **handshake).replace(b"Connection: close", b"Connection: Upgrade")
    assert status_of(await site.exchange(request)) == 403
    assert status_of(await site.exchange(asked_as(host, "/health"))) == 200


async def test_names_of_the_configuration() -> None:
    async with serving(MEDIA) as site:
        assert status_of(await site.exchange(asked_as("media.example.org"))) == 200
        assert status_of(await site.exchange(asked_as("evil.example"))) == 403


async def test_a_trusted_proxy_says_under_which_name() -> None:
    async with serving({"security": {"trusted_proxies": ["127.0.0.1"]}}) as site:
        near = {"x-forwarded-for": "127.0.0.1"}
        forged = asked_as("127.0.0.1", **near, **{"x-forwarded-host": "evil.example"})
        assert status_of(await site.exchange(forged)) == 403
        # What the browser had said of it comes first.
        added = asked_as("127.0.0.1", **near, **{"x-forwarded-host": "localhost, evil.example"})
        assert status_of(await site.exchange(added)) == 403
        assert status_of(await site.exchange(asked_as("127.0.0.1", **near))) == 200


async def test_two_host_headers_are_refused(site: Site) -> None:
    request = asked_as("localhost").replace(b"Host:", b"Host: localhost\r\nHost:", 1)
    assert status_of(await site.exchange(request)) in (400, 403)


# Whose page


async def opened(site: Site, **headers: str) -> int:
    try:
        async with site.websocket(FEED, headers=headers) as connection:
            await connection.get_message()
            return 101
    except trio_websocket.ConnectionRejected as rejection:
        return rejection.status_code


@pytest.mark.parametrize("signed_in", [False, True])
async def test_websockets_are_of_the_same_origin(site: Site, signed_in: bool) -> None:
    # As the client here has it in its Host header.
    ours = "http://127.0.0.1"
    async with browser(site) as client:
        if signed_in:
            await sign_in(client)
        session = {"cookie": f"dffmpeg_session={client.cookies['dffmpeg_session']}"} if signed_in else {}
        assert await opened(site, **session) == 101
        assert await opened(site, origin=ours, **session) == 101
        assert await opened(site, origin=f"{ours}:80", **session) == 101
        wrong = ["https://evil.example", "null", "", "http://127.0.0.1:8001", "127.0.0.1", "file://127.0.0.1"]
        for origin in wrong:
            assert await opened(site, origin=origin, **session) == 403, origin
        assert await opened(site, **{"sec-fetch-site": "cross-site"}, **session) == 403
        assert await opened(site, **{"sec-fetch-site": "same-origin"}, **session) == 101


@pytest.mark.parametrize(
    ("config", "headers", "status"),
    [
        (MEDIA, {"origin": "https://media.example.org"}, 101),
        (MEDIA, {"origin": "http://media.example.org"}, 403),
        (MEDIA, {"origin": "https://media.example.org.evil.example"}, 403),
        (
            {"security": {"trusted_proxies": ["127.0.0.1"]}},
            {"origin": "https://media", "x-forwarded-host": "media", "x-forwarded-for": "127.0.0.1"},
            101,
        ),
        ({}, {"origin": "https://media", "x-forwarded-host": "media"}, 401),
    ],
)
async def test_origins_behind_proxies(config: dict[str, Any], headers: dict[str, str], status: int) -> None:
    async with serving(config) as site:
        assert await opened(site, **headers) == status


async def test_other_sites_may_link_here_and_no_more(site: Site) -> None:
    async with browser(site, **{"sec-fetch-site": "cross-site"}) as client:
        for mode, status in (("navigate", 200), ("no-cors", 403), ("cors", 403)):
            assert (await client.get(JOBS, headers={"sec-fetch-mode": mode})).status_code == status


async def test_errors_are_one_line(site: Site) -> None:
    answer = await site.exchange(asked_as("evil\texample.example", "/jobs"))
    assert status_of(answer) in (400, 403)
    assert status_of(answer) == 400 or detail_of(answer)
