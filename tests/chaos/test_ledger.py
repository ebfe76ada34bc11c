"""What programs note is read as it happened."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos import recorder
from tests.chaos.history import Execution
from tests.chaos.ledger import alive, executions
from tests.cluster.kit import program


def record(folder: Path, *arguments: str, ffmpeg: str = "/bin/false") -> subprocess.CompletedProcess[str]:
    environment = {
        recorder.LEDGER: str(folder / "ledger"),
        recorder.WORKER: "worker1",
        recorder.FFMPEG: ffmpeg,
    }
    command = [sys.executable, "-ISE", recorder.__file__, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def noted(folder: Path) -> list[Execution]:
    return list(executions((folder / "ledger").read_text().splitlines()))


def line(key: str, pid: int, event: str, at: float, **more: object) -> str:
    return json.dumps({"key": key, "worker": "w", "pid": pid, "event": event, "at": at, **more})


def test_a_short_job_notes_its_begin_and_its_end(tmp_path: Path) -> None:
    ended = record(tmp_path, "short", "k", "0", "3")
    assert (ended.returncode, ended.stdout) == (3, "k\n")
    (one,) = noted(tmp_path)
    assert (one.key, one.worker, one.exit_code) == ("k", "worker1", 3)
    assert one.ended is not None
    assert one.begun <= one.ended


def test_the_real_program_gets_everything_but_the_mark(tmp_path: Path) -> None:
    ffmpeg = str(program(tmp_path / "ffmpeg", 'echo "$@"; exit 4'))
    ended = record(tmp_path, "-i", "in", "-metadata", "chaos=k", "out", ffmpeg=ffmpeg)
    assert (ended.returncode, ended.stdout) == (4, "-i in out\n")
    assert [(one.key, one.exit_code) for one in noted(tmp_path)] == [("k", 4)]


def test_what_is_no_job_is_not_noted(tmp_path: Path) -> None:
    ffmpeg = str(program(tmp_path / "ffmpeg", 'echo "$@"'))
    assert record(tmp_path, "-encoders", ffmpeg=ffmpeg).stdout == "-encoders\n"
    assert not (tmp_path / "ledger").exists()


def test_begins_and_ends_belong_together() -> None:
    lines = [
        line("a", 1, "begin", 1.0),
        line("b", 1, "begin", 1.5),
        line("a", 2, "begin", 2.0),
        line("a", 2, "end", 3.0, exit_code=0),
    ]
    assert list(executions(lines)) == [
        Execution(key="a", worker="w", begun=1.0),
        Execution(key="b", worker="w", begun=1.5),
        Execution(key="a", worker="w", begun=2.0, ended=3.0, exit_code=0),
    ]


@pytest.mark.parametrize(
    "lines",
    [
        [line("a", 1, "end", 1.0, exit_code=0)],
        [line("a", 1, "begin", 1.0), line("a", 1, "begin", 2.0)],
    ],
)
def test_a_ledger_that_cannot_be_is_refused(lines: list[str]) -> None:
    with pytest.raises(ValueError, match="begin"):
        list(executions(lines))


def test_a_program_that_is_there_is_alive() -> None:
    here = [line("pytest", os.getpid(), "begin", 1.0), line("another", os.getpid(), "begin", 1.0)]
    assert alive([*here, line("gone", 2**22 + 1, "begin", 1.0)]) == {"pytest"}
