"""What a worker says against itself, or another: who can, and who hears of which job it was."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

from dffmpeg.wire import codec
from dffmpeg.wire.jobs import AttemptReport, FinishReport
from tests.security.messages import Line, headers_of, new_job, spoken
from tests.security.test_cells import NOBODYS, Ground, ground
from tests.web.conftest import raw, read_all, sign
from tests.web.live import identity

Way = Callable[[Ground, str, str, dict[str, object]], Awaitable[int]]

HANDS = ("worker", "worker2")

SECRET = "$Films/secret.mkv is a link that leaves the mapped directories"


async def strikes(site: Ground) -> dict[str, int]:
    workers = {name: await site.running.coordinator.services.store.workers.get(name) for name in HANDS}
    return {name: worker.strikes for name, worker in workers.items() if worker is not None}


async def by_request(site: Ground, who: str, job_id: str, body: dict[str, object]) -> int:
    return await site.ask("POST", f"/jobs/{job_id}/reject", codec.encode(body), who)


async def by_message(site: Ground, who: str, job_id: str, body: dict[str, object]) -> int:
    target = f"/worker/{who}/downlink"
    async with spoken(site, target, headers_of(who, target)) as line:
        call = {"call": 1, "route": "reject", "job_id": job_id, "body": body}
        await line.say(codec.encode(call).decode())
        return await reply(line)


async def reply(line: Line) -> int:
    while not line.answers("status"):
        await trio.lowlevel.checkpoint()
    status = line.answers("status")[-1]
    assert isinstance(status, int)
    return status


@pytest.mark.parametrize("way", [by_request, by_message], ids=["request", "message"])
async def test_a_rejection_that_is_refused_changes_nothing(
    way: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ground(tmp_path, monkeypatch) as site:
        operations = site.running.coordinator.operations
        running, assigned, over = [
            await new_job(site, "other", site.others, state) for state in ("running", "assigned", "running")
        ]
        report = FinishReport(status="completed", attempt=1, exit_code=0)
        await operations.finish(site.others.who, over, report)
        body: dict[str, object] = {"attempt": 1, "reason": "forged", "fault": True}
        refused = [
            ("worker", running, body, 409),
            ("worker", assigned, body, 409),
            ("worker2", running, {**body, "attempt": 2}, 409),
            ("worker2", over, body, 409),
            ("worker2", NOBODYS, body, 404),
        ]
        for who, job_id, said, status in refused:
            assert await way(site, who, job_id, said) == status
            assert await strikes(site) == {"worker": 0, "worker2": 0}, (who, job_id)
        for job_id, state in ((running, "running"), (assigned, "assigned")):
            record = await site.record(job_id)
            assert (record.status, record.attempt, record.worker_id) == (state, 1, "worker2")
        # Of its own it counts, and against nobody else.
        assert await way(site, "worker2", assigned, body) == 200
        assert await strikes(site) == {"worker": 0, "worker2": 1}


async def test_why_a_worker_is_held_names_no_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """All clients see the workers, and not each other's jobs: the log has what an administrator needs."""
    async with ground(tmp_path, monkeypatch, strikes=1) as site:
        job_id = await new_job(site, "other", site.others, "running")
        # So a worker gives back what it has begun.
        report = AttemptReport(attempt=1, reason=SECRET)
        await site.running.coordinator.operations.reject(site.others.who, job_id, report)
        store = site.running.coordinator.services.store
        with trio.fail_after(60):
            while (worker := await store.workers.get("worker2")) is None or worker.hold is None:
                await trio.lowlevel.checkpoint()
        waiting = await site.running.coordinator.submit(identity("client"), paths=["Others"])
        paths = ("/workers", "/workers/worker2", "/api/v1/workers", "/api/v1/overview", "/api/v1/alerts")
        for path in (*paths, f"/jobs/{waiting}/why"):
            async with await trio.open_tcp_stream("127.0.0.1", site.running.server.port) as stream:
                await stream.send_all(raw("GET", path, sign("client", "GET", path)))
                answer = await read_all(stream)
            assert b" 200 " in answer.partition(b"\r\n")[0], answer
            assert job_id.encode() not in answer, path
            assert b"secret" not in answer, path
            # An alert is told only once it has stood for a while.
            assert path == "/api/v1/alerts" or b"the last one: it lost a job" in answer, path
    (line,) = [line for line in caplog.messages if "is quarantined" in line]
    assert job_id in line
    assert SECRET in line
