"""Attacks by requests that somebody else signed, or nobody did: replays, tampering, guesses, others' jobs."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import Any

import pytest
import trio
from trio_websocket import ConnectionRejected

from dffmpeg.wire import signature
from dffmpeg.wire.signature import CLIENT_ID_HEADER, DIGEST_HEADER, NONCE_HEADER, SIGNATURE_HEADER
from tests.web.conftest import KEYS, Site, raw, serving, sign
from tests.web.test_authentication import begin_peak, detail_of, flood, peak_memory, status_of

MIB = 1 << 20
BODY = b'{"binary_name":"ffmpeg"}'


async def status(site: Site, method: str, target: str, headers: dict[str, str], body: bytes = b"") -> int:
    return status_of(await site.exchange(raw(method, target, headers, body)))


# Replays


@pytest.mark.parametrize(("method", "path", "body"), [("GET", "/jobs", b""), ("POST", "/jobs/submit", BODY)])
async def test_a_request_is_good_once(site: Site, method: str, path: str, body: bytes) -> None:
    headers = sign("client", method, path, body)
    assert await status(site, method, path, headers, body) == 200
    answer = await site.exchange(raw(method, path, headers, body))
    assert status_of(answer) == 401
    assert "made before" in detail_of(answer)
    assert len(site.operations.all) == (method == "POST")


async def test_a_handshake_is_good_once(site: Site) -> None:
    path = "/worker/worker/downlink"
    headers = sign("worker", "GET", path)
    async with site.websocket(path, headers=headers):
        pass
    with pytest.raises(ConnectionRejected) as rejection:
        async with site.websocket(path, headers=headers):
            pass
    assert rejection.value.status_code == 401


async def test_many_at_once_are_good_once(site: Site) -> None:
    headers = sign("client", "POST", "/jobs/submit", BODY)
    found: list[int] = []

    async def ask() -> None:
        found.append(await status(site, "POST", "/jobs/submit", headers, BODY))

    async with trio.open_nursery() as nursery:
        for _ in range(16):
            nursery.start_soon(ask)
    assert found.count(200) == len(site.operations.all) == 1
    assert set(found) == {200, 401}


async def test_what_was_signed_before_the_start_may_have_been_carried_out(site: Site) -> None:
    before = time.time() - 5
    answer = await site.exchange(
        raw("POST", "/jobs/submit", sign("client", "POST", "/jobs/submit", BODY, now=before), BODY)
    )
    assert status_of(answer) == 503
    assert re.search(rb"retry-after: [3-9]\r\n", answer)
    # What changes nothing, or names its job, does not have to wait.
    assert await status(site, "GET", "/jobs", sign("client", "GET", "/jobs", now=before)) == 200
    named = b'{"binary_name":"ffmpeg","job_id":"01HZY4K2M3N5P6Q7R8S9T0V1W2"}'
    signed = sign("client", "POST", "/jobs/submit", named, now=before)
    assert await status(site, "POST", "/jobs/submit", signed, named) == 200


# Tampering


async def test_the_query_is_signed(site: Site) -> None:
    for signed, sent in (
        ("/jobs?limit=1", "/jobs?limit=1000"),
        ("/jobs?limit=1", "/jobs"),
        ("/jobs", "/jobs?requester=other"),
        ("/jobs?limit=1", "/jobs?limit=1&limit=2"),
        ("/jobs?limit=1", "/jobs?limit=%31"),
        ("/jobs", "/jobs/"),
        ("/jobs", "/%6aobs"),
    ):
        assert await status(site, "GET", sent, sign("client", "GET", signed)) in (401, 404)


@pytest.mark.parametrize("name", signature.HEADERS)
async def test_every_header_is_signed(site: Site, name: str) -> None:
    headers = sign("client", "POST", "/jobs/submit", BODY)
    other = {**sign("other", "POST", "/jobs/submit", b"{}", now=time.time() - 1)}
    assert headers[name] != other[name]
    assert await status(site, "POST", "/jobs/submit", headers | {name: other[name]}, BODY) == 401
    assert not site.operations.all


async def test_a_newline_in_a_header_moves_nothing(site: Site) -> None:
    headers = sign("client", "GET", "/jobs")
    for name in (CLIENT_ID_HEADER, NONCE_HEADER):
        moved = headers | {name: headers[name] + "\r\n x"}
        assert await status(site, "GET", "/jobs", moved) in (400, 401)


async def test_older_signatures_are_not_accepted(site: Site) -> None:
    old = signature.sign_legacy("client", KEYS["client"][1], "GET", "/jobs", b"", now=time.time())
    answer = await site.exchange(raw("GET", "/jobs", old))
    assert status_of(answer) == 401
    assert "allow_legacy_signatures" in detail_of(answer)


async def test_older_signatures_where_they_are_allowed() -> None:
    async with serving({"security": {"allow_legacy_signatures": True}}) as site:

        def old(method: str, path: str, body: bytes = b"") -> dict[str, str]:
            return signature.sign_legacy("client", KEYS["client"][1], method, path, body, now=time.time() + 2)

        reading = old("GET", "/jobs")
        # Nothing tells two of them apart, and nothing is changed by either.
        for target in ("/jobs", "/jobs", "/jobs?limit=1"):
            assert await status(site, "GET", target, reading) == 200
        writing = old("POST", "/jobs/submit", BODY)
        assert await status(site, "POST", "/jobs/submit", writing, BODY + b" ") == 401
        assert await status(site, "POST", "/jobs/submit", writing, BODY) == 200
        assert await status(site, "POST", "/jobs/submit", writing, BODY) == 401
        assert len(site.operations.all) == 1
        # Stripped of what is new, a newer signature is no older one.
        new = sign("client", "GET", "/jobs")
        bare = new | {SIGNATURE_HEADER: new[SIGNATURE_HEADER].removeprefix("v2="), "x-dffmpeg-timestamp": "1"}
        assert await status(site, "GET", "/jobs", bare) == 401


async def test_a_wrong_clock_is_told_by_how_much(site: Site) -> None:
    answer = await site.exchange(raw("GET", "/jobs", sign("client", "GET", "/jobs", now=time.time() - 3600)))
    assert status_of(answer) == 401
    found = re.search(r"(\d+) s behind the coordinator's clock, which says (\d+)", detail_of(answer))
    assert found is not None
    assert abs(int(found[1]) - 3600) < 60
    assert abs(int(found[2]) - time.time()) < 60


# Roles, jobs and channels of others


async def test_a_role_is_not_what_a_request_says(site: Site) -> None:
    for name in ("client", "worker"):
        for method, path in (("POST", "/queue/pause"), ("POST", "/admin/janitor"), ("GET", "/admin/tree")):
            headers = sign(name, method, path) | {"x-dffmpeg-role": "admin"}
            assert await status(site, method, path, headers) == 403


async def test_a_job_of_another(site: Site) -> None:
    job = await site.submit("other")
    for method, what in (("GET", "status"), ("POST", "cancel"), ("GET", "logs"), ("POST", "follow")):
        path = f"/jobs/{job.job_id}/{what}"
        body = b"{}" if what == "follow" else b""
        assert await status(site, method, path, sign("client", method, path, body), body) == 403
    assert site.operations.all[job.job_id].record.status == "pending"
    with pytest.raises(ConnectionRejected) as rejection:
        async with site.websocket(f"/jobs/{job.job_id}/follow"):
            pass
    assert rejection.value.status_code == 403


async def test_a_channel_of_another(site: Site) -> None:
    job = await site.submit("other")
    path = f"/poll/jobs/{job.job_id}?wait=0"
    assert await status(site, "GET", path, sign("client", "GET", path)) == 403
    site.identities.known["worker2"] = replace(
        site.identities.known["worker"], client_id="worker2", key=b"2" * 32
    )
    with pytest.raises(ConnectionRejected) as rejection:
        async with site.websocket("/worker/worker2/downlink", "worker"):
            pass
    assert rejection.value.status_code == 403
    site.operations.post("worker2")
    answer = await site.exchange(
        raw("GET", "/poll/worker?wait=0", sign("worker", "GET", "/poll/worker?wait=0"))
    )
    assert answer.endswith(b'{"messages":[]}')


# Guessing


def guess(name: str = "client") -> dict[str, str]:
    return {**sign("other", "GET", "/jobs"), CLIENT_ID_HEADER: name}


async def test_guesses_are_limited_and_nobody_is_locked_out(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "dffmpeg.web.authentication")
    async with serving({"limits": {"failed_authentications": 5}}) as site:
        for name in ("client", "nobody"):
            for count in range(8):
                answer = await site.exchange(raw("GET", "/jobs", guess(name)))
                first = name == "client" and count < 5
                assert status_of(answer) == (401 if first else 429)
                assert first or re.search(rb"retry-after: 1?[0-9]\r\n", answer)
        # From the very address, and in the very name.
        assert await status(site, "GET", "/jobs", sign("client", "GET", "/jobs")) == 200
        # Of the many there are a few lines.
        assert len([line for line in caplog.messages if "refused" in line]) == 5
        # A clock that is off, or no signature at all, is only told so.
        assert await status(site, "POST", "/jobs/submit", {}) == 401
        assert await status(site, "GET", "/jobs", sign("client", "GET", "/jobs", now=1.0)) == 401


async def test_an_unknown_name_is_answered_as_a_wrong_signature(site: Site) -> None:
    """Neither by words, nor by what is read of the body, nor by looks into the database."""
    looks: list[str] = []
    look_up = site.identities.look_up

    async def counted(client_id: str) -> object:
        looks.append(client_id)
        return await look_up(client_id)

    site.identities.look_up = counted  # type: ignore[method-assign,assignment]
    answers = []
    for name in ("client", "nobody"):
        answer = await site.exchange(raw("GET", "/jobs", guess(name)))
        answers.append(re.sub(rb"(?i)(date|x-request-id): [^\r]*", b"", answer))
        large = {**sign("other", "POST", "/jobs/submit"), CLIENT_ID_HEADER: name, DIGEST_HEADER: "0" * 64}
        _, sent = await flood(
            site, raw("POST", "/jobs/submit", large | {"Content-Length": str(300 * MIB)}), bytes(65536), 4800
        )
        assert sent < 32 * MIB
    assert answers[0] == answers[1]
    assert looks == ["client", "client", "nobody", "nobody"]


async def test_an_unknown_name_costs_as_much_work(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted, because a clock says little: looks, and signatures that are worked out."""
    work: list[str] = []
    verify, look_up = signature.verify, site.identities.look_up

    def verified(*arguments: Any) -> None:
        work.append("signature")
        verify(*arguments)

    async def counted(client_id: str) -> object:
        work.append("look")
        return await look_up(client_id)

    monkeypatch.setattr(signature, "verify", verified)
    monkeypatch.setattr(site.identities, "look_up", counted)
    found = {}
    # One that was here before is remembered, and costs a stranger the same.
    assert await status(site, "GET", "/jobs", sign("client", "GET", "/jobs")) == 200
    for name in ("client", "worker", "nobody"):
        work.clear()
        assert await status(site, "GET", "/jobs", guess(name)) == 401
        found[name] = list(work)
    # Before the look and after it by two keys, as of somebody whose key is being replaced.
    expected = ["signature", "signature", "look", "signature", "signature"]
    assert found["client"] == found["worker"] == found["nobody"] == expected


