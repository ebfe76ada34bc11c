"""What `dffmpeg standalone` is asked for, and what is wrong with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dffmpeg.errors import ConfigurationError
from dffmpeg.standalone.main import main
from dffmpeg.standalone.options import Mapping, default_mappings, parse_binaries, parse_mapping


def test_a_mapping_names_one_directory_or_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a b").mkdir()
    (tmp_path / "c").mkdir()
    monkeypatch.chdir(tmp_path)
    both, one = f"{tmp_path}/a b", f"{tmp_path}/c"
    assert parse_mapping(f"M={both}") == Mapping("M", both, both)
    assert parse_mapping(f"M={both}/:{one}") == Mapping("M", both, one)
    assert parse_mapping("M=c:a b") == Mapping("M", one, both)


def test_the_working_directory_is_mapped_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert default_mappings() == (Mapping("Here", str(tmp_path), str(tmp_path)),)
    monkeypatch.chdir("/")
    assert default_mappings() == ()


def test_a_binary_is_a_file_or_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "enc"
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert parse_binaries(["x264=enc", "y=./enc", f"z={program}"]) == (
        ("x264", str(program)),
        ("y", str(program)),
        ("z", str(program)),
    )
    program.chmod(0o644)
    with pytest.raises(ConfigurationError, match="no such executable"):
        parse_binaries([f"x={program}"])


WRONG = [
    ([], "COMMAND"),
    (["frob"], "invalid choice"),
    (["standalone", "--frob"], "unrecognized arguments"),
    (["standalone", "--workers", "0"], "from 1 to 64, got '0'"),
    (["standalone", "--workers", "many"], "from 1 to 64, got 'many'"),
    (["standalone", "--workers", "-1"], "--workers"),
    (["standalone", "--slots", "1.5"], "from 1 to 1000, got '1.5'"),
    (["standalone", "--port", "65536"], "from 1 to 65535"),
    (["standalone", "--path", "x"], "expected NAME=CLIENTDIR"),
    (["standalone", "--path", "=/tmp"], "expected a name"),
    (["standalone", "--path", "a b=/tmp"], "expected a name"),
    (["standalone", "--path", "x=/"], "not '/' itself"),
    (["standalone", "--path", "x=/nowhere/at/all"], "no such directory"),
    (["standalone", "--path", "x=/tmp:"], "expected NAME=CLIENTDIR"),
    (["standalone", "--path", "x=/tmp:/tmp:/tmp"], "expected NAME=CLIENTDIR"),
    (["standalone", "--path", "x=/tmp", "--path", "x=/tmp"], "named twice"),
    (["standalone", "--binary", "ffmpeg"], "expected NAME=PATH"),
    (["standalone", "--binary", "ffmpeg=/nowhere/at/all"], "no such executable"),
    (["standalone", "--data", "/dev/null/x"], "Not a directory"),
]


@pytest.mark.parametrize(("arguments", "expected"), WRONG)
def test_what_a_user_gets_wrong_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    try:
        status = main(arguments)
    except SystemExit as end:
        status = int(end.code or 0)
    said = capsys.readouterr()
    assert (status, said.out) == (2, "")
    assert said.err.startswith("dffmpeg")
    assert said.err.count("\n") == 1
    assert expected in said.err


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["standalone", "--workers", "x"], 2), (["standalone", "--path", "x=/nowhere"], 2), (["--version"], 0)],
)
def test_a_real_process_says_one_line(arguments: list[str], status: int) -> None:
    command = [sys.executable, "-m", "dffmpeg", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=os.environ)
    assert done.returncode == status
    assert (done.stdout + done.stderr).startswith("dffmpeg")
    assert (done.stdout + done.stderr).count("\n") == 1
