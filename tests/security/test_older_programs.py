"""What programs of dffmpeg 0.4 say, signed as they sign: taken where that is allowed, and nowhere else."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import trio

from dffmpeg.wire import codec
from dffmpeg.wire.signature import sign_legacy
from tests.web.conftest import KEYS, raw, read_all
from tests.web.live import Live, live
from tests.web.test_authentication import detail_of, status_of

ALLOWED = {
    "security": {"allow_legacy_signatures": True},
    "transports": {"enabled_transports": ["http_polling"]},
}
SUBMISSION = codec.encode(
    {
        "binary_name": "ffmpeg",
        "arguments": ["-version"],
        "paths": [],
        "supported_transports": ["http_polling"],
        "monitor": False,
    }
)
REGISTRATION = codec.encode(
    {
        "worker_id": "worker",
        "capabilities": [],
        "binaries": ["ffmpeg"],
        "paths": [],
        "supported_transports": ["http_polling"],
        "registration_interval": 10,
        "status": "online",
    }
)


def request(name: str, method: str, target: str, body: bytes = b"") -> bytes:
    path = target.partition("?")[0]
    return raw(method, target, sign_legacy(name, KEYS[name][1], method, path, body, now=time.time()), body)


async def exchange(running: Live, said: bytes) -> bytes:
    async with await trio.open_tcp_stream("127.0.0.1", running.server.port) as stream:
        await stream.send_all(said)
        return await read_all(stream)


async def ask(running: Live, name: str, method: str, target: str, body: bytes = b"") -> Any:
    """The answer, which is 200; what changes something is refused when it comes again."""
    said = request(name, method, target, body)
    answer = await exchange(running, said)
    assert status_of(answer) == 200, answer
    if method == "POST":
        again = await exchange(running, said)
        assert status_of(again) == 401
        assert "made before" in detail_of(again)
    return json.loads(answer.partition(b"\r\n\r\n")[2])


async def messages(running: Live, name: str, target: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await ask(running, name, "GET", target))["messages"]
    return found


async def test_a_job_of_an_older_client_on_an_older_worker(tmp_path: Path) -> None:
    async with live(tmp_path, ALLOWED) as running:
        registered = await ask(running, "worker", "POST", "/worker/register", REGISTRATION)
        assert registered["transport"] == "http_polling"
        (message,) = await messages(running, "worker", "/poll/worker?wait=0")
        token = codec.encode(message["payload"])
        await ask(running, "worker", "POST", "/worker/worker/verify", token)
        job = await ask(running, "client", "POST", "/jobs/submit", SUBMISSION)
        job_id = job["job_id"]
        after = f"/poll/worker?last_message_id={message['message_id']}&wait=20"
        offered = await messages(running, "worker", after)
        assert [one["payload"]["job_id"] for one in offered if one["message_type"] == "job_request"] == [
            job_id
        ]
        await ask(running, "worker", "POST", f"/jobs/{job_id}/accept")
        await ask(running, "worker", "POST", f"/jobs/{job_id}/worker_heartbeat")
        await ask(running, "client", "POST", f"/jobs/{job_id}/client_heartbeat?monitor=false")
        line = codec.encode({"logs": [{"stream": "stderr", "content": "said"}]})
        await ask(running, "worker", "POST", f"/jobs/{job_id}/logs", line)
        end = codec.encode({"status": "completed", "exit_code": 0})
        await ask(running, "worker", "POST", f"/jobs/{job_id}/status", end)
        assert (await ask(running, "client", "GET", f"/jobs/{job_id}/status"))["status"] == "completed"
        assert await messages(running, "client", f"/poll/jobs/{job_id}?wait=0")
        logs = await ask(running, "client", "GET", f"/jobs/{job_id}/logs")
        assert "said" in [one["content"] for one in logs["logs"]]
        assert len(await ask(running, "client", "GET", "/jobs?window=3600")) == 1
        assert len(await ask(running, "client", "GET", "/workers?window=86400")) == 1
        canceled = await ask(running, "client", "POST", f"/jobs/{job_id}/cancel")
        assert canceled["detail"] == "the job is completed already"
        await ask(running, "worker", "POST", "/worker/deregister", b'{"worker_id":"worker"}')


async def test_where_they_are_not_allowed_one_line_says_so(tmp_path: Path) -> None:
    async with live(tmp_path) as running:
        said = set()
        for name, method, target, body in (
            ("client", "POST", "/jobs/submit", SUBMISSION),
            ("client", "GET", "/jobs?window=3600", b""),
            ("client", "GET", "/poll/jobs/X?wait=0", b""),
            ("worker", "POST", "/worker/register", REGISTRATION),
            ("worker", "GET", "/poll/worker?wait=0", b""),
            ("admin", "POST", "/admin/janitor", b'{"action":"run_all"}'),
        ):
            answer = await exchange(running, request(name, method, target, body))
            assert status_of(answer) == 401
            said.add(detail_of(answer))
        (line,) = said
        assert "version 1 are not accepted" in line
        assert "[security] allow_legacy_signatures" in line
