"""The audit trail at the web's door: what leaves an entry, and what stands in it."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import pytest
import trio

from dffmpeg.actors import ActorStopped
from dffmpeg.model.audit import AuditEntry, Outcome, Via
from dffmpeg.store import StoreUnavailable
from dffmpeg.web.access import ACCESS, ADMINS
from dffmpeg.web.audited import AUDITED, check_complete, concerns
from dffmpeg.web.trail import OTHERS
from dffmpeg.wire.workers import RegisterRequest
from tests.web.conftest import Site, raw, serving, sign
from tests.web.live import Live, live
from tests.web.signing_in import browser, login_link, sign_in, with_key

BODIES: Mapping[str, Any] = {
    "POST /jobs/<job_id>/priority": {"priority": 7},
    "POST /workers/<worker_id>/pause": {"reason": "new disks", "seconds": 60.0},
    "POST /workers/<worker_id>/drain": {"reason": "new disks"},
    "POST /workers/<worker_id>/quarantine": {"reason": "new disks"},
    "POST /workers/<worker_id>/probe": {"benchmark": True},
    "POST /queue/pause": {"reason": "moving"},
    "POST /admin/janitor": {"action": "run_all"},
    "POST /debug/crash": {"path": "coordinator/web"},
    "POST /api/v1/users/<client_id>/networks": {"networks": ["10.0.0.0/8", "::1/128"]},
}
DETAILS: Mapping[str, Any] = {
    **BODIES,
    "POST /jobs/<job_id>/cancel": {"requester": "client"},
    "POST /jobs/<job_id>/retry": {"requester": "client"},
    "POST /jobs/<job_id>/priority": {"requester": "client", "priority": 7},
    "POST /api/v1/users/<client_id>/networks": {"networks": "10.0.0.0/8, ::1/128"},
}
WORKER = RegisterRequest(
    worker_id="worker", binaries=[], paths=[], supported_transports=["websocket"], slots=1
)
COMING = frozenset({"POST /api/v1/session", "DELETE /api/v1/session", "POST /api/v1/join"})
"""By these one is let in, and out again."""

KEPT = sorted(route for route, audited in AUDITED.items() if audited is not None and route not in COMING)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with serving({"debug": {"routes": True}}) as running:
        await running.submit()
        async with running.http("worker") as http:
            await http.request("POST", "/worker/register", json=WORKER)
        yield running


def place(site: Site, route: str) -> tuple[str, str, str | None]:
    """Method, path and subject of a route, about what there is."""
    method, _, path = route.partition(" ")
    for name, value in {
        "job_id": next(iter(site.operations.all)),
        "worker_id": "worker",
        "client_id": "other",
    }.items():
        if f"<{name}>" in path:
            return method, path.replace(f"<{name}>", value), value
    return method, path, None


async def ask(site: Site, route: str, name: str, **headers: str) -> int | None:
    """The status that a request is answered with; None where the server was crashed over it."""
    method, path, _ = place(site, route)
    body = json.dumps(BODIES[route]).encode() if route in BODIES else b""
    signed = sign(name, method, path, body)
    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.request(
                method, site.url + path, content=body, headers={**signed, **headers}
            )
    except httpx.RemoteProtocolError:
        return None
    return answer.status_code


def test_table_is_about_every_such_route_and_no_other() -> None:
    assert {route for route in ACCESS if concerns(route)} == AUDITED.keys()
    # What only administrators may do is administration.
    assert all(AUDITED[route] is not None for route in AUDITED if ACCESS[route] == ADMINS)


async def test_a_route_of_which_nothing_is_said_is_found(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def new() -> str:
        return ""

    monkeypatch.setitem(ACCESS, "POST /new", ADMINS)
    site.app.add_url_rule("/new", view_func=new, methods=["POST"])
    with pytest.raises(RuntimeError, match="POST /new"):
        check_complete(site.app.url_map)


@pytest.mark.parametrize("route", KEPT)
async def test_each_leaves_an_entry(site: Site, route: str) -> None:
    audited = AUDITED[route]
    assert audited is not None
    _, _, subject = place(site, route)
    assert await ask(site, route, "admin", **{"x-request-id": "mine"}) in (200, 202, None)
    (entry,) = site.operations.trail
    assert entry.entry_id
    assert entry == AuditEntry(
        entry_id=entry.entry_id,
        at=entry.at,
        actor="admin",
        via=Via.SIGNATURE,
        address="127.0.0.1",
        request_id="mine",
        action=audited.action,
        subject=subject,
        outcome=Outcome.DONE,
        details=DETAILS.get(route, {}),
    )


async def test_each_that_is_refused_leaves_one_too(site: Site) -> None:
    for number, route in enumerate(KEPT):
        name = "other" if ACCESS[route] != ADMINS else "client"
        assert await ask(site, route, name) == 403
        assert len(site.operations.trail) == number + 1
        entry = site.operations.trail[-1]
        assert (entry.actor, entry.outcome, entry.subject) == (name, Outcome.REFUSED, place(site, route)[2])


async def test_below_the_prefix_it_is_the_same(site: Site) -> None:
    async with site.http("admin") as http:
        await http.request("POST", "/api/v1/queue/resume")
    assert [entry.action for entry in site.operations.trail] == ["queue.resume"]


async def test_what_one_does_with_ones_own_jobs_is_nobodys_business(site: Site) -> None:
    mine = (await site.submit("admin")).job_id
    async with site.http("admin") as http, site.http("client") as client:
        await http.request("POST", f"/jobs/{mine}/cancel")
        theirs = next(iter(site.operations.all))
        await client.request("POST", f"/jobs/{theirs}/priority", json={"priority": 1})
        await client.request("POST", f"/jobs/{theirs}/cancel")
    assert site.operations.trail == []


@pytest.mark.parametrize("path", ["/jobs/NONE/cancel", "/workers/NONE/resume", "/api/v1/users/NONE/networks"])
async def test_what_changed_nothing_leaves_none(site: Site, path: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        body = b'{"networks": []}'
        answer = await client.post(site.url + path, content=body, headers=sign("admin", "POST", path, body))
        wrong = sign("admin", "POST", "/queue/pause", b"{")
        assert (await client.post(f"{site.url}/queue/pause", content=b"{", headers=wrong)).status_code == 400
        assert (await client.post(f"{site.url}/queue/pause")).status_code == 401
    assert answer.status_code == 404
    assert site.operations.trail == []


async def test_what_broke_off_may_have_been_done(site: Site) -> None:
    site.operations.failure = ActorStopped("it ended")
    assert (await ask(site, "POST /jobs/<job_id>/cancel", "admin")) == 503
    (entry,) = site.operations.trail
    assert entry.outcome is Outcome.UNCLEAR


async def test_who_goes_away_is_recorded_all_the_same(site: Site) -> None:
    site.operations.hold = trio.Event()
    method, path, subject = place(site, "DELETE /jobs/<job_id>")
    async with await site.connect() as stream:
        await stream.send_all(raw(method, path, sign("admin", method, path)))
        await site.operations.entered.wait()
    await site.operations.until(lambda: bool(site.operations.trail))
    (entry,) = site.operations.trail
    assert (entry.action, entry.subject, entry.outcome) == ("job.purge", subject, Outcome.UNCLEAR)


async def test_what_cannot_be_written_is_in_the_log(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.operations.broken = StoreUnavailable("the disk is full")
    with caplog.at_level(logging.ERROR, "dffmpeg.web.audit"):
        assert (await ask(site, "POST /queue/pause", "admin")) == 200
    assert site.operations.queue.paused
    (line,) = [record.message for record in caplog.records]
    assert "not in the audit trail" in line
    assert "admin (signature, 127.0.0.1): queue.pause: done reason='moving'" in line


async def test_others_fill_it_slowly(site: Site) -> None:
    for _ in range(OTHERS[0] + 5):
        assert (await ask(site, "POST /queue/resume", "client")) == 403
    assert len(site.operations.trail) == OTHERS[0]
    assert (await ask(site, "POST /queue/resume", "worker")) == 403
    assert (await ask(site, "POST /queue/resume", "admin")) == 200
    assert [entry.actor for entry in site.operations.trail[-2:]] == ["worker", "admin"]


async def test_details_are_what_is_named_and_short(site: Site) -> None:
    async with site.http("admin") as http:
        body = {"reason": "x" * 200, "hmac_key": "secret", "seconds": 5.0}
        await http.request("POST", "/workers/worker/pause", json=body)
    (entry,) = site.operations.trail
    assert entry.details == {"reason": "x" * 200, "seconds": 5.0}


# Sessions


async def test_signing_in_and_out(site: Site) -> None:
    link = await login_link(site, "viewer")
    async with browser(site) as client, browser(site) as other:
        await sign_in(client)
        assert (await client.post("/queue/pause", json={"reason": "why"})).status_code == 200
        assert (await client.delete("/api/v1/session")).status_code == 200
        assert (await other.post("/api/v1/session", json={"link": link})).status_code == 200
        wrong = {**with_key("admin"), "client_id": "client"}
        assert (await client.post("/api/v1/session", json=wrong)).status_code == 401
    kept = [(one.actor, one.via, one.action, one.details) for one in site.operations.trail]
    assert kept == [
        ("admin", Via.SESSION, "session.sign_in", {"by": "key"}),
        ("admin", Via.SESSION, "queue.pause", {"reason": "why"}),
        ("admin", Via.SESSION, "session.sign_out", {}),
        ("viewer", Via.SESSION, "session.sign_in", {"by": "link"}),
    ]
    assert link not in str(site.operations.trail)


# Reading


async def get(site: Site | Live, path: str, name: str = "admin", **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(site.url + path, headers={**sign(name, "GET", path), **headers})


async def test_pages_of_the_trail(site: Site) -> None:
    for _ in range(3):
        await ask(site, "POST /queue/resume", "admin")
    first = await get(site, "/api/v1/audit?limit=2&actor=admin&action=queue&since=2026-01-31T12:00:00Z")
    assert first.status_code == 200
    assert len(first.json()["items"]) == 2
    assert f"cursor={first.json()['next']}" in first.headers["link"]
    assert "actor=admin" in first.headers["link"]
    asked = site.operations.asked[0]
    assert (asked.limit, asked.actor, asked.action, asked.before) == (2, "admin", "queue", None)
    assert asked.since == 1769860800.0
    again = await get(site, "/api/v1/audit?limit=2", **{"if-none-match": first.headers["etag"]})
    assert again.status_code == 304
    assert (await get(site, "/api/v1/audit?since=soon")).status_code == 422
    assert (await get(site, "/api/v1/audit?limit=0")).status_code == 422
    for cursor in ("x", "I" * 26, "é" * 26, first.json()["next"] + "0"):
        wrong = await get(site, f"/api/v1/audit?cursor={quote(cursor)}")
        assert (wrong.status_code, wrong.json()["detail"][:8]) == (422, "cursor: ")
    on = f"/api/v1/audit?cursor={first.json()['next']}"
    assert (await get(site, on)).status_code == 200
    assert site.operations.asked[-1].after == first.json()["next"]


@pytest.mark.parametrize("path", ["/api/v1/audit", "/api/v1/users"])
async def test_only_administrators_read_it(site: Site, path: str) -> None:
    for name in ("viewer", "client", "worker"):
        assert (await get(site, path, name)).status_code == 403
    async with httpx.AsyncClient(trust_env=False) as client:
        # From here everything else may be looked at without signing in.
        assert (await client.get(site.url + path)).status_code == 401


# On a real coordinator


@pytest.fixture
async def real(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path) as running:
        yield running


async def change(site: Live, method: str, path: str, body: Any = None, name: str = "admin") -> httpx.Response:
    content = b"" if body is None else msgspec.json.encode(body)
    async with httpx.AsyncClient(trust_env=False) as client:
        headers = sign(name, method, path, content)
        return await client.request(method, site.url + path, content=content, headers=headers)


async def test_users(real: Live) -> None:
    found = (await get(real, "/api/v1/users")).json()
    assert [user["id"] for user in found["items"]] == ["admin", "client", "other", "viewer", "worker"]
    times = {"created_at", "expires_at", "signed_in_at", "last_seen"}
    assert set(found["items"][0]) == {"id", "role", "networks", *times}
    assert found["next"] is None
    page = (await get(real, "/api/v1/users?limit=2")).json()
    rest = (await get(real, f"/api/v1/users?limit=9&cursor={page['next']}")).json()
    assert page["items"] + rest["items"] == found["items"]
    async with browser(real) as client:
        await sign_in(client, "client")
    users = {user["id"]: user for user in (await get(real, "/api/v1/users")).json()["items"]}
    assert users["client"]["signed_in_at"] is not None
    assert users["other"]["signed_in_at"] is None


async def test_until_when_a_user_is_let_in(real: Live) -> None:
    await real.coordinator.services.store.identities.set_expiry("other", 4_000_000_000.0)
    users = {user["id"]: user for user in (await get(real, "/api/v1/users")).json()["items"]}
    assert users["other"]["expires_at"].startswith("2096-10-02T07:06:40")
    assert users["client"]["expires_at"] is None


async def test_networks_of_a_user(real: Live) -> None:
    path = "/api/v1/users/client/networks"
    answer = await change(real, "POST", path, {"networks": ["10.0.0.0/8"]})
    assert (answer.status_code, answer.json()["networks"]) == (200, ["10.0.0.0/8"])
    assert (await get(real, "/api/v1/jobs", "client")).status_code == 401
    wrong = await change(real, "POST", path, {"networks": ["127.0.0.1", "10.0.0.1/8"]})
    assert (wrong.status_code, "networks[1]" in wrong.json()["detail"]) == (422, True)
    assert (await change(real, "POST", path, {"networks": ["::/0"] * 65})).status_code == 422
    assert (await change(real, "POST", path, {"networks": []})).json()["networks"] == []
    assert (await change(real, "POST", "/api/v1/users/nobody/networks", {"networks": []})).status_code == 404
    assert (await change(real, "POST", "/api/v1/users/admin/networks", {"networks": []})).status_code == 409


async def test_deleting_users(real: Live) -> None:
    assert (await change(real, "DELETE", "/api/v1/users/other")).status_code == 200
    assert (await change(real, "DELETE", "/api/v1/users/other")).status_code == 404
    assert (await get(real, "/api/v1/jobs", "other")).status_code == 401
    oneself = await change(real, "DELETE", "/api/v1/users/admin")
    assert (oneself.status_code, "oneself" in oneself.json()["detail"]) == (409, True)
    kept = (await get(real, "/api/v1/audit")).json()["items"]
    assert [(one["action"], one["subject"], one["outcome"]) for one in kept] == [
        ("user.delete", "other", "done")
    ]


async def test_an_action_and_its_entry_on_a_real_coordinator(real: Live) -> None:
    assert (await change(real, "POST", "/queue/pause", {"reason": "new disks"})).status_code == 200
    assert (await change(real, "POST", "/queue/resume", name="client")).status_code == 403
    found = (await get(real, "/api/v1/audit?limit=1")).json()
    (newest,) = found["items"]
    assert (newest["actor"], newest["action"], newest["outcome"]) == ("client", "queue.resume", "refused")
    (older,) = (await get(real, f"/api/v1/audit?cursor={found['next']}")).json()["items"]
    assert (older["actor"], older["via"], older["address"]) == ("admin", "signature", "127.0.0.1")
    assert older["details"] == {"reason": "new disks"}
    assert (await get(real, "/api/v1/audit?actor=admin&action=worker")).json()["items"] == []
