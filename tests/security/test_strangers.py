"""What strangers may try who have no key: behind proxies, by many requests, by lines in the log."""

from __future__ import annotations

import json
import time
from pathlib import Path

import httpx
import pytest
import trio

from dffmpeg.logs import FORMAT, JsonLines, OneLine
from dffmpeg.model import sessions
from dffmpeg.model.identities import Role
from dffmpeg.model.sessions import LOGIN, Token
from dffmpeg.web.app import FORGED
from dffmpeg.wire.signature import encode_key
from tests.web.conftest import KEYS, Site, raw, serving, sign
from tests.web.live import live
from tests.web.signing_in import CSRF, PATH, browser, login_link, sign_in, with_key
from tests.web.test_authentication import status_of

JOBS = "/api/v1/jobs"
PROXY = {"security": {"trusted_proxies": ["127.0.0.1"]}}


@pytest.mark.parametrize(
    "header",
    ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "X-Real-IP", "Via"],
)
async def test_a_proxy_nobody_told_us_of_opens_nothing(site: Site, header: str) -> None:
    assert status_of(await site.exchange(raw("GET", JOBS, {}))) == 200
    assert status_of(await site.exchange(raw("GET", JOBS, {header: "127.0.0.1"}))) == 401
    assert (
        status_of(await site.exchange(raw("GET", JOBS, sign("client", "GET", JOBS) | {header: "x"}))) == 200
    )


async def test_who_only_looks_keeps_nobody_out() -> None:
    from_two = PROXY | {"limits": {"requests_per_identity": 1}, "allowed_dashboard_ips": ["10.0.0.0/8"]}
    feed = "/api/v1/events"
    async with serving(from_two) as site:

        async def looks(address: str) -> int:
            return status_of(await site.exchange(raw("GET", JOBS, {"X-Forwarded-For": address})))

        async with site.websocket(feed, headers={"X-Forwarded-For": "10.0.0.1"}):
            assert await looks("10.0.0.1") == 429
            assert await looks("10.0.0.2") == 200


async def test_forged_passages_are_counted_and_do_not_fill_the_log(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "dffmpeg.web")
    for _ in range(FORGED + 20):
        answer = await site.exchange(
            raw("GET", "/health", {"x-dffmpeg-forwarded": "v2 a b 10.0.0.1 1 x AA=="})
        )
        assert status_of(answer) == 401
    lines = [line for line in caplog.messages if "no business here" in line]
    assert FORGED <= len(lines) < FORGED + 20
    text = (await site.exchange(raw("GET", "/metrics", {}))).decode()
    assert f'dffmpeg_refused_requests_total{{reason="malformed"}} {FORGED + 20}.0' in text


async def test_what_is_no_guess_does_not_fill_the_log_either(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "dffmpeg.web.authentication")
    async with serving({"limits": {"failed_authentications": 5}}) as site:
        for _ in range(30):
            late = sign("client", "GET", "/jobs", now=1.0)
            assert status_of(await site.exchange(raw("GET", "/jobs", late))) == 401
    assert 5 <= len([line for line in caplog.messages if "refused" in line]) < 30


async def test_of_many_at_once_one_redeems_a_link(tmp_path: Path) -> None:
    secret, now = sessions.new_secret(), time.time()
    link = Token(
        digest=sessions.digest_of(secret),
        purpose=LOGIN,
        client_id="admin",
        role=Role.ADMIN,
        created_at=now,
        expires_at=now + 600,
    )
    found: list[int] = []
    async with live(tmp_path) as running:
        await running.coordinator.services.store.tokens.add(link)

        async def redeem() -> None:
            async with browser(running) as client:
                found.append((await client.post(PATH, json={"link": secret})).status_code)

        async with trio.open_nursery() as nursery:
            for _ in range(8):
                nursery.start_soon(redeem)
    assert sorted(found) == [200] + [401] * 7


async def test_another_sessions_word_and_a_cookie_that_was_planted(site: Site) -> None:
    async with browser(site) as admin, browser(site) as client:
        await sign_in(admin)
        await sign_in(client, "client")
        stolen = {CSRF: client.headers[CSRF]}
        assert (await admin.post("/queue/pause", headers=stolen)).status_code == 403
        # What was planted before somebody signs in is not what they are then signed in by.
        planted = client.cookies["dffmpeg_session"]
        cookies = {"Cookie": f"dffmpeg_session={planted}", "content-type": "text/plain"}
        body = json.dumps(with_key("admin"))
        async with httpx.AsyncClient(base_url=site.url, trust_env=False) as victim:
            answer = await victim.post(PATH, content=body, headers=cookies)
            assert answer.status_code == 200
            assert answer.cookies["dffmpeg_session"] != planted
            crossed = await victim.post(
                PATH, content=body, headers=cookies | {"Origin": "http://evil.example"}
            )
            assert crossed.status_code == 403
        assert (await client.get(PATH)).json()["client_id"] == "client"
    assert KEYS["client"][0] is Role.CLIENT


async def test_made_up_cookies_cost_looks_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """And whoever is signed in, from the very same address, notices nothing of it."""
    config = {
        "limits": {"failed_authentications": 5},
        "allowed_dashboard_ips": [],
        "security": {"sign_in_networks": ["127.0.0.0/8"]},
    }
    async with serving(config) as site, browser(site) as client:
        await sign_in(client)
        looks: list[str] = []
        get = site.people.sessions.get

        async def counted(digest: str) -> object:
            looks.append(digest)
            return await get(digest)

        monkeypatch.setattr(site.people.sessions, "get", counted)
        found = []
        for count in range(40):
            guess = {"Cookie": f"dffmpeg_session={count:043}"}
            found.append(status_of(await site.exchange(raw("GET", JOBS, guess))))
        assert found[:5] == [401] * 5
        assert set(found[5:]) <= {401, 429}
        assert found.count(429) >= 30
        assert len(looks) == found.count(401)
        assert (await client.get(JOBS)).status_code == 200
        assert (await client.post("/queue/pause")).status_code == 200
        text = (await client.get("/metrics", headers={"accept": "text/plain"})).text
        assert 'dffmpeg_refused_requests_total{reason="session"} 40.0' in text


async def test_nothing_by_which_one_signs_in_is_logged(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """Neither what was right nor what was wrong."""
    caplog.set_level("DEBUG")
    wrong = {"client_id": "admin", "key": encode_key(b"w" * 32)}
    made_up, link = "f" * 43, await login_link(site)
    async with browser(site) as client:
        for body in (wrong, {"link": f"{link}x"}, {"link": link}):
            await client.post(PATH, json=body)
        csrf = (await sign_in(client))["csrf"]
        cookie = client.cookies["dffmpeg_session"]
        for headers in ({}, {CSRF: made_up}):
            await client.post("/queue/pause", headers=headers)
    await site.exchange(raw("GET", JOBS, {"Cookie": f"dffmpeg_session={made_up}"}))
    ours = [record for record in caplog.records if record.name.startswith("dffmpeg")]
    assert any("audit" in record.name for record in ours)
    for form in (OneLine(FORMAT), JsonLines()):
        text = "\n".join(map(form.format, ours))
        for secret in (wrong["key"], with_key("admin")["key"], link, csrf, cookie, made_up):
            assert secret not in text


async def test_who_may_look_by_address_may_with_any_cookie() -> None:
    async with serving({"limits": {"failed_authentications": 1}}) as site:
        for count in range(8):
            guess = {"Cookie": f"dffmpeg_session={count:043}"}
            assert status_of(await site.exchange(raw("GET", JOBS, guess))) == 200
