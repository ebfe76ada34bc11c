"""Commands whose standard streams are closed, full or left by their reader."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ADMIN = f"{sys.executable} -m dffmpeg.admin config init worker"
CLIENT = f"{sys.executable} -m dffmpeg.client --version"


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        (f"{ADMIN} >&-", 1, "dffmpeg-admin: standard output: Bad file descriptor\n"),
        (f"{ADMIN} >/dev/full", 1, "dffmpeg-admin: standard output: No space left on device\n"),
        (f"{ADMIN} >&- 2>&- <&-", 1, ""),
        (f"{ADMIN} | :", 0, ""),
        (f"{CLIENT} >&-", 0, ""),
        (f"{CLIENT} >&- 2>&- <&-", 0, ""),
    ],
)
def test_output_that_nobody_takes_is_one_line(tmp_path: Path, command: str, status: int, said: str) -> None:
    ended = subprocess.run(
        command, shell=True, cwd=tmp_path, stderr=subprocess.PIPE, text=True, check=False, timeout=60
    )
    assert (ended.returncode, ended.stderr) == (status, said)


def test_a_failure_is_never_told_among_the_answers(tmp_path: Path) -> None:
    ended = subprocess.run(
        f"{sys.executable} -m dffmpeg.coordinator --config missing 2>&-",
        shell=True,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        check=False,
        timeout=60,
    )
    assert (ended.returncode, ended.stdout) == (2, b"")
