"""Every route with every role, from the one table."""

from __future__ import annotations

import httpx
import pytest
import trio_websocket

from dffmpeg.model.identities import Role
from dffmpeg.web.access import ACCESS, check_complete, keys
from dffmpeg.wire.signature import encode_key
from tests.web.conftest import KEYS, Site, serving, sign

ROLES = {"client": Role.CLIENT, "worker": Role.WORKER, "admin": Role.ADMIN, "viewer": Role.VIEWER}


async def test_table_is_about_every_route_and_no_other() -> None:
    async with serving({"debug": {"routes": True}}) as site:
        routes = {route.replace("HEAD ", "GET ") for route in keys(site.app.url_map)}
        assert routes == ACCESS.keys()


async def test_route_without_an_entry_is_found(site: Site) -> None:
    async def new() -> str:
        return ""

    site.app.add_url_rule("/new", view_func=new)
    with pytest.raises(RuntimeError, match="GET /new"):
        check_complete(site.app.url_map)


def path_of(route: str) -> tuple[str, str]:
    """Method and path of a route, with something in its places."""
    method, _, rule = route.partition(" ")
    for name, value in {
        "job_id": "NONE",
        "worker_id": "NONE",
        "client_id": "NONE",
        "name": "x",
        "instance": "X",
    }.items():
        rule = rule.replace(f"<{name}>", value)
    return method, rule + ("?wait=0" if rule.startswith("/poll/") else "")


async def ask(site: Site, route: str, headers: dict[str, str]) -> int:
    """The status with which a route answers, 101 for an open WebSocket."""
    method, path = path_of(route)
    if method == "WEBSOCKET":
        try:
            async with site.websocket(path, headers=headers):
                return 101
        except trio_websocket.ConnectionRejected as rejection:
            return rejection.status_code
    # Some answers have no end.
    async with (
        httpx.AsyncClient(trust_env=False) as client,
        client.stream(method, site.url + path, headers=headers) as answer,
    ):
        return answer.status_code


@pytest.mark.parametrize("route", ACCESS)
async def test_grid(route: str) -> None:
    roles = ACCESS[route]
    async with serving({"debug": {"routes": True}}) as site:
        unsigned = await ask(site, route, {})
        if roles is None:
            # Where something is to be said, nothing was.
            assert unsigned == (400 if route.startswith("POST ") else unsigned)
            assert unsigned in (200, 302, 400, 404)
            return
        looks = Role.VIEWER in roles and route.startswith(("GET ", "WEBSOCKET "))
        assert (unsigned != 401) is looks
        method, path = path_of(route)
        for name, role in ROLES.items():
            signed = sign(name, "GET" if method == "WEBSOCKET" else method, path)
            status = await ask(site, route, signed)
            allowed = role in roles
            # Whatever else is wrong with such a request, the role is not, and nothing fails.
            assert status < 500
            assert allowed or status == 403
            assert not allowed or status != 401
            # There a worker that is not the named one is refused, too.
            if not route.startswith("WEBSOCKET /worker/<worker_id>/downlink"):
                assert not allowed or status != 403


async def sessions_of(site: Site) -> dict[str, dict[str, str]]:
    """What a browser of each sends: a worker's would be a session that nobody opened."""
    found = {}
    for name in ROLES:
        async with httpx.AsyncClient(base_url=site.url, trust_env=False) as client:
            answer = await client.post(
                "/api/v1/session", json={"client_id": name, "key": encode_key(KEYS[name][1])}
            )
            if name == "worker":
                assert answer.status_code == 403
                continue
            word = answer.json()["csrf"]
            cookie = f"dffmpeg_session={client.cookies['dffmpeg_session']}"
            found[name] = {"cookie": cookie, "x-dffmpeg-csrf": word}
    return found


async def test_grid_of_sessions() -> None:
    """A session is let in where its identity's signature is, if it says its word where it has to."""
    async with serving({"debug": {"routes": True}}) as site:
        sessions = await sessions_of(site)
        # The last one is that one signs out.
        guarded = sorted(ACCESS.items(), key=lambda entry: entry[0] == "DELETE /api/v1/session")
        for route, roles in guarded:
            if roles is None:
                continue
            reads = route.startswith(("GET ", "WEBSOCKET "))
            for name, headers in sessions.items():
                cookie = {"cookie": headers["cookie"]}
                if not reads:
                    assert await ask(site, route, cookie) == 403, route
                    assert await ask(site, route, {**headers, "x-dffmpeg-csrf": "0" * 64}) == 403, route
                status = await ask(site, route, cookie if reads else headers)
                allowed = ROLES[name] in roles
                assert status < 500, route
                assert allowed or status == 403, route
                assert not allowed or status not in (401, 403), route


async def test_every_role_is_tried() -> None:
    assert {role for role, _ in KEYS.values()} == set(Role)


async def test_client_cannot_pose_as_worker(site: Site) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        body = b'{"worker_id":"client"}'
        headers = sign("client", "POST", "/worker/register", body)
        answer = await client.post(f"{site.url}/worker/register", content=body, headers=headers)
    assert answer.status_code == 403
    assert answer.json() == {"detail": "not with the role client"}
    assert not site.operations.known_workers


async def test_debug_routes_exist_only_by_configuration(site: Site) -> None:
    body = b'{"path":"coordinator/web"}'
    async with httpx.AsyncClient(trust_env=False) as client:
        headers = sign("admin", "POST", "/debug/crash", body)
        answer = await client.post(f"{site.url}/debug/crash", content=body, headers=headers)
    assert answer.status_code == 404
