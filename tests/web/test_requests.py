"""What a request is known by: its id, its trace, and the line that the log has of it."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec
import pytest

from dffmpeg.actors import ActorStopped
from dffmpeg.wire.jobs import JobRecord, SubmitRequest
from dffmpeg.wire.trace import read, trace_of
from tests.actors.coordinator.tree import FakeWorker
from tests.web.conftest import Site
from tests.web.live import live
from tests.web.test_versions import ask

TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("given", "taken"), [("abc-1.2:3_4", True), ("", False), ("a b", False), ("x" * 65, False)]
)
async def test_request_id_is_the_caller_s_or_ours(given: str, taken: bool, site: Site) -> None:
    answer = await ask(site, "GET", "/stats", headers={"x-request-id": given})
    assert (answer.headers["x-request-id"] == given) is taken
    assert 1 <= len(answer.headers["x-request-id"]) <= 64
    refused = await ask(site, "GET", "/nothing", headers={"x-request-id": "r1"})
    assert (refused.status_code, refused.headers["x-request-id"]) == (404, "r1")


async def test_each_request_has_its_line(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "dffmpeg.web.requests"):
        await ask(site, "GET", "/api/v1/jobs/J1/status?secret=1")
    (record,) = [record for record in caplog.records if record.name == "dffmpeg.web.requests"]
    assert record.getMessage() == "GET /api/v1/jobs/J1/status"
    assert vars(record)["route"] == "GET GET /jobs/<job_id>/status".removeprefix("GET ")
    assert vars(record)["status"] == 404


async def test_a_503_is_told_but_where_it_is_the_answer(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.operations.failure = ActorStopped("store ended")
    with caplog.at_level(logging.DEBUG, "dffmpeg.web.requests"):
        for path in ("/health", "/api/v1/health", "/ready", "/jobs/J1/status"):
            assert (await ask(site, "GET", path)).status_code == 503
    levels = [record.levelname for record in caplog.records if record.name == "dffmpeg.web.requests"]
    assert levels == ["DEBUG", "DEBUG", "DEBUG", "INFO"]


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "00",
        TRACEPARENT.upper(),
        f"ff-{TRACE}-b7ad6b7169203331-01",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"{TRACEPARENT}\n",
    ],
)
def test_trace_that_is_none(text: str | None) -> None:
    assert read(text) is None


async def test_trace_travels_with_the_job(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert trace_of(read(TRACEPARENT)) == TRACE
    body = msgspec.json.encode(SubmitRequest(binary_name="ffmpeg"))
    async with live(tmp_path) as running:
        worker = FakeWorker(running.coordinator, "worker")
        with caplog.at_level(logging.INFO, "dffmpeg.jobs"):
            answer = await ask(
                running, "POST", "/jobs/submit", body=body, headers={"traceparent": TRACEPARENT}
            )
            record = msgspec.json.decode(answer.content, type=JobRecord)
            assert record.rules.traceparent == TRACEPARENT
            async with worker.online():
                request = await worker.take()
                assert request.traceparent == TRACEPARENT
                await worker.finish(request)
        own = msgspec.json.encode(
            SubmitRequest(binary_name="ffmpeg", traceparent=TRACEPARENT.replace("b7", "c8"))
        )
        answer = await ask(running, "POST", "/jobs/submit", body=own, headers={"traceparent": TRACEPARENT})
        assert answer.json()["rules"]["traceparent"] == TRACEPARENT.replace("b7", "c8")
    lines = [record for record in caplog.records if record.name == "dffmpeg.jobs"]
    assert [line.getMessage() for line in lines[:4]] == [
        "job is queued for client",
        "job is assigned",
        "job is running",
        "job is completed, attempt completed",
    ]
    assert [vars(line).get("attempt") for line in lines[:4]] == [None, 1, 1, 1]
    assert vars(lines[0])["trace"] == TRACE
