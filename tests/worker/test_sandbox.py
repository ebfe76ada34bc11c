"""What a worker says and does where the kernel cannot confine its jobs."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dffmpeg.actors.worker.processes import landlock, seccomp
from dffmpeg.actors.worker.sandbox import refuse_or_tell
from dffmpeg.configuration.worker import WorkerConfig
from dffmpeg.wire import signature
from dffmpeg.worker.main import main

LOG = "dffmpeg.worker.sandbox"


@pytest.fixture(params=["files", "network"])
def missing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What an older kernel cannot do; all else it can."""
    monkeypatch.setattr(landlock, "version", lambda: 0 if request.param == "files" else 7)
    monkeypatch.setattr(seccomp, "available", lambda: request.param != "network")
    return str(request.param)


@pytest.fixture
def able(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "version", lambda: 7)
    monkeypatch.setattr(seccomp, "available", lambda: True)


def config(**more: Any) -> WorkerConfig:
    key = signature.encode_key(bytes(32))
    return msgspec.convert(
        {"coordinator_url": "http://127.0.0.1:1", "client_id": "w1", "hmac_key": key, **more}, WorkerConfig
    )


def test_required_does_not_start(missing: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "worker.toml"
    key = signature.encode_key(bytes(32))
    file.write_text(
        f'coordinator_url = "http://127.0.0.1:1"\nclient_id = "w1"\nhmac_key = "{key}"\n'
        f'sandbox = "required"\ncache = "{tmp_path}"\n'
    )
    file.chmod(0o600)
    assert main(["--config", str(file)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(
        f'dffmpeg-worker: {file}: sandbox = "required", and this machine cannot confine {missing}: no '
    )
    assert said.count("\n") == 1


def test_auto_says_once_what_it_cannot_do(missing: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, LOG):
        refuse_or_tell(config())
    (line,) = caplog.messages
    assert line.startswith("jobs are not confined in: ")
    assert f"{missing} (no " in line


@pytest.mark.usefixtures("able")
@pytest.mark.parametrize("mode", ["auto", "required"])
def test_nothing_is_said_where_all_can_be_seen_to(mode: str, caplog: pytest.LogCaptureFixture) -> None:
    refuse_or_tell(config(sandbox=mode))
    assert caplog.messages == []


def test_off_is_said_where_something_was_to_stay_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    refuse_or_tell(config(sandbox="off"))
    assert caplog.messages == []
    refuse_or_tell(config(sandbox="off", paths={"M": {"path": "/m", "mode": "ro"}}))
    assert ["read-only paths" in line for line in caplog.messages] == [True]


def test_the_check_names_what_is_missing(missing: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sandbox-check"]) == 1
    lines = {line[5:].split("  ")[0]: line.split()[0] for line in capsys.readouterr().out.splitlines()}
    assert lines[missing] == "no"
    assert lines["network" if missing == "files" else "files"] == "yes"


@pytest.mark.usefixtures("able")
def test_the_check_where_all_can_be_seen_to(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sandbox-check"]) == 0
    assert {line.split()[0] for line in capsys.readouterr().out.splitlines()} == {"yes"}


def test_the_check_is_told_its_file_before_the_word_or_behind_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = str(tmp_path / "none.toml")
    for line in (["--config", missing, "sandbox-check"], ["sandbox-check", "--config", missing]):
        assert main(line) == 2
        assert missing in capsys.readouterr().err
