"""Whole clusters of real processes: they come up, go on where they were, and leave nothing behind."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from dffmpeg.configuration import load
from dffmpeg.configuration.client import ClientConfig
from dffmpeg.standalone.media import look_inside

pytestmark = [pytest.mark.cluster, pytest.mark.ffmpeg]

GUARD = 120


class Cluster:
    """`dffmpeg standalone` as a person starts it."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.ready_file = folder / "ready"
        command = [sys.executable, "-m", "dffmpeg", "standalone", "--data", str(folder / "data")]
        command += ["--path", f"Media={folder}", "--ready-file", str(self.ready_file), *arguments]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    def wait_ready(self) -> None:
        line = self.line(self.process.stdout)
        assert line.startswith("dffmpeg is ready"), self.process.communicate(timeout=GUARD)

    def line(self, stream: IO[str] | None) -> str:
        assert stream is not None
        readable, _, _ = select.select([stream], [], [], GUARD)
        assert readable, "it says nothing"
        return stream.readline()

    @property
    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads((self.folder / "data/cluster.json").read_text())
        return state

    def pids(self) -> dict[str, int]:
        return {name: process["pid"] for name, process in self.state["processes"].items()}

    def client(self) -> ClientConfig:
        return load(ClientConfig, "client", self.folder / "data/client.toml")

    def run(self, *arguments: str, program: str = "ffmpeg") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.folder / "data/bin" / program, *arguments],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=GUARD,
        )

    def stop(self) -> str:
        """Returns what it said on stderr."""
        self.process.terminate()
        said = self.process.communicate(timeout=GUARD)[1]
        assert self.process.returncode == 0, said
        return said


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[Cluster]]:
    clusters: list[Cluster] = []
    yield clusters
    for cluster in clusters:
        cluster.process.kill()
        cluster.process.wait(timeout=GUARD)
        for stream in (cluster.process.stdout, cluster.process.stderr):
            assert stream is not None
            stream.close()


def wait_gone(pids: dict[str, int]) -> None:
    for pid in pids.values():
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        readable, _, _ = select.select([descriptor], [], [], GUARD)
        os.close(descriptor)
        assert readable, f"process {pid} stays"


def test_a_cluster_comes_up_works_stops_and_goes_on_where_it_was(
    tmp_path: Path, started: list[Cluster]
) -> None:
    first = Cluster(tmp_path, "--workers", "2", "--slots", "1")
    started.append(first)
    first.wait_ready()
    assert first.ready_file.read_text() == first.state["url"] + "\n"
    assert sorted(first.pids()) == ["coordinator", "worker1", "worker2"]
    inputs = ("-f", "lavfi", "-i", "testsrc2=d=1:s=64x64", "-f", "lavfi", "-i", "sine=d=1")
    done = first.run("-y", *inputs, "-c:v", "mpeg4", "-c:a", "aac", "out.mp4")
    assert done.returncode == 0, done.stderr
    assert look_inside(tmp_path / "out.mp4", "ffmpeg").codecs == {"video": "mpeg4", "audio": "aac"}
    probed = first.run("-v", "error", "-show_entries", "format=format_name", "out.mp4", program="ffprobe")
    assert "mp4" in probed.stdout

    second = Cluster(tmp_path)
    started.append(second)
    said = second.process.communicate(timeout=GUARD)[1]
    assert second.process.returncode == 2
    assert said.count("\n") == 1
    assert f"process {first.process.pid}" in said
    assert first.ready_file.exists()

    state, client, pids = first.state, first.client(), first.pids()
    assert first.stop() == ""
    wait_gone(pids)
    assert not first.ready_file.exists()
    assert not (tmp_path / "data/cluster.json").exists()

    third = Cluster(tmp_path)
    started.append(third)
    third.wait_ready()
    assert third.state["url"] == state["url"]
    assert sorted(third.pids()) == sorted(pids)
    assert third.client() == client
    assert third.run("-version").returncode == 0
    third.stop()


def test_a_cluster_that_is_killed_leaves_no_process(tmp_path: Path, started: list[Cluster]) -> None:
    cluster = Cluster(tmp_path)
    started.append(cluster)
    cluster.wait_ready()
    pids = cluster.pids()
    cluster.process.kill()
    wait_gone(pids)
    again = Cluster(tmp_path)
    started.append(again)
    again.wait_ready()
    again.stop()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_job_does_not_hold_the_stop_up(
    tmp_path: Path, started: list[Cluster], number: signal.Signals
) -> None:
    cluster = Cluster(tmp_path)
    started.append(cluster)
    cluster.wait_ready()
    pids = cluster.pids()
    endless = ["-re", "-f", "lavfi", "-i", "testsrc2=s=64x64", "-f", "null", "-"]
    with subprocess.Popen(
        [tmp_path / "data/bin/ffmpeg", *endless], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as job:
        assert job.stderr is not None
        assert b"ffmpeg version" in job.stderr.readline()
        cluster.process.send_signal(number)
        said = cluster.process.communicate(timeout=GUARD)[1]
        job.kill()
    assert (cluster.process.returncode, said) == (0, "")
    wait_gone(pids)


def test_a_child_that_is_killed_is_named_and_the_others_go_on(tmp_path: Path, started: list[Cluster]) -> None:
    cluster = Cluster(tmp_path, "--workers", "2")
    started.append(cluster)
    cluster.wait_ready()
    pids = cluster.pids()
    os.kill(pids["worker1"], signal.SIGKILL)
    line = cluster.line(cluster.process.stderr)
    assert line.startswith("dffmpeg: worker1 was killed by SIGKILL")
    assert line.endswith("not started again (--restart)\n")
    assert cluster.pids() == {**pids, "worker1": None}
    assert cluster.stop() == ""


def test_a_child_that_is_killed_comes_back_if_asked_for(tmp_path: Path, started: list[Cluster]) -> None:
    cluster = Cluster(tmp_path, "--restart")
    started.append(cluster)
    cluster.wait_ready()
    pids = cluster.pids()
    os.kill(pids["coordinator"], signal.SIGKILL)
    assert cluster.line(cluster.process.stderr).endswith("starting it again\n")
    # The client tries until the coordinator is back.
    assert cluster.run("-version").returncode == 0
    assert cluster.pids()["coordinator"] not in (None, pids["coordinator"])
    assert cluster.pids()["worker1"] == pids["worker1"]
    cluster.stop()


def test_a_coordinator_that_does_not_come_up_is_one_line(tmp_path: Path, started: list[Cluster]) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/dffmpeg.db").write_bytes(b"this is no database" * 100)
    cluster = Cluster(tmp_path)
    started.append(cluster)
    out, said = cluster.process.communicate(timeout=GUARD)
    assert (cluster.process.returncode, out) == (1, "")
    assert said.startswith("dffmpeg: ")
    assert said.count("\n") == 1


def test_the_demo_proves_what_it_says() -> None:
    command = [sys.executable, "-m", "dffmpeg.standalone.demo"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=3 * GUARD)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "Right: h264 and aac, 10.0" in done.stdout
