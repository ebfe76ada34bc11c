"""Every cell of the table of access: each route, with each role, about its own and about others' jobs.

A real coordinator on a real database, asked over real sockets, by signature and by session. What is expected
comes out of `dffmpeg.web.access` alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx
import pytest
import trio
from trio_websocket import ConnectionClosed, ConnectionRejected

from dffmpeg.model.access import Dealing, Reach
from dffmpeg.model.identities import Role
from dffmpeg.web.access import ACCESS, OPEN, OWNERSHIP, reach
from dffmpeg.wire import codec, frames
from dffmpeg.wire.frames import Frame, Kind
from dffmpeg.wire.jobs import JobRecord
from tests.actors.coordinator.tree import PATIENCE, FakeWorker
from tests.web.conftest import KEYS, code_of, open_websocket, raw, read_until, sign
from tests.web.live import Live, identity, live
from tests.web.signing_in import CSRF, sign_in
from tests.web.test_authentication import status_of

NAMES = {Role.CLIENT: "client", Role.WORKER: "worker", Role.ADMIN: "admin", Role.VIEWER: "viewer"}
LAST = {"POST /worker/deregister": 1, "DELETE /api/v1/session": 2}
"""Behind these nobody is where it was, or who it was."""

PATIENT = {
    "leases": {"worker": 3600.0, "worker_disconnect": 3600.0, "client_disconnect": 3600.0},
    "janitor": {"job_assignment_timeout": 3600.0},
}
"""Seconds: nobody is lost because a machine is slow."""

NOBODYS = "01HZY4K2M3N5P6Q7R8S9T0V1W2"

Whose = Literal["own", "another's", "nobody's"]

BODIES = {
    "POST /jobs/submit": {"binary_name": "ffmpeg"},
    "POST /jobs/<job_id>/priority": {"priority": 0},
    "POST /jobs/<job_id>/follow": {"owner": True},
    "POST /jobs/<job_id>/status": {"status": "completed", "attempt": 1, "exit_code": 0},
    "POST /jobs/<job_id>/logs": {"logs": [{"stream": "stderr", "content": "x"}]},
    "POST /worker/<worker_id>/verify": {"registration_token": "x"},
    "POST /debug/crash": {"path": "coordinator/nothing"},
    "POST /admin/janitor": {"action": "messages"},
    **{
        f"POST /jobs/<job_id>/{name}": {"attempt": 1, "reason": "x"}
        for name in ("accept", "reject", "worker_heartbeat", "attend")
    },
}


@dataclass
class Ground:
    """A coordinator with two workers, each of which gets the jobs that name its path."""

    running: Live
    mine: FakeWorker
    others: FakeWorker
    sessions: dict[str, dict[str, str]]

    async def job(self, requester: str, worker: FakeWorker, *, accepted: bool = True) -> str:
        """A job of somebody's at a worker."""
        path = "Mine" if worker is self.mine else "Others"
        job_id = await self.running.coordinator.submit(
            identity(requester), paths=[path], heartbeat_interval=600.0
        )
        await self.running.coordinator.until(job_id, "assigned")
        if accepted:
            await self.ask("POST", f"/jobs/{job_id}/accept", b'{"attempt":1}', worker.name)
        return job_id

    async def job_for(self, route: str, role: Role, whose: Whose) -> str:
        """One that is somebody's own, or another's, in the state that the route is for."""
        worker = self.mine if whose == "own" else self.others
        own = whose == "own" and role in (Role.CLIENT, Role.ADMIN)
        begun = not route.endswith(("/accept", "/reject"))
        return await self.job(NAMES[role] if own else "other", worker, accepted=begun)

    async def record(self, job_id: str) -> JobRecord:
        return await self.running.coordinator.operations.job(identity("admin"), job_id)

    async def ask(self, method: str, target: str, body: bytes, who: str, *, session: bool = False) -> int:
        """The status of the answer; of a WebSocket the one that its close code stands for, or 101."""
        signed = sign(who, "GET" if method == "WEBSOCKET" else method, target, body)
        headers = self.sessions[who] if session else signed
        if method == "WEBSOCKET":
            return await self._open(target, headers)
        # Some answers have no end.
        with trio.fail_after(PATIENCE):
            async with await trio.open_tcp_stream("127.0.0.1", self.running.server.port) as stream:
                await stream.send_all(raw(method, target, headers, body))
                return status_of(await read_until(stream, b"\r\n"))

    async def _open(self, target: str, headers: dict[str, str]) -> int:
        stream = await trio.open_tcp_stream("127.0.0.1", self.running.server.port)
        try:
            async with stream, open_websocket(stream, target, headers) as connection:
                if "/jobs/0" in target:
                    # Whose it is, is found out behind the handshake.
                    await connection.send_message('{"owner":true}')
                    await connection.get_message()
                return 101
        except ConnectionRejected as rejection:
            return rejection.status_code
        except ConnectionClosed as closed:
            return code_of(closed) - 4000


