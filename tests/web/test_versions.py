"""The versioned routes: the same handlers and access, problems as RFC 9457 has them, ETags."""

from __future__ import annotations

from typing import Protocol

import httpx
import msgspec
import pytest
import trio_websocket

from dffmpeg.web.access import ACCESS
from dffmpeg.web.versions import PREFIX, UNVERSIONED, Alias, Problem
from dffmpeg.wire.jobs import JobRecord, Position, SubmitRequest
from tests.web.conftest import KEYS, Site, sign


class HasUrl(Protocol):
    """A server that runs."""

    @property
    def url(self) -> str: ...


async def ask(
    site: HasUrl,
    method: str,
    path: str,
    name: str | None = "client",
    body: bytes = b"",
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    signed = {} if name is None else sign(name, method, path, body)
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.request(
            method, site.url + path, content=body, headers={**signed, **(headers or {})}
        )


async def test_every_route_has_its_alias(site: Site) -> None:
    rules = list(site.app.url_map.iter_rules())
    places = {(rule.rule, rule.websocket) for rule in rules}
    for rule in rules:
        if not rule.rule.startswith(PREFIX) and rule.rule not in UNVERSIONED:
            assert (PREFIX + rule.rule, rule.websocket) in places
    known = {key.partition(" ")[2] for key in ACCESS}
    assert all(isinstance(rule, Alias) or rule.rule in known for rule in rules)


async def test_a_job_is_the_same_by_both_names(site: Site) -> None:
    body = msgspec.json.encode(SubmitRequest(binary_name="ffmpeg"))
    made = await ask(site, "POST", f"{PREFIX}/jobs/submit", body=body)
    record = msgspec.json.decode(made.content, type=JobRecord)
    for place in ("", PREFIX):
        found = await ask(site, "GET", f"{place}/jobs/{record.job_id}/status")
        assert found.json()["job_id"] == record.job_id
    async with site.websocket(f"{PREFIX}/jobs/{record.job_id}/follow") as connection:
        await connection.send_message(msgspec.json.encode(Position()).decode())
        assert await connection.get_message()


@pytest.mark.parametrize("name", KEYS)
async def test_roles_are_the_same(site: Site, name: str) -> None:
    for path in ("/queue", "/workers", "/stats"):
        original, alias = await ask(site, "GET", path, name), await ask(site, "GET", PREFIX + path, name)
        assert original.status_code == alias.status_code


async def test_signature_is_over_the_path_as_it_is_called(site: Site) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"{site.url}{PREFIX}/stats", headers=sign("client", "GET", "/stats"))
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "dffmpeg-hmac-sha256"


@pytest.mark.parametrize(
    ("method", "path", "name", "status"),
    [
        ("GET", "/jobs/NONE/status", "client", 404),
        ("GET", "/nothing", "client", 404),
        ("GET", "/admin/tree", "client", 403),
        ("POST", "/queue/pause", None, 401),
        ("PUT", "/queue", "admin", 405),
        ("POST", "/jobs/submit", "client", 400),
        ("POST", "/worker/NONE/verify", "worker", 400),
    ],
)
async def test_errors_are_problems_there_and_only_there(
    site: Site, method: str, path: str, name: str | None, status: int
) -> None:
    original = await ask(site, method, path, name)
    alias = await ask(site, method, PREFIX + path, name)
    assert (original.status_code, alias.status_code) == (status, status)
    assert original.headers["content-type"] == "application/json"
    assert original.json().keys() == {"detail"}
    assert alias.headers["content-type"] == "application/problem+json"
    problem = msgspec.json.decode(alias.content, type=Problem)
    assert (problem.status, problem.instance, problem.type) == (status, PREFIX + path, "about:blank")
    assert problem.detail == original.json()["detail"]


async def test_refused_handshake_is_a_problem_too(site: Site) -> None:
    with pytest.raises(trio_websocket.ConnectionRejected) as rejection:
        async with site.websocket(f"{PREFIX}/jobs/NONE/follow"):
            pass
    assert rejection.value.status_code == 404
    assert rejection.value.body is not None
    assert msgspec.json.decode(rejection.value.body, type=Problem).status == 404


async def test_answer_that_is_known_is_not_sent_again(site: Site) -> None:
    first = await ask(site, "GET", f"{PREFIX}/stats")
    tag = first.headers["etag"]
    again = await ask(site, "GET", f"{PREFIX}/stats", headers={"if-none-match": tag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    await site.submit()
    changed = await ask(site, "GET", f"{PREFIX}/stats", headers={"if-none-match": tag})
    assert (changed.status_code, changed.json()["jobs"]) == (200, {"pending": 1})
    assert "etag" not in (await ask(site, "GET", "/stats")).headers
