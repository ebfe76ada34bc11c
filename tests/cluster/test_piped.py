"""kill -9 of each process in the middle of a piped transcode: the caller sees nothing but time."""

from __future__ import annotations

import os
import select
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster.kit import GUARD, Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.ffmpeg]

FRAME = 64 * 48 * 3
FRAMES = 300
COMMAND = ["-v", "error", "-f", "rawvideo", "-s", "64x48", "-pix_fmt", "rgb24", "-r", "25", "-i", "pipe:0"]
COMMAND += ["-threads", "1", "-vf", "hflip", "-f", "rawvideo", "-flush_packets", "1", "pipe:1"]


def source() -> bytes:
    return bytes((n * 7 + (n >> 8) * 13) & 255 for n in range(65536)) * (FRAME * FRAMES // 65536 + 1)


class Transcode:
    """A stand-in with pipes on both sides; the second half of its input waits for `go_on`."""

    def __init__(self, cluster: Cluster, data: bytes) -> None:
        self.process = subprocess.Popen(
            [cluster.data / "bin" / "ffmpeg", *COMMAND],
            cwd=cluster.folder,
            env=cluster.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.output = bytearray()
        self._go_on = threading.Event()
        self._writer = threading.Thread(target=self._write, args=(data,))
        self._writer.start()

    def _write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        half = len(data) // 2
        try:
            self.process.stdin.write(data[:half])
            self.process.stdin.flush()
            self._go_on.wait(GUARD)
            self.process.stdin.write(data[half:])
            self.process.stdin.close()
        except BrokenPipeError:
            # The stand-in is gone; its end says why.
            self.process.stdin = None

    def some_output(self) -> None:
        """Read until it is in the middle of its work."""
        assert self.process.stdout is not None
        while len(self.output) < FRAME * FRAMES // 8:
            assert select.select([self.process.stdout], [], [], GUARD)[0]
            data = os.read(self.process.stdout.fileno(), 65536)
            assert data, "ended too early"
            self.output += data

    def rest(self) -> tuple[int, bytes, bytes]:
        """Let it go on to its end."""
        self._go_on.set()
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        while True:
            assert select.select([self.process.stdout], [], [], GUARD)[0]
            data = os.read(self.process.stdout.fileno(), 1 << 20)
            if not data:
                break
            self.output += data
        self._writer.join()
        status = self.process.wait(GUARD)
        with self.process.stdout, self.process.stderr as errors:
            return status, bytes(self.output), errors.read()


def restarted_coordinator(cluster: Cluster) -> None:
    cluster.kill("coordinator")
    cluster.start("coordinator")


def killed_worker(cluster: Cluster) -> None:
    cluster.kill("worker1")
    cluster.start("worker1")


def killed_agent(cluster: Cluster) -> None:
    cluster.kill("agent")
    # Those who come next find one, as the first call that misses it sees to.
    cluster.start_agent()


@pytest.mark.parametrize("harm", [restarted_coordinator, killed_worker, killed_agent])
def test_a_piped_transcode_survives(tmp_path: Path, harm: Callable[[Cluster], None]) -> None:
    data = source()[: FRAME * FRAMES]
    local = subprocess.run(["ffmpeg", *COMMAND], input=data, capture_output=True, check=True)
    with Cluster(tmp_path) as cluster:
        cluster.start_agent()
        transcode = Transcode(cluster, data)
        transcode.some_output()
        harm(cluster)
        status, output, errors = transcode.rest()
    assert (status, errors) == (0, b"")
    assert output == local.stdout