@asynccontextmanager
async def ground(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, strikes: int = 1000
) -> AsyncIterator[Ground]:
    """Start one.

    Args:
        strikes: after how many a worker is held.
    """
    monkeypatch.setitem(KEYS, "worker2", (Role.WORKER, b"2" * 32))
    quarantine = {"scheduling": {"quarantine": {"strikes": strikes}}}
    async with live(folder, {"debug": {"routes": True}, **PATIENT, **quarantine}) as running:
        mine, others = (FakeWorker(running.coordinator, name) for name in ("worker", "worker2"))
        sessions = {}
        for name in ("client", "admin", "viewer"):
            async with httpx.AsyncClient(base_url=running.url, trust_env=False) as client:
                state = await sign_in(client, name)
                cookie = f"dffmpeg_session={client.cookies['dffmpeg_session']}"
                sessions[name] = {"cookie": cookie, CSRF: state["csrf"]}
        async with mine.online(paths=["Mine"], slots=1000), others.online(paths=["Others"], slots=1000):
            yield Ground(running, mine, others, sessions)


def target_of(route: str, job_id: str, worker_id: str) -> tuple[str, str, bytes]:
    """Method, target and body of a route, about a job and a worker."""
    method, _, path = route.partition(" ")
    for name, value in {"job_id": job_id, "worker_id": worker_id, "instance": "X", "name": "x"}.items():
        path = path.replace(f"<{name}>", value)
    if path.startswith("/poll/"):
        path += "?wait=0"
    body = b""
    if route in BODIES:
        body = codec.encode(BODIES[route])
    elif route in ("POST /worker/register", "POST /worker/deregister"):
        body = codec.encode({"worker_id": worker_id})
    elif route.endswith("/output"):
        body = frames.encode(Frame(Kind.STDERR, 1, 0, b"forged"))
    elif route.endswith("/input"):
        body = frames.encode(Frame(Kind.INPUT, 1, 0, b"forged"))
    return method, path, body


def expected(route: str, role: Role, whose: Whose) -> set[int] | None:
    """The refusals, one of which it has to be; None for what has to be let through."""
    roles = ACCESS[route]
    assert roles is not OPEN
    if role not in roles:
        return {403}
    owned = OWNERSHIP.get(route, Dealing.ANY)
    if whose == "nobody's":
        return {404} if "<job_id>" in route else None
    if whose == "another's" and reach(route, role) is Reach.OWN:
        return {409} if owned is Dealing.REPORT else {403}
    return None


def cases(route: str) -> tuple[Whose, ...]:
    """Whose jobs or workers a route can be asked about."""
    if "<job_id>" in route:
        return ("own", "another's", "nobody's")
    names_worker = "<worker_id>" in route or route.startswith("POST /worker/")
    return ("own", "another's") if names_worker and OWNERSHIP[route] is Dealing.BE else ("nobody's",)


@pytest.mark.parametrize("by", ["signature", "session"])
async def test_every_cell(by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong: list[str] = []
    async with ground(tmp_path, monkeypatch) as site:
        theirs = await site.job("other", site.others)
        untouched = await site.record(theirs)
        guarded = [route for route, roles in ACCESS.items() if roles is not OPEN]
        for route in sorted(guarded, key=lambda route: (LAST.get(route, 0), "/worker/" in route, route)):
            for role, name in NAMES.items():
                if by == "session" and name not in site.sessions:
                    continue
                for whose in cases(route):
                    refusals = expected(route, role, whose)
                    job_id = {"another's": theirs}.get(whose, NOBODYS)
                    # What is let through changes it.
                    if "<job_id>" in route and (whose == "own" or refusals is None) and whose != "nobody's":
                        job_id = await site.job_for(route, role, whose)
                    worker_id = "worker" if whose == "own" else "worker2"
                    if OWNERSHIP.get(route, Dealing.ANY) is Dealing.ANY:
                        worker_id = "nobody"
                    method, target, body = target_of(route, job_id, worker_id)
                    found = await site.ask(method, target, body, name, session=by == "session")
                    if refusals is None:
                        right = found < 500 and found not in (401, 403)
                        right = right and (found != 404 or whose == "nobody's")
                    else:
                        right = found in refusals
                    if not right:
                        wrong.append(f"{route} as {name}, {whose}: {found}, expected {refusals or 'passes'}")
        now = await site.record(theirs)
    assert not wrong, "\n".join(wrong)
    assert (now.status, now.attempt, now.worker_id, now.priority) == (
        untouched.status,
        untouched.attempt,
        untouched.worker_id,
        untouched.priority,
    )


def test_every_role_is_in_the_cells() -> None:
    assert NAMES.keys() == set(Role)
    assert {KEYS[name][0] for name in NAMES.values()} == set(Role)
