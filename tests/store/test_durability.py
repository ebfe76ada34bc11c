"""Acknowledged means durable: a process that is killed loses nothing that it has told anybody."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from dffmpeg.store import StoreSettings, open_store

WRITER = """
import sys, time, trio
from dffmpeg.model.jobs import Job
from dffmpeg.store import StoreSettings, open_store

async def main(path):
    async with open_store(StoreSettings(engine_defaults={"sqlite": {"path": path}})) as store:
        async def add(lane):
            for number in range(100_000):
                name = f"{lane}-{number}"
                await store.jobs.add(Job(job_id=name, requester_id="a", binary_name="ffmpeg",
                                         arguments=(), created_at=time.time(), last_update=0.0))
                sys.stdout.write(name + "\\n")
                sys.stdout.flush()
        async with trio.open_nursery() as nursery:
            for lane in range(8):
                nursery.start_soon(add, lane)

trio.run(main, sys.argv[1])
"""


async def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    path = str(tmp_path / "x.db")
    process = subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    acknowledged = [process.stdout.readline().strip() for _ in range(400)]
    os.kill(process.pid, signal.SIGKILL)
    acknowledged += process.stdout.read().split()
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    async with open_store(StoreSettings(engine_defaults={"sqlite": {"path": path}})) as store:
        rows = await store.jobs.list(
            requester_id=None, since=None, states=None, limit=1_000_000, before_id=None
        )
    kept = {row.job_id for row in rows}
    assert len(acknowledged) >= 400
    # The last line may have been cut off by the kill.
    assert set(acknowledged[:-1]) <= kept
