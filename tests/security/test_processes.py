"""Attacks on real processes: a coordinator and two workers as people start them, each attack one test.

What comes before a request's handler has finer tests beside this one, against a coordinator inside the test.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import trio

from dffmpeg.client.api import Client
from dffmpeg.wire import codec, frames, signature
from dffmpeg.wire.frames import Frame, Kind
from dffmpeg.wire.jobs import JobRecord
from dffmpeg.wire.signature import CLIENT_ID_HEADER, decode_key
from tests.cluster.kit import GUARD, Cluster, program
from tests.cluster.test_chaos import behind, finished, running
from tests.security.test_heads import STRANGE
from tests.security.test_websockets import frame
from tests.web.conftest import raw
from tests.web.test_authentication import begin_peak, detail_of, flood, peak_memory, status_of

pytestmark = pytest.mark.cluster

MIB = 1 << 20
BODY = b'{"binary_name":"ffmpeg","arguments":["first"],"monitor":false}'


class Door:
    """Connections for tests that are asynchronous."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port

    async def connect(self) -> trio.SocketStream:
        return await trio.open_tcp_stream(self._host, self._port)


class Attacked:
    """The cluster, and hands that sign as anybody whose key is known."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.gate = cluster.folder / "gate"
        parts = urlsplit(cluster.url)
        assert parts.hostname is not None
        assert parts.port is not None
        self._address = (parts.hostname, parts.port)
        self.door = Door(*self._address)

    def known(self, name: str) -> tuple[str, str]:
        """Id and key, as they stand in a configuration."""
        values = tomllib.loads((self.cluster.data / f"{name}.toml").read_text())
        return values["client_id"], values["hmac_key"]

    def sign(
        self, name: str, method: str, target: str, body: bytes = b"", *, key_of: str | None = None
    ) -> dict[str, str]:
        key = decode_key(self.known(key_of or name)[1])
        return signature.sign(self.known(name)[0], key, method, target, body, now=time.time())

    def exchange(self, request: bytes) -> bytes:
        """Send bytes on a connection of their own, and read until it is closed."""
        with socket.create_connection(self._address, GUARD) as stream:
            stream.sendall(request)
            return b"".join(iter(lambda: stream.recv(65536), b""))

    def ask(self, name: str, method: str, target: str, body: bytes = b"") -> bytes:
        return self.exchange(raw(method, target, self.sign(name, method, target, body), body))

    def handshake(self, name: str, target: str) -> bytes:
        """Of a WebSocket."""
        upgrade = {
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        }
        request = raw("GET", target, self.sign(name, "GET", target) | upgrade)
        return request.replace(b"Connection: close", b"Connection: Upgrade")

    def connect(self) -> socket.socket:
        return socket.create_connection(self._address, GUARD)

    async def job(self, client: Client) -> JobRecord:
        """One that runs until the gate opens."""
        self.gate.unlink(missing_ok=True)
        job_id = (await client.submit("ffmpeg", ["second"])).job_id
        (record,) = await running(client, [job_id], count=1)
        return record

    def jobs(self) -> int:
        answer = self.ask("admin", "GET", "/jobs")
        assert status_of(answer) == 200
        return len(json.loads(answer.partition(b"\r\n\r\n")[2]))

    def restart(self) -> None:
        """As after a crash."""
        self.cluster.kill("coordinator")
        self.cluster.start("coordinator")
        give_up = time.monotonic() + GUARD
        while time.monotonic() < give_up:
            try:
                if status_of(self.exchange(raw("GET", "/health", {}))) == 200:
                    return
            except (OSError, IndexError):
                time.sleep(0.05)
        raise AssertionError("the coordinator does not come back")


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    folder = tmp_path_factory.mktemp("attacked")
    ffmpeg = program(folder / "waits", f"{behind(folder / 'gate')}; echo genuine")
    arguments = ("--workers", "2", "--slots", "4", "--binary", f"ffmpeg={ffmpeg}")
    with Cluster(folder, *arguments) as cluster:
        found = Attacked(cluster)
        found.gate.touch()
        yield found


def test_a_submission_that_was_overheard(attacked: Attacked) -> None:
    before = attacked.jobs()
    overheard = raw("POST", "/jobs/submit", attacked.sign("client", "POST", "/jobs/submit", BODY), BODY)
    assert [status_of(attacked.exchange(overheard)) for _ in range(3)] == [200, 401, 401]
    assert attacked.jobs() == before + 1


@pytest.mark.parametrize(
    ("name", "target", "body"),
    [
        ("client", "/jobs/submit", BODY),
        ("admin", "/workers/worker1/pause", b'{"reason":"x"}'),
        ("admin", "/queue/resume", b""),
    ],
)
def test_what_was_overheard_before_the_coordinator_was_killed(
    attacked: Attacked, name: str, target: str, body: bytes
) -> None:
    overheard = raw("POST", target, attacked.sign(name, "POST", target, body), body)
    assert status_of(attacked.exchange(overheard)) == 200
    if target.endswith("/pause"):
        resume = "/workers/worker1/resume"
        assert status_of(attacked.ask("admin", "POST", resume)) == 200
    before = attacked.jobs()
    attacked.restart()
    assert status_of(attacked.exchange(overheard)) in (401, 503)
    assert attacked.jobs() == before
    answer = attacked.ask("admin", "GET", "/workers/worker1")
    assert b'"hold":null' in answer


def test_a_query_that_was_changed(attacked: Attacked) -> None:
    signed = attacked.sign("client", "GET", "/jobs?limit=1")
    assert status_of(attacked.exchange(raw("GET", "/jobs?limit=1&requester=admin", signed))) == 401


def test_a_body_that_was_changed(attacked: Attacked) -> None:
    before = attacked.jobs()
    signed = attacked.sign("client", "POST", "/jobs/submit", BODY)
    changed = BODY.replace(b"first", b"other")
    assert status_of(attacked.exchange(raw("POST", "/jobs/submit", signed, changed))) == 401
    assert attacked.jobs() == before


@pytest.mark.parametrize("name", ["client", "worker1"])
def test_a_role_that_is_not_ones_own(attacked: Attacked, name: str) -> None:
    for method, target in (
        ("POST", "/queue/pause"),
        ("POST", "/workers/worker2/quarantine"),
        ("DELETE", "/workers/worker2"),
        ("POST", "/admin/janitor"),
        ("GET", "/admin/tree"),
    ):
        assert status_of(attacked.ask(name, method, target)) == 403
    assert status_of(attacked.ask("client", "POST", "/worker/register", b'{"worker_id":"worker1"}')) == 403
    # With its own key in another's name.
    forged = attacked.sign("admin", "POST", "/queue/pause", key_of=name)
    assert status_of(attacked.exchange(raw("POST", "/queue/pause", forged))) == 401


def test_another_workers_channel(attacked: Attacked) -> None:
    for name in ("worker2", "client", "admin"):
        answer = attacked.exchange(attacked.handshake(name, "/worker/worker1/downlink"))
        assert status_of(answer) == 403


async def test_a_worker_that_speaks_of_anothers_attempt(attacked: Attacked) -> None:
    """It cannot take, finish, give away, feed or read it; what its own worker says of it is what counts."""
    async with attacked.cluster.client() as client:
        job = await attacked.job(client)
        other = "worker2" if job.worker_id == "worker1" else "worker1"
        path, report = f"/jobs/{job.job_id}", b'{"attempt":1,"reason":"stolen"}'
        for route in ("accept", "reject", "worker_heartbeat", "attend"):
            assert status_of(attacked.ask(other, "POST", f"{path}/{route}", report)) == 409, route
        end = codec.encode({"status": "completed", "exit_code": 0, "attempt": 1})
        assert status_of(attacked.ask(other, "POST", f"{path}/status", end)) == 409
        output = frames.encode(Frame(Kind.STDOUT, 1, 0, b"forged\n", eof=True))
        assert status_of(attacked.ask(other, "POST", f"{path}/output", output)) == 409
        lines = b'{"logs":[{"stream":"stderr","content":"forged"}]}'
        assert status_of(attacked.ask(other, "POST", f"{path}/logs", lines)) == 409
        for route in ("status", "logs"):
            assert status_of(attacked.ask(other, "GET", f"{path}/{route}")) == 403
        attacked.gate.touch()
        record = await finished(client, job.job_id)
        stdout = attacked.ask("client", "GET", f"/api/v1{path}/log/download?stream=stdout")
    assert (record.status, record.attempt, record.worker_id) == ("completed", 1, job.worker_id)
    assert b"genuine\n" in stdout
    assert b"forged" not in stdout


def test_lines_that_somebody_else_puts_into_the_log(attacked: Attacked) -> None:
    line = "2026-01-01 00:00:00,000 ERROR root: hacked"
    escaped = line.replace(" ", "%20")
    for start in ("%0A", "%0D%0A", "%1b[2J%0A", "%C2%85", "%E2%80%A8"):
        attacked.exchange(raw("GET", f"/jobs/x{start}{escaped}/status", {CLIENT_ID_HEADER: "a\tb"}))
        target = f"/jobs/x{start}{escaped}/status"
        attacked.exchange(raw("GET", target, attacked.sign("client", "GET", target, key_of="worker1")))
    name = codec.encode({"binary_name": "ffmpeg", "name": f"x\n{line}", "arguments": [f"\n{line}"]})
    assert status_of(attacked.ask("client", "POST", "/jobs/submit", name)) == 200
    secrets = [attacked.known(who)[1] for who in ("client", "admin", "worker1", "worker2")]
    for log in (attacked.cluster.data / "logs").iterdir():
        text = log.read_text("utf-8")
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]", text), log
        assert not re.search(r"(?m)^2026-01-01 00:00:00,000", text), log
        assert not any(secret in text for secret in secrets), log


@pytest.mark.parametrize("request_", STRANGE.values(), ids=STRANGE)
def test_a_request_inside_of_another(attacked: Attacked, request_: bytes) -> None:
    answer = attacked.exchange(request_)
    assert status_of(answer) in (400, 501)
    assert len(re.findall(rb"^HTTP/1.1 \d", answer, re.MULTILINE)) == 1


def test_a_body_that_grows(attacked: Attacked) -> None:
    signed = attacked.sign("client", "POST", "/jobs/submit", BODY)
    answer = attacked.exchange(raw("POST", "/jobs/submit", signed | {"Content-Encoding": "gzip"}, BODY))
    assert status_of(answer) == 415
    assert "Content-Encoding" in detail_of(answer)


def test_a_flood_over_a_websocket(attacked: Attacked) -> None:
    target = "/api/v1/events"
    headers = attacked.sign("client", "GET", target) | {
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Extensions": "permessage-deflate",
    }
    request = raw("GET", target, headers).replace(b"Connection: close", b"Connection: Upgrade")
    with attacked.connect() as stream:
        stream.sendall(request)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += stream.recv(1)
        assert status_of(answer) == 101
        assert b"permessage-deflate" not in answer.lower()
        pings = frame(0x9, b"x" * 100) * 100_000
        with pytest.raises(OSError, match=r"(?i)reset|broken pipe"):
            stream.sendall(pings)
    assert status_of(attacked.exchange(raw("GET", "/health", {}))) == 200


async def test_64_large_bodies_of_strangers_at_once(attacked: Attacked) -> None:
    size, pid = 300 * MIB, attacked.cluster.pid("coordinator")
    forged = attacked.sign("client", "POST", "/jobs/submit", BODY, key_of="worker1")
    before = begin_peak(pid)
    found: list[int] = []

    async def one(number: int) -> None:
        chunked = number % 4 < 2
        extra = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(size)}
        chunk = b"10000\r\n" + bytes(65536) + b"\r\n" if chunked else bytes(65536)
        head = raw("POST", "/jobs/submit", (forged if number % 2 else {}) | extra)
        answer, sent = await flood(attacked.door, head, chunk, size // 65536)
        assert sent < 32 * MIB
        found.append(status_of(answer))

    async with trio.open_nursery() as nursery:
        for number in range(64):
            nursery.start_soon(one, number)
    assert set(found) <= {401, 429}
    assert peak_memory(pid) - before < 64 * MIB


def test_a_user_who_is_deleted_while_something_is_open(attacked: Attacked) -> None:
    data = attacked.cluster.data
    words = ["user", "add", "leaver", "--role", "client", "--write-config", str(data / "leaver.toml")]
    admin = [sys.executable, "-m", "dffmpeg.admin", "--config", str(data / "coordinator.toml")]
    subprocess.run([*admin, *words], check=True, capture_output=True, timeout=GUARD)
    with attacked.connect() as stream:
        stream.sendall(attacked.handshake("leaver", "/api/v1/events"))
        answer = b""
        while b'"here"' not in answer:
            answer += (part := stream.recv(65536))
            assert part, answer
        subprocess.run([*admin, "user", "delete", "leaver", "--yes"], check=True, timeout=GUARD)
        rest = b"".join(iter(lambda: stream.recv(65536), b""))
    # 4401, in a frame that closes.
    assert (4401).to_bytes(2, "big") in rest
    assert status_of(attacked.ask("leaver", "GET", "/jobs")) == 401


async def test_the_cluster_still_works(attacked: Attacked) -> None:
    attacked.gate.touch()
    with trio.fail_after(GUARD):
        async with attacked.cluster.client() as client:
            job_id = (await client.submit("ffmpeg", ["last"])).job_id
            assert (await finished(client, job_id)).status == "completed"


def test_configurations_are_for_their_user_alone(attacked: Attacked) -> None:
    for file in attacked.cluster.data.glob("*.toml"):
        assert file.stat().st_mode & 0o077 == 0, file
