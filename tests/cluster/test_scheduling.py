"""Whole clusters: a worker that keeps dying is left alone, and a queue that is full says so."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import trio

from dffmpeg.client.api import Client
from dffmpeg.client.options import JobOptions
from dffmpeg.model.scheduling.quarantine import AT_ONCE
from dffmpeg.wire.workers import WorkerRecord
from tests.cluster.kit import GUARD, Cluster, program
from tests.cluster.test_chaos import finished, running

pytestmark = pytest.mark.cluster


def configured(folder: Path, text: str, name: str = "coordinator") -> None:
    """Write a configuration before the cluster's first start, which keeps it."""
    (folder / "data").mkdir(mode=0o700, exist_ok=True)
    (folder / "data" / f"{name}.toml").write_text(text)


async def until(client: Client, status: str) -> WorkerRecord:
    with trio.fail_after(GUARD):
        while True:
            found = [one for one in await client.workers() if one.status == status]
            if found:
                return found[0]
            await trio.lowlevel.checkpoint()


async def test_a_worker_that_keeps_dying_is_left_alone_and_proves_itself(tmp_path: Path) -> None:
    configured(tmp_path, "[scheduling.quarantine]\nstrikes = 2\nminimum = 3.0\n")
    wait = program(tmp_path / "wait", '[ "$1" = short ] || exec sleep 600')
    with Cluster(tmp_path, "--workers", "1", "--slots", "2", f"--binary=wait={wait}") as cluster:
        async with cluster.client() as client:
            for _ in range(2):
                lost = await client.submit("wait", ["long"], job=JobOptions(max_attempts=1))
                await running(client, [lost.job_id], count=1)
                cluster.kill("worker1")
                cluster.start("worker1")
                record = await finished(client, lost.job_id)
                assert (record.status, record.exit_code) == ("failed", None)
                # What comes closer together counts as one failure.
                await trio.sleep(2 * AT_ONCE)
            waiting = [await client.submit("wait", ["short"]) for _ in range(3)]
            # Nobody lets it come back: it is given one job after a while, and does it.
            for one in waiting:
                assert (await finished(client, one.job_id)).exit_code == 0
            worker = await until(client, "online")
            assert (worker.strikes, worker.hold) == (0, None)
            attempts = await client.attempts(waiting[0].job_id)
    log = next((tmp_path / "data" / "logs").glob("coordinator*")).read_text()
    assert "worker worker1 is quarantined: 2 failures in a row" in log
    assert len(attempts) == 1


async def test_resources_of_a_real_worker_are_never_given_twice(tmp_path: Path) -> None:
    configured(
        tmp_path,
        'coordinator_url = "http://127.0.0.1:1"\nclient_id = "worker1"\nhmac_key = ""\n'
        'slots = 4\nlabels = ["gpu"]\nweight = 2.0\nhours = "00:00-24:00"\n[resources]\nnvenc = 3\n',
        "worker1",
    )
    with Cluster(tmp_path, "--workers", "1") as cluster:
        async with cluster.client() as client:
            worker = await until(client, "online")
    assert (worker.slots, worker.labels, worker.weight, worker.resources) == (4, ["gpu"], 2.0, {"nvenc": 3})
    assert worker.hours is not None
    assert worker.hours.startswith("00:00-24:00")


async def test_a_full_queue_is_one_line_and_a_place_in_it_is_waited_for(tmp_path: Path) -> None:
    configured(tmp_path, "[scheduling.requester]\nrunning = 1\nqueued = 1\n")
    hold = program(tmp_path / "hold", f'while [ ! -e "{tmp_path}/go" ]; do sleep 0.05; done')
    say = program(tmp_path / "say", 'echo "$1"')
    arguments = ["--workers", "1", "--slots", "4", f"--binary=hold={hold}", f"--binary=say={say}"]
    with Cluster(tmp_path, *arguments) as cluster:
        async with cluster.client() as client:
            first = await client.submit("hold", [])
            await running(client, [first.job_id], count=1)
            await client.submit("say", ["queued"])
        # Where there is no time for waiting it is one line and an exit code of ours.
        settings = cluster.data / "client.toml"
        settings.write_text("connect_timeout = 1.0\n" + settings.read_text())
        refused = await trio.to_thread.run_sync(lambda: cluster.run("now", program="say"))
        assert refused.returncode == 122
        assert refused.stdout == b""
        assert refused.stderr.startswith(b"dffmpeg: local has 1 jobs in the queue, as many as it may have")
        assert refused.stderr.count(b"\n") == 1
        # Where there is, its turn comes.
        text = settings.read_text().replace("connect_timeout = 1.0", "connect_timeout = 100.0")
        settings.write_text('log_level = "DEBUG"\n' + text)
        patient = subprocess.Popen(
            [cluster.data / "bin" / "say", "later"],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "DFFMPEG_NO_AGENT": "1"},
        )
        assert patient.stderr is not None
        while b"trying again: local has 1 jobs" not in (line := patient.stderr.readline()):
            assert line
        (tmp_path / "go").touch()
        out, _ = patient.communicate(timeout=GUARD)
        assert (patient.returncode, out) == (0, b"later\n")
