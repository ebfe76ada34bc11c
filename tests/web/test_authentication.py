"""Signatures, source addresses, and bodies that are refused before they are read."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Protocol

import httpx
import pytest
import trio

from dffmpeg.actors import ActorStopped
from dffmpeg.errors import Refused
from dffmpeg.model.identities import Identity
from dffmpeg.wire.signature import CLIENT_ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER
from tests.web.conftest import Site, raw, read_all, serving, sign

MIB = 1 << 20


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def detail_of(answer: bytes) -> str:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/json" in head.lower()
    detail = json.loads(body)["detail"]
    assert isinstance(detail, str)
    assert "\n" not in detail
    return detail


BAD_HEADERS = {
    "no client": {CLIENT_ID_HEADER: None},
    "no timestamp": {TIMESTAMP_HEADER: None},
    "no signature": {SIGNATURE_HEADER: None},
    "empty client": {CLIENT_ID_HEADER: ""},
    "unknown client": {CLIENT_ID_HEADER: "nobody"},
    "long client": {CLIENT_ID_HEADER: "x" * 5000},
    "other client": {CLIENT_ID_HEADER: "other"},
    "latin-1 client": {CLIENT_ID_HEADER: "\xe9\xff"},
    "tab in client": {CLIENT_ID_HEADER: "cli\tent"},
    "latin-1 signature": {SIGNATURE_HEADER: "\xe9" * 44},
    "short signature": {SIGNATURE_HEADER: "AAAA"},
    "not base64": {SIGNATURE_HEADER: "!" * 44},
    "url-safe base64": {SIGNATURE_HEADER: "-_" * 22},
    "text timestamp": {TIMESTAMP_HEADER: "yesterday"},
    "negative timestamp": {TIMESTAMP_HEADER: "-1"},
    "float timestamp": {TIMESTAMP_HEADER: "1e9"},
    "nan timestamp": {TIMESTAMP_HEADER: "nan"},
    "huge timestamp": {TIMESTAMP_HEADER: "9" * 400},
    "twelve digits": {TIMESTAMP_HEADER: "9" * 12},
    "spaced timestamp": {TIMESTAMP_HEADER: "1 2"},
    "underscored timestamp": {TIMESTAMP_HEADER: "1_000"},
    "superscript timestamp": {TIMESTAMP_HEADER: "\xb2\xb3"},
}


@pytest.mark.parametrize("change", BAD_HEADERS.values(), ids=BAD_HEADERS)
async def test_bad_headers_are_401(site: Site, change: dict[str, str | None]) -> None:
    headers = {
        key: value for key, value in {**sign("client", "GET", "/jobs"), **change}.items() if value is not None
    }
    answer = await site.exchange(raw("GET", "/jobs", headers))
    assert status_of(answer) == 401
    assert detail_of(answer)
    assert b"www-authenticate: dffmpeg" in answer.lower()


async def test_header_twice(site: Site) -> None:
    request = raw("GET", "/jobs", sign("client", "GET", "/jobs"))
    doubled = request.replace(b"\r\nConnection", f"\r\n{CLIENT_ID_HEADER}: admin\r\nConnection".encode())
    assert status_of(await site.exchange(doubled)) == 401


async def test_unknown_and_wrong_say_the_same(site: Site) -> None:
    wrong = {**sign("client", "GET", "/jobs"), SIGNATURE_HEADER: "A" * 43 + "="}
    unknown = {**wrong, CLIENT_ID_HEADER: "nobody"}
    answers = [detail_of(await site.exchange(raw("GET", "/jobs", headers))) for headers in (wrong, unknown)]
    assert answers[0] == answers[1]


@pytest.mark.parametrize("age", [31, -35, 300])
async def test_replay_outside_of_the_drift(site: Site, age: float) -> None:
    headers = sign("client", "GET", "/jobs", now=time.time() - age)
    answer = await site.exchange(raw("GET", "/jobs", headers))
    assert status_of(answer) == 401
    assert "clock" in detail_of(answer)


async def test_drift_is_configured() -> None:
    async with serving({"security": {"clock_drift": 600.0}}) as site:
        headers = sign("client", "GET", "/jobs", now=time.time() - 500)
        assert status_of(await site.exchange(raw("GET", "/jobs", headers))) == 200


async def test_signature_is_for_one_method_path_and_body(site: Site) -> None:
    job = await site.submit()
    path = f"/jobs/{job.job_id}/cancel"
    body = b'{"binary_name":"ffmpeg"}'
    submit = sign("client", "POST", "/jobs/submit", body)
    assert status_of(await site.exchange(raw("POST", path, sign("client", "GET", path)))) == 401
    assert status_of(await site.exchange(raw("POST", path, submit))) == 401
    assert status_of(await site.exchange(raw("POST", "/jobs/submit", submit, body + b" "))) == 401
    assert site.operations.all[job.job_id].record.status == "pending"
    assert len(site.operations.all) == 1
    # Refused for its body, it is used up all the same.
    assert status_of(await site.exchange(raw("POST", "/jobs/submit", submit, body))) == 401
    fresh = sign("client", "POST", "/jobs/submit", body)
    assert status_of(await site.exchange(raw("POST", "/jobs/submit", fresh, body))) == 200


async def test_head_is_signed_as_head(site: Site) -> None:
    assert status_of(await site.exchange(raw("HEAD", "/jobs", sign("client", "HEAD", "/jobs")))) == 200
    assert status_of(await site.exchange(raw("HEAD", "/jobs", sign("client", "GET", "/jobs")))) == 401


async def test_other_methods(site: Site) -> None:
    for method in ("OPTIONS", "PUT", "DELETE", "PATCH", "TRACE"):
        answer = await site.exchange(raw(method, "/jobs", {}))
        assert status_of(answer) == 405
        assert b"allow: get, head" in answer.lower()


async def test_identities_that_cannot_be_looked_up(site: Site) -> None:
    site.identities.failure = ActorStopped("store ended before it answered")
    answer = await site.exchange(raw("GET", "/jobs", sign("client", "GET", "/jobs")))
    assert status_of(answer) == 503
    assert b"retry-after: 1\r\n" in answer.lower()
    assert "store" not in detail_of(answer)


# Networks


def restrict(site: Site, *networks: str) -> None:
    known: Identity = site.identities.known["client"]
    site.identities.known["client"] = replace(known, allowed_networks=networks)


async def ask_from(site: Site, *forwarded: str) -> int:
    headers = sign("client", "GET", "/jobs")
    async with httpx.AsyncClient(trust_env=False) as client:
        extra = [("x-forwarded-for", value) for value in forwarded]
        return (await client.get(f"{site.url}/jobs", headers=[*headers.items(), *extra])).status_code


async def test_allowed_networks(site: Site) -> None:
    restrict(site, "127.0.0.0/8")
    assert await ask_from(site) == 200
    restrict(site, "10.0.0.0/8", "::1/128")
    assert await ask_from(site) == 401


async def test_forwarded_for_counts_only_from_a_proxy(site: Site) -> None:
    restrict(site, "10.0.0.0/8")
    assert await ask_from(site, "10.0.0.1") == 401
    restrict(site, "127.0.0.1/32")
    assert await ask_from(site, "10.0.0.1") == 200


async def test_forwarded_for_behind_proxies() -> None:
    async with serving({"security": {"trusted_proxies": ["127.0.0.1", "192.168.0.0/16"]}}) as site:
        restrict(site, "10.0.0.0/8", "2001:db8::/32")
        for good in (
            ["10.0.0.1"],
            ["8.8.8.8, 10.0.0.1"],
            ["8.8.8.8", "10.0.0.1, 192.168.3.4"],
            ["10.0.0.1:4711"],
            ["::ffff:10.0.0.1"],
            ["[2001:db8::1]:80"],
        ):
            assert await ask_from(site, *good) == 200, good
        for bad in (
            [],
            ["10.0.0.1, 8.8.8.8"],
            ["10.0.0.1, rubbish"],
            ["rubbish, 192.168.0.1"],
            ["10.0.0.1,"],
        ):
            assert await ask_from(site, *bad) == 401, bad


# Bodies


class Flood:
    """Sends a large body until the server stops taking it."""

    def __init__(self, stream: trio.SocketStream, chunk: bytes, count: int) -> None:
        self.sent = 0
        self._stream, self._chunk, self._count = stream, chunk, count

    async def run(self) -> None:
        try:
            for _ in range(self._count):
                await self._stream.send_all(self._chunk)
                self.sent += len(self._chunk)
        except trio.BrokenResourceError:
            return


class Door(Protocol):
    """Where connections come in."""

    async def connect(self) -> trio.SocketStream: ...


async def flood(site: Door, head: bytes, chunk: bytes, count: int) -> tuple[bytes, int]:
    async with await site.connect() as stream, trio.open_nursery() as nursery:
        await stream.send_all(head)
        sender = Flood(stream, chunk, count)
        nursery.start_soon(sender.run)
        answer = await read_all(stream)
        nursery.cancel_scope.cancel()
    return answer, sender.sent


def peak_memory(pid: int | str = "self") -> int:
    """Bytes, since `begin_peak`, or else the process's beginning."""
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))


