"""The shipped units start commands that this package installs."""

from __future__ import annotations

import tomllib
from configparser import RawConfigParser
from pathlib import Path

import pytest

from dffmpeg.shim import rendezvous

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("process", ["coordinator", "worker"])
def test_a_unit_starts_an_installed_command(process: str) -> None:
    unit = RawConfigParser()
    unit.read_string((ROOT / f"config/systemd/dffmpeg-{process}.service").read_text())
    program, *arguments = unit["Service"]["ExecStart"].split()
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert Path(program).name in scripts
    assert arguments == ["--config", f"/etc/dffmpeg/{process}.toml"]


def test_the_agents_units_belong_together() -> None:
    service, listener = RawConfigParser(), RawConfigParser()
    service.read_string((ROOT / "config/systemd/user/dffmpeg-agent.service").read_text())
    listener.read_string((ROOT / "config/systemd/user/dffmpeg-agent.socket").read_text())
    program, *arguments = service["Service"]["ExecStart"].split()
    assert (Path(program).name, arguments) == ("dffmpeg-client", ["agent"])
    assert listener["Socket"]["ListenStream"] == f"%t/dffmpeg/{rendezvous.ACTIVATED}"
    assert listener["Socket"]["DirectoryMode"] == "0700"
