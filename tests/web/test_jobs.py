"""The job routes with a client and a worker that behave."""

from __future__ import annotations

import msgspec
import pytest

from dffmpeg.errors import Refused
from dffmpeg.wire import frames
from dffmpeg.wire.frames import Frame, Kind
from dffmpeg.wire.jobs import (
    AttemptReport,
    FinishReport,
    JobRecord,
    LogLine,
    LogsRequest,
    OutputReply,
    Position,
    StatusReply,
)
from tests.web.conftest import Site
from tests.web.test_versions import ask


class Logs(msgspec.Struct):
    logs: list[LogLine]
    last_message_id: str | None


async def test_life_of_a_job(site: Site) -> None:
    job = await site.submit(arguments=["-i", {"b64": "/w=="}], heartbeat_interval=2.0)
    path = f"/jobs/{job.job_id}"
    report = AttemptReport(attempt=1)
    body = b"".join(
        frames.encode(frame)
        for frame in (
            Frame(Kind.STDOUT, 1, 0, b"\x00\xff", eof=True),
            Frame(Kind.STDERR, 1, 0, b"speed=1\r", eof=True),
        )
    )
    async with site.http("worker") as worker, site.http() as client:
        assert (await worker.call("POST", f"{path}/accept", StatusReply, json=report)).status == "ok"
        assert (
            await worker.call("POST", f"{path}/worker_heartbeat", StatusReply, json=report)
        ).status == "ok"
        reply = await worker.call("POST", f"{path}/output", OutputReply, body=body)
        assert (reply.stdout.received, reply.stderr.received) == (2, 8)
        finish = FinishReport(status="completed", exit_code=0, attempt=1)
        assert (await worker.call("POST", f"{path}/status", StatusReply, json=finish)).status == "ok"
        record = await client.call("GET", f"{path}/status", JobRecord)
        assert (record.status, record.exit_code, record.worker_id) == ("completed", 0, "worker")
        news = list(frames.decode_all(await client.request("POST", f"{path}/follow", json=Position())))
    assert [(frame.kind, frame.payload) for frame in news[:-1]] == [
        (Kind.STDOUT, b"\x00\xff"),
        (Kind.STDERR, b"speed=1\r"),
    ]


async def test_report_without_a_body(site: Site) -> None:
    job = await site.submit()
    async with site.http("worker") as worker:
        await worker.request("POST", f"/jobs/{job.job_id}/accept")
        assert site.operations.all[job.job_id].record.status == "running"


async def test_conflict_is_409_and_changes_nothing(site: Site) -> None:
    job = await site.submit()
    async with site.http("worker") as worker:
        with pytest.raises(Refused) as refusal:
            await worker.request("POST", f"/jobs/{job.job_id}/accept", json=AttemptReport(attempt=7))
    assert (refusal.value.status, refusal.value.detail) == (409, "stale attempt")
    assert site.operations.all[job.job_id].record.status == "pending"


async def test_lists_and_logs(site: Site) -> None:
    first, second = await site.submit(), await site.submit()
    await site.submit("other")
    lines = LogsRequest(logs=[LogLine(stream="stderr", content="one"), LogLine(stream="stdout", content="")])
    async with site.http() as client, site.http("worker") as worker:
        assert [job.job_id for job in await client.call("GET", "/jobs", list[JobRecord])] == [
            first.job_id,
            second.job_id,
        ]
        query = {"since_id": first.job_id, "window": "60", "limit": "5"}
        assert len(await client.call("GET", "/jobs", list[JobRecord], query=query)) == 1
        await worker.request("POST", f"/jobs/{first.job_id}/logs", json=lines)
        logs = await client.call(
            "GET", f"/jobs/{first.job_id}/logs", Logs, query={"since_message_id": "1", "limit": "10"}
        )
        assert [line.content for line in logs.logs] == [""]


async def test_cancel_and_heartbeat(site: Site) -> None:
    job = await site.submit()
    path = f"/jobs/{job.job_id}"
    async with site.http() as client:
        await client.request("POST", f"{path}/client_heartbeat", query={"monitor": "true"})
        assert site.operations.all[job.job_id].record.monitor
        assert (await client.call("POST", f"{path}/cancel", StatusReply)).detail is None
        assert (await client.call("POST", f"{path}/cancel", StatusReply)).detail


@pytest.mark.parametrize(
    "query",
    [
        {"window": "nan"},
        {"window": "inf"},
        {"window": "-1"},
        {"window": "1e300"},
        {"window": "x"},
        {"limit": "0"},
        {"limit": "1.5"},
        {"limit": "1000000"},
        {"limit": "-1"},
        {"limit": ""},
        {"since_id": "x" * 200},
        {"offset": "-1"},
        {"offset": "1"},
        {"cursor": "x"},
        {"sort": "created_at"},
    ],
    ids=str,
)
async def test_query_out_of_bounds(site: Site, query: dict[str, str]) -> None:
    async with site.http() as client:
        with pytest.raises(Refused) as refusal:
            await client.request("GET", "/jobs", query=query)
    assert refusal.value.status == 422
    assert refusal.value.detail.startswith(next(iter(query)))


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/workers?window=-1", "window"),
        ("/workers?offset=-1", "offset"),
        ("/admin/overview?window=-1", "window"),
        ("/admin/janitor?limit=-1", "limit"),
        ("/status/data?window=-1", "window"),
        ("/jobs/J1/logs?limit=-1", "limit"),
        ("/poll/jobs/J1?wait=-1", "wait"),
        ("/api/v1/events?interval=-1", "interval"),
        ("/api/v1/jobs/J1/log/download?attempt=-1", "attempt"),
        ("/api/v1/audit?limit=-1", "limit"),
        ("/api/v1/users?limit=-1", "limit"),
        ("/api/v1/workers?limit=-1", "limit"),
    ],
)
async def test_no_number_below_its_bounds_is_left_unheard(site: Site, path: str, field: str) -> None:
    answer = await ask(site, "GET", path, "admin")
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(f"{field}: ")


async def test_output_holds_only_output(site: Site) -> None:
    job = await site.submit()
    async with site.http("worker") as worker:
        for body in (
            frames.encode(Frame(Kind.STATUS, 1, 0, b"{}")),
            b"\x01",
            b"\x09" + bytes(28),
        ):
            with pytest.raises(Refused) as refusal:
                await worker.request("POST", f"/jobs/{job.job_id}/output", body=body)
            assert refusal.value.status == 422


async def test_follow_offset_out_of_range(site: Site) -> None:
    job = await site.submit()
    async with site.http() as client:
        with pytest.raises(Refused, match="stdout: at most"):
            await client.request("POST", f"/jobs/{job.job_id}/follow", json=Position(stdout=1 << 64))
