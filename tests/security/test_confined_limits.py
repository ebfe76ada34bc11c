"""A job's program comes to its limits: real worker."""

from __future__ import annotations

import os

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


async def test_programs_give_way_as_their_limits_say(ground: Ground) -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    asked = "import os; print(os.getpriority(os.PRIO_PROCESS, 0))"
    for nice in (0, min(own + 3, 19)):
        async with ground.worker(limits=ProgramLimits(nice=nice, io_class="idle" if nice else "normal")):
            report, job = await ground.run("-c", "ionice", program="sh")
            assert report.status == "completed", bytes(job.stderr.data)
            assert job.stdout.data.startswith(b"idle") == bool(nice)
            report, job = await ground.run("-c", asked, program="python")
            assert report.status == "completed", bytes(job.stderr.data)
            assert int(job.stdout.data) == max(own, nice)


async def test_a_fork_bomb(ground: Ground) -> None:
    """Of a program that is machine code: it may be one process only."""
    async with ground.worker():
        report, job = await ground.run("-c", "(echo child); echo went on", program="sh")
        assert b"child" not in job.stdout.data
        assert report.status == "failed"
