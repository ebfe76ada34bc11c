"""A cluster as those see it who watch it: its metrics, its log as JSON, and a trace from end to end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families

from dffmpeg.wire.jobs import JobRecord
from tests.cluster.kit import GUARD, Cluster, program

pytestmark = [pytest.mark.cluster, pytest.mark.ffmpeg]

ENCODE = ["-f", "lavfi", "-i", "testsrc2=s=64x36:r=25:d=1", "-c:v", "mpeg4", "-f", "null", "-"]
TRACE = "0af7651916cd43dd8448eb211c80319c"


def lines(folder: Path, job_id: str) -> list[dict[str, Any]]:
    """What the logs say of a job."""
    found = []
    for file in folder.glob("*.log"):
        for line in file.read_text().splitlines():
            if line.startswith("{"):
                found.append({**json.loads(line), "file": file.stem})
    return [line for line in found if line.get("job") == job_id]


async def metrics(url: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    async with httpx.AsyncClient(trust_env=False) as http:
        text = (await http.get(f"{url}/metrics")).text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_a_job_as_those_see_it_who_watch(tmp_path: Path) -> None:
    with Cluster(tmp_path, "--workers", "1"):
        pass
    for file in (tmp_path / "data").glob("*.toml"):
        # In front of all sections.
        file.write_text('log_format = "json"\nlog_level = "DEBUG"\n' + file.read_text())
    with Cluster(tmp_path, "--workers", "1") as cluster:
        async with cluster.client() as client:
            request = msgspec.structs.replace(
                client.request("ffmpeg", ENCODE), traceparent=f"00-{TRACE}-b7ad6b7169203331-01"
            )
            job = await client._http.call("POST", "/jobs/submit", JobRecord, json=request)
            with trio.fail_after(GUARD):
                async with client.follow(job.job_id) as events:
                    async for _event in events:
                        pass
        seen = await metrics(cluster.url)
        assert seen["dffmpeg_jobs_ended_total", frozenset({("state", "completed")})] == 1
        assert seen["dffmpeg_attempts_total", frozenset({("outcome", "completed")})] == 1
        assert seen["dffmpeg_stream_bytes_total", frozenset({("stream", "stderr")})] > 100
        assert seen["dffmpeg_job_run_seconds_count", frozenset({("outcome", "completed")})] == 1
        assert seen["dffmpeg_dispatch_seconds_count", frozenset()] == 1
    told = lines(tmp_path / "data" / "logs", job.job_id)
    worker = [line for line in told if line["file"] == "worker1"]
    assert {(line["attempt"], line["trace"]) for line in worker} == {(1, TRACE)}
    assert {"ffmpeg is started", "its program has ended with exit code 0"} <= {
        line["message"] for line in worker
    }
    changes = [line for line in told if line["logger"] == "dffmpeg.jobs"]
    assert [line["message"] for line in changes] == [
        "job is queued for local",
        "job is assigned",
        "job is running",
        "job is completed, attempt completed",
    ]
    assert [line.get("attempt") for line in changes] == [None, 1, 1, 1]
    assert changes[0]["trace"] == TRACE
    requests = [line for line in told if line["logger"] == "dffmpeg.web.requests"]
    assert all(line["request"] and line["route"] and line["status"] < 500 for line in requests)


async def test_the_next_job_tells_of_local_fallbacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    local = program(tmp_path / "local", "echo local")
    ours = ("-f", "lavfi", "-i", "nullsrc=s=16x16:d=0.1", "-f", "null", "-")
    told = ("dffmpeg_local_fallbacks_total", frozenset[tuple[str, str]]())
    with Cluster(tmp_path, "--workers", "1") as cluster:
        file = cluster.data / "client.toml"
        text = file.read_text().replace("[fallback]\n", '[fallback]\nwhen = "unreachable"\nafter = 0.5\n')
        file.write_text(text.replace("[fallback.binaries]\n", f'[fallback.binaries]\nffmpeg = "{local}"\n'))
        assert (await metrics(cluster.url))[told] == 0
        cluster.kill("coordinator")
        done = cluster.run(*ours)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"local\n", b"")
        cluster.start("coordinator")
        async with cluster.client() as client:
            # It is repeated until the coordinator is there again; what it tells is the stand-ins' to tell.
            await client.submit("ffmpeg", list(ours))
        assert (await metrics(cluster.url))[told] == 0
        for _ in range(2):
            done = cluster.run(*ours)
            assert (done.returncode, done.stdout) == (0, b"")
            assert (await metrics(cluster.url))[told] == 1
