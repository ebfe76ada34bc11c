"""Signing in at a browser, and what ends that."""

from __future__ import annotations

import time
from dataclasses import replace

import httpx
import pytest

from dffmpeg.model.identities import Role
from dffmpeg.model.sessions import MOST
from dffmpeg.web.authentication.sessions import BY_ADDRESS, BY_IDENTITY, FAILED_AFTER
from dffmpeg.wire.signature import encode_key
from tests.web.conftest import KEYS, Site, serving, sign
from tests.web.signing_in import PATH, PROXY, browser, login_link, sign_in, with_key

# Coming and going


async def test_from_looking_to_operating_and_back(site: Site) -> None:
    job = await site.submit()
    cancel = f"/api/v1/jobs/{job.job_id}/cancel"
    async with browser(site) as client:
        # It has what only this page may know, so that nothing is kept of it.
        assert (await client.get(PATH)).headers["cache-control"] == "no-store"
        looks = {"client_id": None, "role": "viewer", "signed_in": False, "csrf": None, "expires_at": None}
        assert (await client.get(PATH)).json() == looks
        assert (await client.get("/api/v1/jobs")).status_code == 200
        assert (await client.post(cancel)).status_code == 401
        state = await sign_in(client)
        assert (state["client_id"], state["role"], state["signed_in"]) == ("admin", "admin", True)
        assert (await client.get(PATH)).json() == state
        assert (await client.post(cancel)).status_code == 200
        assert site.operations.all[job.job_id].record.status == "canceled"
        assert (await client.delete(PATH)).status_code == 200
        assert (await client.get(PATH)).json() == looks
        assert (await client.post(cancel)).status_code == 401
        client.cookies.set("dffmpeg_session", "of old")
        over = await client.post(cancel)
        assert (over.status_code, "sign in again" in over.text) == (401, True)
        assert site.people.sessions.known == {}


async def test_a_signature_is_no_session(site: Site) -> None:
    async with browser(site) as client:
        answer = await client.get(PATH, headers=sign("client", "GET", PATH))
        assert answer.json() == {
            "client_id": "client",
            "role": "client",
            "signed_in": False,
            "csrf": None,
            "expires_at": None,
        }
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"key": encode_key(b"x" * 32)}, 401),
        ({"key": "not base64"}, 401),
        ({"client_id": "nobody"}, 401),
        ({"client_id": None}, 422),
        ({"key": None}, 422),
        ({"link": "x"}, 422),
        ({"key": "x" * 200}, 422),
        ({"client_id": ""}, 422),
    ],
)
async def test_wrong_sign_ins(site: Site, change: dict[str, str | None], status: int) -> None:
    async with browser(site) as client:
        answer = await client.post(PATH, json={**with_key("admin"), **change})
        assert answer.status_code == status
        assert "set-cookie" not in answer.headers
        assert encode_key(KEYS["admin"][1]) not in answer.text
    assert site.people.sessions.known == {}


async def test_bodies_of_sign_ins_are_bounded_and_json(site: Site) -> None:
    async with browser(site) as client:
        assert (await client.post(PATH, content=b"{")).status_code == 400
        assert (await client.post(PATH, content=b" " * 5000)).status_code == 413


async def test_unknown_and_wrong_are_the_same(site: Site) -> None:
    async with browser(site) as client:
        answers, seconds = [], []
        for name in ("admin", "nobody"):
            begun = time.monotonic()
            answer = await client.post(PATH, json={"client_id": name, "key": encode_key(b"x" * 32)})
            seconds.append(time.monotonic() - begun)
            answers.append((answer.status_code, answer.json()["detail"]))
    assert answers[0] == answers[1]
    assert min(seconds) >= FAILED_AFTER


async def test_workers_do_not_sign_in(site: Site) -> None:
    async with browser(site) as client:
        answer = await client.post(PATH, json=with_key("worker"))
        assert (answer.status_code, "workers do not" in answer.text) == (403, True)


async def test_sessions_of_an_identity_are_bounded(site: Site) -> None:
    async with browser(site) as first:
        await sign_in(first)
        for _ in range(MOST):
            async with browser(site) as client:
                await sign_in(client)
        assert len(site.people.sessions.known) == MOST
        assert not (await first.get(PATH)).json()["signed_in"]


# What ends a session


async def _still(client: httpx.AsyncClient, site: Site) -> bool:
    seen = (await client.get(PATH)).json()["signed_in"]
    changed = (await client.post("/queue/pause")).status_code
    assert changed == (200 if seen else 401)
    return bool(seen)


async def test_a_session_ends_with_its_identity(site: Site) -> None:
    known = site.identities.known
    before = known["admin"]
    for after in (None, replace(before, key=b"k" * 32), replace(before, role=Role.VIEWER)):
        async with browser(site) as client:
            await sign_in(client)
            assert await _still(client, site)
            if after is None:
                del known["admin"]
            else:
                known["admin"] = after
            assert not await _still(client, site)
            known["admin"] = before


