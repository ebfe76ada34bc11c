"""Bodies and requests that no well-behaved program sends, and what errors look like."""

from __future__ import annotations

import json

import pytest
import trio

from dffmpeg.actors import ActorCrashed, ActorStopped, MailboxFull
from dffmpeg.actors.coordinator.operations import Conflict, Unavailable
from dffmpeg.errors import BadInput, Refused
from dffmpeg.store.errors import StoreUnavailable
from dffmpeg.web.versions import PREFIX
from tests.web.conftest import Site, raw, serving, sign
from tests.web.test_authentication import detail_of, status_of


async def submit(site: Site, body: bytes) -> bytes:
    headers = {**sign("client", "POST", "/jobs/submit", body), "Content-Length": str(len(body))}
    return await site.exchange(raw("POST", "/jobs/submit", headers, body))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b'{"binary_name":"ffmpeg",}',
        b'{"binary_name":"ffmpeg","heartbeat_interval":NaN}',
        b'{"binary_name":"ffmpeg","heartbeat_interval":Infinity}',
        b'{"binary_name":"\\ud800"}',
        b'{"binary_name":"ffmpeg","arguments":["\\udfff\\ud800"]}',
        b'{"binary_name":"\xff"}',
        b'{"binary_name":"ffmpeg"} {}',
        b'\xef\xbb\xbf{"binary_name":"ffmpeg"}',
        b'{"a":' * 300_000,
        '{"binary_name":"ffmpeg"}'.encode("utf-16"),
    ],
    ids=lambda body: repr(body[:40]),
)
async def test_malformed_json_is_400(site: Site, body: bytes) -> None:
    answer = await submit(site, body)
    assert status_of(answer) == 400
    assert detail_of(answer)
    assert not site.operations.all


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"[]", "body"),
        (b"null", "body"),
        (b"[" * 500_000, "body"),
        (b"{}", "binary_name"),
        (b'{"binary_name":7}', "binary_name"),
        (b'{"binary_name":""}', "binary_name"),
        (b'{"binary_name":"../../bin/sh"}', "binary_name"),
        (b'{"binary_name":"ffmpeg\\u0000"}', "binary_name"),
        (b'{"binary_name":"ffmpeg","arguments":"-i"}', "arguments"),
        (b'{"binary_name":"ffmpeg","arguments":[1]}', "arguments"),
        (b'{"binary_name":"ffmpeg","arguments":["a\\u0000b"]}', "arguments[0]"),
        (b'{"binary_name":"ffmpeg","arguments":["-i",{"b64":"AA=="}]}', "arguments[1]"),
        (b'{"binary_name":"ffmpeg","arguments":[{"b64":"!"}]}', "arguments[0].b64"),
        (b'{"binary_name":"ffmpeg","heartbeat_interval":1e999}', "heartbeat_interval"),
        (b'{"binary_name":"ffmpeg","heartbeat_interval":-1}', "heartbeat_interval"),
        (b'{"binary_name":"ffmpeg","max_attempts":1e30}', "max_attempts"),
        (b'{"binary_name":"ffmpeg","monitor":"yes"}', "monitor"),
    ],
    ids=lambda value: repr(value)[:60],
)
async def test_what_does_not_fit_is_422_and_named(site: Site, body: bytes, field: str) -> None:
    answer = await submit(site, body)
    assert status_of(answer) == 422
    assert field in detail_of(answer)
    assert not site.operations.all


async def test_unknown_fields_are_ignored(site: Site) -> None:
    body = b'{"binary_name":"ffmpeg","colour":"red","deep":{"er":[1,{"x":null}]}}'
    assert status_of(await submit(site, body)) == 200


