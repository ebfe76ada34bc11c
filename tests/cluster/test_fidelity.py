"""The stand-in beside the real program, where that wants more than pipes."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.kit import GUARD, Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.ffmpeg]

_ADDRESS = re.compile(rb"0x[0-9a-f]+")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("fidelity")) as running:
        yield running


def test_a_full_device_is_the_programs_to_notice(cluster: Cluster) -> None:
    arguments = ["-v", "error", "-f", "lavfi", "-i", "testsrc=s=64x48:d=1", "-f", "rawvideo", "-"]

    def run(program: str | Path) -> tuple[int, bytes]:
        with open("/dev/full", "wb") as full:
            ended = subprocess.run(
                [program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=full,
                stderr=subprocess.PIPE,
                check=False,
                timeout=GUARD,
                cwd=cluster.folder,
            )
        return ended.returncode, _ADDRESS.sub(b"", ended.stderr)

    expected = run("ffmpeg")
    assert b"No space left on device" in expected[1]
    assert run(cluster.data / "bin" / "ffmpeg") == expected


def test_keys_work_on_a_terminal_that_is_not_the_sessions_own(cluster: Cluster) -> None:
    arguments = ["-hide_banner", "-re", "-f", "lavfi", "-i", "testsrc=s=64x48:d=600", "-f", "null", "-"]
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen(
            [cluster.data / "bin" / "ffmpeg", *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            cwd=cluster.folder,
        )
        os.close(theirs)
        with process:
            _read_until(ours, b"frame=")
            os.write(ours, b"q")
            assert b"[q] command received. Exiting." in _read_until(ours, b"muxing overhead")
            assert process.wait(GUARD) == 0
    finally:
        os.close(ours)


def _read_until(terminal: int, text: bytes) -> bytes:
    found = b""
    while text not in found:
        assert select.select([terminal], [], [], GUARD)[0], f"{text!r} does not come: {found!r}"
        found += os.read(terminal, 4096)
    return found