async def test_a_session_has_its_time() -> None:
    async with serving({"security": {"session_lifetime": 60.0}}) as site, browser(site) as client:
        await sign_in(client)
        assert await _still(client, site)
        ((digest, session),) = site.people.sessions.known.items()
        assert session.expires_at - session.created_at == 60.0
        site.people.sessions.known[digest] = replace(session, expires_at=time.time())
        answer = await client.get(PATH)
        assert not answer.json()["signed_in"]
        # The browser need not send it any more.
        assert "Max-Age=0" in answer.headers["set-cookie"]


async def test_a_session_comes_from_where_its_identity_may(site: Site) -> None:
    async with browser(site) as client:
        await sign_in(client)
        site.identities.known["admin"] = replace(
            site.identities.known["admin"], allowed_networks=("10.0.0.0/8",)
        )
        assert (await client.get(PATH)).status_code == 403
        assert (await client.post("/queue/pause")).status_code == 403
        assert (await client.post(PATH, json=with_key("admin"))).status_code == 403


async def test_what_is_signed_is_judged_by_its_signature(site: Site) -> None:
    async with browser(site) as client:
        await sign_in(client)
        headers = sign("client", "POST", "/queue/pause")
        assert (await client.post("/queue/pause", headers=headers)).status_code == 403
        assert (
            await client.post("/queue/pause", headers={"x-dffmpeg-client-id": "admin"})
        ).status_code == 401


# Links


async def test_a_link_is_good_once(site: Site) -> None:
    link = await login_link(site, "client")
    async with browser(site) as client:
        state = await client.post(PATH, json={"link": link})
        assert (state.status_code, state.json()["client_id"], state.json()["role"]) == (
            200,
            "client",
            "client",
        )
        again = await client.post(PATH, json={"link": link})
        assert (again.status_code, "login-link" in again.json()["detail"]) == (401, True)


async def test_links_that_are_not_good(site: Site) -> None:
    old = await login_link(site, lifetime=0.0)
    other = await login_link(site, purpose="join")
    gone = await login_link(site, "nobody")
    was = await login_link(site, "client", role=Role.ADMIN)
    async with browser(site) as client:
        for link in (old, other, gone, was, "x"):
            assert (await client.post(PATH, json={"link": link})).status_code == 401
    assert site.people.sessions.known == {}


# How often


async def test_failures_are_limited_by_address(site: Site) -> None:
    async with browser(site) as client:
        for number in range(BY_ADDRESS[0]):
            answer = await client.post(PATH, json={"link": f"wrong{number}"})
            assert answer.status_code == 401
        refused = await client.post(PATH, json=with_key("admin"))
        assert refused.status_code == 429
        assert 0 < int(refused.headers["retry-after"]) <= BY_ADDRESS[1]


async def test_failures_are_limited_by_identity_and_links_are_not() -> None:
    async with serving(PROXY) as site, browser(site) as client:
        for number in range(BY_IDENTITY[0]):
            far = {"x-forwarded-for": f"10.0.{number}.1"}
            wrong = {"client_id": "admin", "key": encode_key(b"x" * 32)}
            assert (await client.post(PATH, json=wrong, headers=far)).status_code == 401
        near = {"x-forwarded-for": "10.9.9.9"}
        refused = await client.post(PATH, json=with_key("admin"), headers=near)
        assert (refused.status_code, "retry-after" in refused.headers) == (429, True)
        link = {"link": await login_link(site)}
        assert (await client.post(PATH, json=link, headers=near)).status_code == 200


async def test_successes_are_not_limited(site: Site) -> None:
    async with browser(site) as client:
        for _ in range(2 * BY_IDENTITY[0]):
            await sign_in(client)


# From where, and whether at all


async def test_signing_in_from_elsewhere() -> None:
    far = {"x-forwarded-for": "192.0.2.1"}
    async with serving(PROXY) as site, browser(site, **far) as client:
        assert (await client.get(PATH)).status_code == 401
        answer = await client.post(PATH, json=with_key("admin"))
        assert (answer.status_code, "sign_in_networks" in answer.text) == (403, True)
        assert (await client.get("/status")).status_code == 403
    wide = {**PROXY, "security": {"trusted_proxies": ["127.0.0.1"], "sign_in_networks": ["192.0.2.0/24"]}}
    async with serving(wide) as site, browser(site, **far) as client:
        assert (await client.get("/status")).status_code == 200
        assert (await client.get("/api/v1/jobs")).status_code == 401
        await sign_in(client)
        assert (await client.get("/api/v1/jobs")).status_code == 200


async def test_switched_off_altogether() -> None:
    async with serving({"web_dashboard_enabled": False}) as site, browser(site) as client:
        for path in ("/", "/status", "/status/data", PATH):
            assert (await client.get(path)).status_code == 404
        assert "web_dashboard_enabled" in (await client.get("/status")).json()["detail"]
        assert (await client.post(PATH, json=with_key("admin"))).status_code == 404
        assert (await client.get("/api/v1/jobs")).status_code == 401
        signed = sign("admin", "GET", "/api/v1/jobs")
        assert (await client.get("/api/v1/jobs", headers=signed)).status_code == 200
