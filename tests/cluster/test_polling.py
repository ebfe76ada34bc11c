"""A worker and a caller that only poll, as behind a proxy that lets no WebSocket through."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.kit import GUARD, Cluster
from tests.cluster.test_stand_in import CODEC, ENDLESS, Call, frames

pytestmark = [pytest.mark.cluster, pytest.mark.ffmpeg]

FRAME = 64 * 48 * 3
RAW = ["-f", "rawvideo", "-s", "64x48", "-pix_fmt", "rgb24", "-r", "25"]


def poll_only(file: Path) -> None:
    """Have a client or a worker use nothing but polling."""
    text = file.read_text()
    changed = re.sub(r"(?m)^#?transports = .*$", 'transports = ["http_polling"]', text)
    assert changed != text
    file.write_text(changed)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster"), "--slots", "4") as running:
        for name in ("client", "worker1"):
            poll_only(running.data / f"{name}.toml")
        running.kill("worker1")
        running.start("worker1")
        running.start_agent()
        yield running


def test_input_arrives_as_it_was_sent(cluster: Cluster) -> None:
    # More than every window, and no two frames alike.
    data = b"".join(n.to_bytes(4, "big") * (FRAME // 4) for n in range(1200))
    command = ["-v", "error", *RAW, "-i", "pipe:0", "-c", "copy", "-f", "rawvideo", "pipe:1"]
    for more in ({}, {"DFFMPEG_NO_AGENT": "1"}):
        done = subprocess.run(
            [cluster.data / "bin" / "ffmpeg", *command],
            input=data,
            capture_output=True,
            check=False,
            cwd=cluster.folder,
            env={**cluster.environment, **more},
            timeout=GUARD,
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout == data


def test_two_inputs_keep_their_own_pace(cluster: Cluster) -> None:
    data = os.urandom(FRAME * 400)
    read, write = os.pipe()
    command = ["-v", "error", *RAW, "-i", "pipe:0", *RAW, "-i", f"pipe:{read}"]
    command += ["-map", "1", "-c", "copy", "-f", "rawvideo", "pipe:1"]
    process = subprocess.Popen(
        [cluster.data / "bin" / "ffmpeg", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=cluster.folder,
        env=cluster.environment,
        pass_fds=[read],
    )
    os.close(read)

    def write_second() -> None:
        with os.fdopen(write, "wb") as second:
            second.write(data)

    writer = threading.Thread(target=write_second)
    writer.start()
    output, _ = process.communicate(data[: 4 * FRAME], timeout=GUARD)
    writer.join()
    assert process.returncode == 0
    assert output == data


def test_a_key_ends_it_with_a_whole_file(cluster: Cluster) -> None:
    file = cluster.folder / "key.mkv"
    with Call(cluster, *ENDLESS, *CODEC, "-y", str(file)) as call:
        call.until(rb"frame= *[1-9]")
        call.press(b"q")
        assert call.ends() == 0
    assert frames(file) > 0


def test_signals_arrive(cluster: Cluster) -> None:
    file = cluster.folder / "signal.mkv"
    with Call(cluster, *ENDLESS, *CODEC, "-y", str(file)) as call:
        call.until(rb"frame= *[1-9]")
        call.process.send_signal(signal.SIGINT)
        assert call.ends() == 255
    assert b"received signal 2" in call.said
    assert frames(file) > 0