async def test_refusals_are_counted_by_reason(site: Site) -> None:
    await status(site, "GET", "/jobs", guess())
    await status(site, "GET", "/jobs", {CLIENT_ID_HEADER: "x"})
    await status(site, "GET", "/jobs", sign("client", "GET", "/jobs", now=1.0))
    used = sign("client", "GET", "/jobs")
    for _ in range(2):
        await status(site, "GET", "/jobs", used)
    text = (await site.exchange(raw("GET", "/metrics", {}))).decode()
    for reason in ("signature", "missing", "clock", "replayed"):
        assert f'dffmpeg_refused_requests_total{{reason="{reason}"}} 1.0' in text, reason


async def test_nothing_secret_and_no_line_of_anybody_else_is_logged(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    from dffmpeg.logs import FORMAT, OneLine

    caplog.set_level("DEBUG")
    headers = {**guess("cli\tent"), "x-dffmpeg-forwarded": "v2 x"}
    await site.exchange(raw("GET", "/jobs/a%0A2026-01-01%20ERROR%20root:%20hacked%1b[31m/status", headers))
    await site.exchange(
        raw("GET", "/jobs/a%0D%0Ahacked/status", sign("client", "GET", "/jobs/a%0D%0Ahacked/status"))
    )
    lines = [OneLine(FORMAT).format(record) for record in caplog.records if record.name.startswith("dffmpeg")]
    assert any("hacked" in line for line in lines)
    for line in lines:
        assert not re.search(r"[\x00-\x1f\x7f-\x9f]", line)
        for secret in (headers[SIGNATURE_HEADER], signature.encode_key(KEYS["client"][1])):
            assert secret not in line


# Floods


async def test_64_large_bodies_of_strangers_at_once(site: Site) -> None:
    size = 300 * MIB
    before = begin_peak()
    sent: list[int] = []

    async def one(number: int) -> None:
        headers = (
            {} if number % 2 else {**sign("other", "POST", "/jobs/submit", b"x"), CLIENT_ID_HEADER: "client"}
        )
        extra = {"Transfer-Encoding": "chunked"} if number % 4 < 2 else {"Content-Length": str(size)}
        chunk = (b"10000\r\n" + bytes(65536) + b"\r\n") if number % 4 < 2 else bytes(65536)
        answer, count = await flood(site, raw("POST", "/jobs/submit", headers | extra), chunk, size // 65536)
        assert status_of(answer) in (401, 429)
        sent.append(count)

    async with trio.open_nursery() as nursery:
        for number in range(64):
            nursery.start_soon(one, number)
    assert len(sent) == 64
    assert max(sent) < 32 * MIB
    assert peak_memory() - before < 64 * MIB
