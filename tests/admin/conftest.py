"""Commands of `dffmpeg-admin`, run in a folder of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dffmpeg.admin.main import main
from dffmpeg.wire.signature import decode_key

GUARD = 120.0
"""Seconds after which a test gives up on something that does not happen."""


class Admin:
    """Runs commands in a folder of its own and keeps what they said."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str, status: int = 0) -> str:
        assert main(arguments) == status
        said = self._capsys.readouterr()
        if status == 0:
            assert said.err == ""
            return said.out
        assert said.err.startswith("dffmpeg-admin")
        assert said.err.count("\n") == 1
        assert "Traceback" not in said.err
        return said.err

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json"))

    def key(self, name: str) -> bytes:
        return decode_key(self.json("user", "show", name, "--show-key")["hmac_key"])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("DFFMPEG_COORDINATOR_CONFIG", raising=False)
    monkeypatch.delenv("DFFMPEG_CLIENT_CONFIG", raising=False)
    (tmp_path / "dffmpeg-coordinator.toml").write_text("port = 8123\n")
    return tmp_path


@pytest.fixture
def admin(folder: Path, capsys: pytest.CaptureFixture[str]) -> Admin:
    return Admin(capsys)


def at_a_terminal(*arguments: str, typed: str) -> subprocess.CompletedProcess[str]:
    """Run a command of which standard input is a terminal."""
    ours, theirs = os.openpty()
    # A terminal's end of file is a key, not a closed descriptor.
    os.write(ours, typed.encode() or b"\x04")
    try:
        return subprocess.run(
            [sys.executable, "-m", "dffmpeg.admin", *arguments],
            stdin=theirs,
            capture_output=True,
            text=True,
            check=False,
            timeout=GUARD,
        )
    finally:
        os.close(ours)
        os.close(theirs)