def begin_peak(pid: int | str = "self") -> int:
    """Have a process's peak begin anew: what it once used would hide what it uses from now on.

    Returns:
        What it uses now, in bytes.
    """
    with open(f"/proc/{pid}/clear_refs", "w") as file:
        file.write("5")
    return peak_memory(pid)


@pytest.mark.parametrize("headers", [{}, {CLIENT_ID_HEADER: "nobody"}], ids=["unsigned", "unknown"])
@pytest.mark.parametrize("chunked", [False, True])
async def test_large_body_of_a_stranger_is_not_read(
    site: Site, headers: dict[str, str], chunked: bool
) -> None:
    if headers:
        headers = {**sign("client", "POST", "/jobs/submit"), **headers}
    size = 300 * MIB
    extra = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(size)}
    chunk = (b"10000\r\n" + bytes(65536) + b"\r\n") if chunked else bytes(65536)
    before = begin_peak()
    answer, sent = await flood(site, raw("POST", "/jobs/submit", headers | extra), chunk, size // 65536)
    assert status_of(answer) == 401
    assert sent < 32 * MIB
    assert peak_memory() - before < 32 * MIB


async def test_declared_body_over_the_limit_is_refused_at_once(site: Site) -> None:
    headers = {**sign("client", "POST", "/jobs/submit"), "Content-Length": str(300 * MIB)}
    answer, sent = await flood(site, raw("POST", "/jobs/submit", headers), bytes(65536), 4800)
    assert status_of(answer) == 413
    assert detail_of(answer)
    assert sent < 32 * MIB


async def test_chunked_body_over_the_limit(site: Site) -> None:
    headers = {**sign("client", "POST", "/jobs/submit"), "Transfer-Encoding": "chunked"}
    chunk = b"10000\r\n" + bytes(65536) + b"\r\n"
    before = begin_peak()
    answer, sent = await flood(site, raw("POST", "/jobs/submit", headers), chunk, 4800)
    assert status_of(answer) == 413
    assert sent < 32 * MIB
    assert peak_memory() - before < 32 * MIB


async def test_output_may_be_larger(site: Site) -> None:
    job = await site.submit()
    for path, status in ((f"/jobs/{job.job_id}/output", 422), (f"/jobs/{job.job_id}/logs", 413)):
        body = bytes([9]) * (3 * MIB)
        headers = sign("worker", "POST", path, body)
        assert status_of(await site.exchange(raw("POST", path, headers, body))) == status


# httpcore leaves the generator of the body that it could not send to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_refusal_reaches_a_client_that_is_still_sending(site: Site) -> None:
    async with site.http() as client:
        for _ in range(20):
            with pytest.raises(Refused) as refusal:
                await client.request("POST", "/jobs/submit", body=bytes(20 * MIB))
            assert refusal.value.status == 413


async def test_chunked_body_is_welcome(site: Site) -> None:
    body = b'{"binary_name":"ffmpeg"}'
    headers = {**sign("client", "POST", "/jobs/submit", body), "Transfer-Encoding": "chunked"}
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    assert status_of(await site.exchange(raw("POST", "/jobs/submit", headers, chunks))) == 200


@pytest.mark.parametrize("length", ["-1", "x", "5, 6", "9" * 30])
async def test_impossible_content_length(site: Site, length: str) -> None:
    headers = {**sign("client", "POST", "/jobs/submit"), "Content-Length": length}
    assert status_of(await site.exchange(raw("POST", "/jobs/submit", headers))) in (400, 413)


async def test_body_shorter_than_declared(site: Site) -> None:
    async with await site.connect() as stream:
        headers = {**sign("client", "POST", "/jobs/submit", b"{}"), "Content-Length": "10"}
        await stream.send_all(raw("POST", "/jobs/submit", headers) + b"{}")
        await stream.send_eof()
        assert not (await read_all(stream)).startswith(b"HTTP/1.1 2")
    assert not site.operations.all


async def test_body_longer_than_declared(site: Site) -> None:
    body = b'{"binary_name":"ffmpeg"}'
    headers = {**sign("client", "POST", "/jobs/submit", body), "Content-Length": str(len(body))}
    answer = await site.exchange(raw("POST", "/jobs/submit", headers) + body + b"GARBAGE\r\n\r\n")
    # What is behind the body is no request; whichever is seen first.
    assert status_of(answer) in (200, 400)
    assert len(site.operations.all) <= 1


async def test_body_that_never_arrives(autojump_clock: trio.testing.MockClock) -> None:
    autojump_clock.autojump_threshold = 0.05
    async with serving() as site:
        headers = {**sign("client", "POST", "/jobs/submit", b"{}"), "Content-Length": "10"}
        answer = await site.exchange(raw("POST", "/jobs/submit", headers) + b"{")
        assert status_of(answer) == 408


async def test_connection_survives_a_refusal(site: Site) -> None:
    """A small body that has arrived anyway does not cost the caller its connection."""
    async with httpx.AsyncClient(trust_env=False) as client:
        for _ in range(3):
            answer = await client.post(f"{site.url}/jobs/submit", content=b"{}" * 100)
            assert answer.status_code == 401
        assert site.server.connections == 1
