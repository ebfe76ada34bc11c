"""Every route with every role, from the one table."""

from __future__ import annotations

import httpx
import pytest
import trio_websocket

from dffmpeg.model.identities import Role
from dffmpeg.web.access import ACCESS, check_complete, keys
from tests.web.conftest import KEYS, Site, serving, sign

ROLES = {"client": Role.CLIENT, "worker": Role.WORKER, "admin": Role.ADMIN}


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


def _path(route: str) -> tuple[str, str]:
    method, _, rule = route.partition(" ")
    return method, rule.replace("<job_id>", "NONE").replace("<worker_id>", "NONE").replace(
        "<name>", "x"
    ).replace("<instance>", "X")


async def _ask(site: Site, route: str, headers: dict[str, str]) -> int:
    method, path = _path(route)
    if method == "WEBSOCKET":
        try:
            async with site.websocket(path, headers=headers):
                return 101
        except trio_websocket.ConnectionRejected as rejection:
            return rejection.status_code
    async with httpx.AsyncClient(trust_env=False) as client:
        query = {"wait": "0"} if "/poll/" in path else {}
        # Some answers have no end.
        async with client.stream(method, site.url + path, headers=headers, params=query) as answer:
            return answer.status_code


@pytest.mark.parametrize("route", ACCESS)
async def test_grid(route: str) -> None:
    roles = ACCESS[route]
    async with serving({"debug": {"routes": True}}) as site:
        unsigned = await _ask(site, route, {})
        if roles is None:
            assert unsigned in (200, 302, 404)
            return
        assert unsigned == 401
        method, path = _path(route)
        for name, role in ROLES.items():
            signed = sign(name, "GET" if method == "WEBSOCKET" else method, path)
            status = await _ask(site, route, signed)
            allowed = role in roles
            # Whatever else is wrong with such a request, the role is not, and nothing fails.
            assert status < 500
            assert allowed or status == 403
            assert not allowed or status != 401
            # There a worker that is not the named one is refused, too.
            if not route.startswith("WEBSOCKET /worker/<worker_id>/downlink"):
                assert not allowed or status != 403


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
