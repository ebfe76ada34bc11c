"""What the tests of mounts share: settings, and how the worker and its lookers stand."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from dffmpeg.configuration.mounts import MountSettings
from tests.actors.worker.coordinator import FakeCoordinator
from tests.actors.worker.mounts.fuse import why_not

needs_fuse = pytest.mark.skipif(why_not() is not None, reason=f"no file system that hangs: {why_not()}")
needs_mounts = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a file system")

NEVER = 100_000.0
"""Seconds between two looks: what is noticed all the same is noticed by itself."""


def lookers() -> dict[int, str]:
    """The looker of this process and its looks, by their number, with their state, proc_pid_stat(5)."""
    known, found = {os.getpid()}, {}
    for entry in sorted((entry for entry in Path("/proc").iterdir() if entry.name.isdigit()), key=_number):
        try:
            command = (entry / "cmdline").read_bytes()
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if b"looker.py" in command and int(parent) in known:
            known.add(_number(entry))
            found[_number(entry)] = state
    return found


def _number(entry: Path) -> int:
    return int(entry.name)


def hanging() -> int:
    return list(lookers().values()).count("D")


def held_threads() -> int:
    """How many threads of this process wait for a file system like those of this test, proc_pid_wchan(5)."""
    waits = [(entry / "wchan").read_text() for entry in Path("/proc/self/task").iterdir()]
    return waits.count("request_wait_answer")


def settings(path: Path, **more: Any) -> MountSettings:
    return MountSettings(path=str(path), **({"interval": 0.1, "timeout": 30.0} | more))


def paths(coordinator: FakeCoordinator) -> list[str] | None:
    return coordinator.registrations[-1].paths if coordinator.registrations else None


def state(coordinator: FakeCoordinator, name: str = "NAS") -> str:
    return coordinator.registrations[-1].mounts.get(name, "") if coordinator.registrations else ""


def said(caplog: pytest.LogCaptureFixture, text: str) -> list[str]:
    return [record.getMessage() for record in caplog.records if text in record.getMessage()]
