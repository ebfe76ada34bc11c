"""A job's program comes to its limits: real worker."""

from __future__ import annotations

from dffmpeg.configuration.sandbox import ProgramLimits
from tests.actors.worker.conftest import coordinator, start_worker
from tests.security.ground import CONFINED, SOURCE, Ground, ground

__all__ = ["coordinator", "ground", "start_worker"]

pytestmark = CONFINED


async def test_a_file_that_grows_too_large(ground: Ground) -> None:
    async with ground.worker(limits=ProgramLimits(file_size=100_000)):
        report, _ = await ground.run("-c", "cat /dev/zero > big", program="sh")
        assert report.status == "failed"
        assert (ground.media / "big").stat().st_size == 100_000
        report, _ = await ground.run(*SOURCE, "-c:v", "rawvideo", "-t", "100", "$Media/big.nut")
        assert report.status == "failed"
        assert report.reason == "a file came to its 100000 bytes (limits.file_size of the worker)"


async def test_processor_time_that_never_ends(ground: Ground) -> None:
    async with ground.worker(limits=ProgramLimits(cpu_time=1)):
        report, _ = await ground.run("-c", "while :; do :; done", program="sh")
        assert report.status == "failed"
        assert report.reason == "it used its 1 s of processor time (limits.cpu_time of the worker)"


async def test_memory_without_end(ground: Ground) -> None:
    async with ground.worker(limits=ProgramLimits(memory=64 << 20)):
        report, job = await ground.run("-c", "x=xxxx; while :; do x=$x$x; done", program="sh")
        assert report.status == "failed"
        assert b"Out of space" in job.stderr.data or report.signal is not None


async def test_a_fork_bomb(ground: Ground) -> None:
    """Of a program that is machine code: it may be one process only."""
    async with ground.worker():
        report, job = await ground.run("-c", "(echo child); echo went on", program="sh")
        assert b"child" not in job.stdout.data
        assert report.status == "failed"