@pytest.mark.parametrize(
    ("error", "status", "detail"),
    [
        (BadInput("frame: too odd"), 422, "frame: too odd"),
        (Conflict("stale attempt"), 409, "stale attempt"),
        (Unavailable("not yet", retry_after=2.5), 503, "not yet"),
        (ActorStopped("scheduler ended"), 503, "not available"),
        (ActorCrashed("scheduler crashed"), 503, "not available"),
        (MailboxFull("the mailbox holds 5"), 503, "not available"),
        (StoreUnavailable("/var/lib/secret.db is locked"), 503, "the database cannot be reached"),
        (trio.TooSlowError(), 503, "not available"),
        (ZeroDivisionError("secret"), 500, "internal error"),
        (ExceptionGroup("one", [Conflict("stale attempt")]), 409, "stale attempt"),
        (ExceptionGroup("two", [Conflict("a"), Conflict("b")]), 500, "internal error"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
async def test_errors(
    site: Site, caplog: pytest.LogCaptureFixture, error: Exception, status: int, detail: str
) -> None:
    job = await site.submit()
    site.operations.failure = error
    path = f"/jobs/{job.job_id}/status"
    async with site.http() as client:
        with pytest.raises(Refused) as refusal:
            await client.request("GET", path)
    assert refusal.value.status == status
    assert refusal.value.detail.startswith(detail)
    if status == 503:
        assert refusal.value.retry_after == (3 if isinstance(error, Unavailable) else 1)
    logged = [record for record in caplog.records if record.exc_info]
    assert bool(logged) == (status == 500)
    if logged:
        assert path in logged[0].getMessage()
        assert logged[0].exc_info
        assert logged[0].exc_info[1] is error


@pytest.mark.parametrize("path", ["/nothing", "/jobs/", "/jobs//status", "//jobs", "/static/x", "/%ff"])
async def test_unknown_paths(path: str) -> None:
    # From nowhere may one look: some of these are the list of jobs.
    async with serving(config={"allowed_dashboard_ips": []}) as site:
        answer = await site.exchange(raw("GET", path, {}))
    assert status_of(answer) in (401, 404)
    assert detail_of(answer)


async def test_a_path_with_a_nul_is_refused_before_anything_is_looked_up() -> None:
    async with serving(config={"allowed_dashboard_ips": []}) as site:
        answer = await site.exchange(raw("GET", "/jobs/%00/x", {}))
    assert status_of(answer) == 400
    assert detail_of(answer).startswith("the path: expected")


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/jobs/%00/x", {}, 400),
        ("/jobs/submit", {"Content-Encoding": "gzip"}, 415),
        ("/stats", {"x-dffmpeg-forwarded": "v2 a b 10.0.0.1 1 x AA=="}, 401),
    ],
)
async def test_what_is_refused_before_it_has_a_route_is_answered_as_its_path_has_it(
    site: Site, path: str, headers: dict[str, str], status: int
) -> None:
    for prefix, kind in (("", b"application/json"), (PREFIX, b"application/problem+json")):
        answer = await site.exchange(raw("POST", prefix + path, headers))
        assert status_of(answer) == status
        assert b"content-type: " + kind + b"\r\n" in answer
        content = json.loads(answer.partition(b"\r\n\r\n")[2])
        assert content["detail"]
        assert content.get("status", status) == status


RAW = {
    "no path": b"GET ?x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "asterisk": b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "absolute": b"GET http://x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "authority": b"CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\nConnection: close\r\n\r\n",
}


@pytest.mark.parametrize("request_", RAW.values(), ids=RAW)
async def test_targets_that_are_no_path(
    site: Site, request_: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await site.exchange(request_)
    assert status_of(answer) == 400
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["detail"]
    assert not caplog.records


@pytest.mark.parametrize(
    "host",
    ["", "\xff\xfe", "a" * 300 + ".b", "[::1", "x:99999999", "..", "xn--\x80", "a b", "x" * 64 + ".example"],
)
async def test_strange_hosts_do_not_matter(site: Site, host: str) -> None:
    answer = await site.exchange(
        f"GET /health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode("latin-1")
    )
    assert status_of(answer) in (200, 400)
    assert site.server.port


async def test_http_1_0_without_host(site: Site) -> None:
    assert status_of(await site.exchange(b"GET /health HTTP/1.0\r\n\r\n")) == 200


BROKEN = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    "headers too large": b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    "NUL in a header": b"GET / HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
    "bad chunk": b"POST /jobs/submit HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "no websocket key": b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
}


@pytest.mark.parametrize("request_", BROKEN.values(), ids=BROKEN)
async def test_what_is_no_request_ends_its_connection_alone(site: Site, request_: bytes) -> None:
    async with await site.connect() as stream:
        try:
            await stream.send_all(request_)
            await stream.send_eof()
            async for _ in stream:
                pass
        except trio.BrokenResourceError:
            pass
    assert status_of(await site.exchange(raw("GET", "/health", {}))) == 200


async def test_data_on_the_heels_of_a_refused_handshake(site: Site) -> None:
    """Hypercorn's protocol code may fail over it; no other connection notices."""
    head = raw("GET", "/worker/worker/downlink", {}).replace(
        b"Connection: close",
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    )
    for extra in (b"x", bytes(5000)):
        answer = await site.exchange(head + extra)
        assert status_of(answer) in (400, 401)
        async with await site.connect() as stream:
            await stream.send_all(head)
            await stream.receive_some(1)
            try:
                for _ in range(20):
                    await stream.send_all(extra)
            except trio.BrokenResourceError:
                pass
    assert status_of(await site.exchange(raw("GET", "/health", {}))) == 200
