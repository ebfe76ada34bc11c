"""The stand-in as media servers use it: keys, signals, pipes, and what a local ffmpeg does with them."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.kit import GUARD, Cluster, open_pidfd

pytestmark = [pytest.mark.cluster, pytest.mark.ffmpeg]

ENDLESS = ["-hide_banner", "-re", "-f", "lavfi", "-i", "testsrc2=s=64x36:r=25:d=600"]
CODEC = ["-c:v", "libx264", "-preset", "ultrafast", "-threads", "1", "-pix_fmt", "yuv420p"]
BITEXACT = ["-fflags", "+bitexact", "-flags", "+bitexact"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster"), "--slots", "8") as running:
        running.start_agent()
        yield running


class Call:
    """A stand-in that runs, with pipes for all three; ended at the latest when the block is left."""

    def __init__(self, cluster: Cluster, *arguments: str, program: str = "ffmpeg") -> None:
        self.process = subprocess.Popen(
            [cluster.data / "bin" / program, *arguments],
            cwd=cluster.folder,
            env=cluster.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.said = b""

    def __enter__(self) -> Call:
        return self

    def __exit__(self, *exc: object) -> None:
        self.process.kill()
        self.process.communicate()

    def until(self, pattern: bytes) -> None:
        """Read stderr until it says something new that fits."""
        assert self.process.stderr is not None
        behind = len(self.said)
        while not re.search(pattern, self.said[behind:]):
            assert select.select([self.process.stderr], [], [], GUARD)[0], (
                f"waits for {pattern!r}: {self.said!r}"
            )
            data = os.read(self.process.stderr.fileno(), 65536)
            assert data, f"ended before {pattern!r}: {self.said!r}"
            self.said += data

    def press(self, keys: bytes) -> None:
        assert self.process.stdin is not None
        os.write(self.process.stdin.fileno(), keys)

    def ends(self) -> int:
        """The exit status; what is left on stderr is read."""
        _, rest = self.process.communicate(timeout=GUARD)
        self.said += rest
        return self.process.returncode


def frames(file: Path) -> int:
    """How many a file has; fails where it is not whole."""
    count = ["-count_packets", "-show_entries", "stream=nb_read_packets", "-of", "csv=p=0"]
    probe = subprocess.run(["ffprobe", "-v", "error", *count, file], capture_output=True, check=True)
    assert not probe.stderr
    return int(probe.stdout)


def test_q_finishes_the_file(cluster: Cluster) -> None:
    file = cluster.folder / "q.mp4"
    with Call(cluster, "-y", *ENDLESS, *CODEC, str(file)) as call:
        call.until(rb"frame=")
        call.press(b"q\n")
        assert call.ends() == 0
    assert b"[q] command received. Exiting." in call.said
    assert frames(file) > 0


def test_pause_and_resume(cluster: Cluster) -> None:
    # As Jellyfin's throttling does; `c` of older servers is answered with a prompt.
    file = cluster.folder / "pause.mkv"
    with Call(cluster, "-y", *ENDLESS, *CODEC, "-f", "matroska", str(file)) as call:
        call.until(rb"frame=")
        call.press(b"?")
        call.until(rb"key\s+function\s.*show QP histogram|q\s+quit")
        call.press(b"c")
        call.until(rb"Enter command: ")
        call.press(b"all -1 unknown\n")
        call.until(rb"Parsing command|Command reply|Error")
        call.press(b"q")
        assert call.ends() == 0


def test_the_probe_for_keys(cluster: Cluster) -> None:
    with Call(
        cluster, "-hide_banner", "-f", "lavfi", "-i", "nullsrc=s=1x1:d=10000", "-f", "null", "-"
    ) as call:
        call.until(rb"Press \[q\] to stop")
        call.press(b"?")
        call.until(rb"q\s+quit")
        call.press(b"q")
        assert call.ends() == 0


@pytest.mark.parametrize(("answer", "status"), [(b"y\n", 0), (b"N\n", 1)])
def test_the_question_whether_to_overwrite(cluster: Cluster, answer: bytes, status: int) -> None:
    file = cluster.folder / "there.mkv"
    file.write_bytes(b"old")
    with Call(cluster, "-hide_banner", "-f", "lavfi", "-i", "testsrc2=d=0.2", *CODEC, str(file)) as call:
        call.until(rb"Overwrite\? \[y/N\] ")
        call.press(answer)
        assert call.ends() == status
    assert (file.read_bytes() == b"old") == (status == 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_finishes_the_file(cluster: Cluster, number: signal.Signals) -> None:
    file = cluster.folder / "signal.mp4"
    with Call(cluster, "-y", *ENDLESS, *CODEC, str(file)) as call:
        call.until(rb"frame=")
        call.process.send_signal(number)
        assert call.ends() == 255
    assert b"Exiting normally, received signal %d." % number in call.said
    assert frames(file) > 0


def test_a_signal_that_ffmpeg_does_not_catch_ends_the_stand_in_too(cluster: Cluster) -> None:
    with Call(cluster, "-y", *ENDLESS, "-f", "null", "-") as call:
        call.until(rb"frame=")
        call.process.send_signal(signal.SIGUSR1)
        assert call.ends() == -signal.SIGUSR1


def test_a_killed_stand_in_takes_its_ffmpeg_along(cluster: Cluster) -> None:
    file = cluster.folder / "killed.mkv"
    with Call(cluster, "-y", *ENDLESS, *CODEC, str(file)) as call:
        call.until(rb"frame=")
        (remote,) = processes_with(os.fsencode(file), without=call.process.pid)
        with open_pidfd(remote) as gone:
            call.process.kill()
            assert select.select([gone], [], [], GUARD)[0]


def processes_with(token: bytes, *, without: int) -> list[int]:
    """The processes, but for one, in whose arguments something stands."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) not in (without, os.getpid()):
            try:
                if token in (entry / "cmdline").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def test_a_reader_that_has_enough(cluster: Cluster) -> None:
    source = ["-v", "warning", "-f", "lavfi", "-i", "testsrc2=s=320x240:d=60", "-f", "rawvideo", "-"]
    outcomes = []
    for command in (["ffmpeg"], [str(cluster.data / "bin" / "ffmpeg")]):
        process = subprocess.Popen(
            [*command, *source],
            cwd=cluster.folder,
            env=cluster.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout is not None
        head = process.stdout.read(100)
        process.stdout.close()
        assert process.stderr is not None
        errors = process.stderr.read()
        process.stderr.close()
        outcomes.append((head, process.wait(GUARD), b"Broken pipe" in errors))
    assert outcomes[0] == outcomes[1]


def test_standard_input_as_it_comes(cluster: Cluster) -> None:
    media = subprocess.run(
        [
            *["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=320x240:d=4"],
            *CODEC,
            *BITEXACT,
            "-f",
            "mpegts",
            "-",
        ],
        capture_output=True,
        check=True,
    ).stdout
    command = ["-v", "error", "-f", "mpegts", "-i", "pipe:0", "-c", "copy", *BITEXACT, "-f", "matroska", "-"]
    local = subprocess.run(["ffmpeg", *command], input=media, capture_output=True, check=True)
    remote = subprocess.run(
        [cluster.data / "bin" / "ffmpeg", *command],
        cwd=cluster.folder,
        env=cluster.environment,
        input=media,
        capture_output=True,
        check=False,
        timeout=GUARD,
    )
    assert (remote.returncode, remote.stdout, remote.stderr) == (0, local.stdout, local.stderr)


def test_segments_appear_while_it_runs(cluster: Cluster) -> None:
    folder = cluster.folder / "hls"
    folder.mkdir()
    playlist = folder / "live.m3u8"
    arguments = ["-y", *ENDLESS, *CODEC, "-g", "25", "-f", "hls", "-hls_time", "1", str(playlist)]
    with Call(cluster, *arguments) as call:
        call.until(rb"Opening '[^']*live1\.ts' for writing")
        assert (folder / "live0.ts").stat().st_size > 0
        assert b"live0.ts" in playlist.read_bytes()
        call.press(b"q")
        assert call.ends() == 0
    assert b"#EXT-X-ENDLIST" in playlist.read_bytes()


@pytest.mark.parametrize(
    "arguments",
    [
        ["-version"],
        ["-encoders"],
        ["-decoders"],
        ["-filters"],
        ["-hwaccels"],
        ["-h", "filter=scale_vaapi"],
        ["-h", "bsf=h264_metadata"],
        ["-nonsense"],
    ],
)
def test_start_up_probes(cluster: Cluster, arguments: list[str]) -> None:
    local = subprocess.run(["ffmpeg", *arguments], capture_output=True, check=False, cwd=cluster.folder)
    remote = cluster.run(*arguments)
    assert (remote.returncode, remote.stdout, remote.stderr) == (
        local.returncode,
        local.stdout,
        local.stderr,
    )
