"""A worker runs the real ffmpeg."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from tests.actors.worker.conftest import StartWorker
from tests.actors.worker.coordinator import FakeCoordinator

pytestmark = pytest.mark.ffmpeg

BINARIES = {"ffmpeg": "ffmpeg", "ffprobe": "ffprobe"}
SOURCE = ["-f", "lavfi", "-i", "testsrc=size=64x64:rate=10"]


async def test_encodes_to_a_pipe_as_it_does_locally(
    coordinator: FakeCoordinator, start_worker: StartWorker
) -> None:
    arguments = ["-v", "error", *SOURCE, "-frames:v", "30", "-f", "rawvideo", "-bitexact", "-"]
    local = await trio.run_process(["ffmpeg", *arguments], capture_stdout=True)
    async with start_worker(binaries=BINARIES):
        job = coordinator.add("J1", "ffmpeg", *arguments)
        assert (await coordinator.finished(job)).status == "completed"
    assert bytes(job.stdout.data) == local.stdout


async def test_a_cancelled_encode_leaves_a_whole_file(
    coordinator: FakeCoordinator, start_worker: StartWorker, tmp_path: Path
) -> None:
    async with start_worker(binaries=BINARIES, paths={"Movies": str(tmp_path)}):
        encode = coordinator.add(
            "J1", "ffmpeg", "-re", *SOURCE, "-c:v", "mpeg4", "$Movies/out.mkv", paths=["Movies"]
        )
        await coordinator.until(lambda: b"frame=" in encode.stderr.data)
        coordinator.send("job_status", {"status": "canceling", "attempt": 1}, "J1")
        report = await coordinator.finished(encode)
        assert (report.status, report.exit_code) == ("canceled", 255)
        probe = coordinator.add(
            "J2",
            "ffprobe",
            "-v",
            "error",
            "-show_entries",
            "format=format_name",
            "$Movies/out.mkv",
            paths=["Movies"],
        )
        assert (await coordinator.finished(probe)).exit_code == 0
    assert b"matroska" in probe.stdout.data
