"""Mounting what is gone again, with systemctl."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.actors.worker.conftest import StartWorker
from tests.actors.worker.coordinator import FakeCoordinator
from tests.actors.worker.mounts.file_systems import needs_mounts, paths, said, settings, state
from tests.actors.worker.mounts.fuse import unmount


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Puts one on the PATH that does what it is told; returns what it wrote down."""

    def make(text: str) -> Path:
        folder, ledger = tmp_path / "bin", tmp_path / "calls"
        folder.mkdir()
        program = folder / "systemctl"
        program.write_text(f'#!/bin/sh\necho "$@" >> {ledger}\n{text}\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        return ledger

    return make


@needs_mounts
async def test_what_is_gone_is_mounted_again(
    coordinator: FakeCoordinator,
    start_worker: StartWorker,
    nas: Path,
    tmpfs: Callable[[Path], None],
    systemctl: Callable[[str], Path],
) -> None:
    tmpfs(nas)
    ledger = systemctl(f"exec mount -t tmpfs again {nas}")
    mounts = {"NAS": settings(nas, recover=True, unit="nas.mount")}
    async with start_worker(paths={"Nas": str(nas)}, mounts=mounts):
        await coordinator.until(lambda: coordinator.online and paths(coordinator) == ["Nas"])
        assert not ledger.exists()
        unmount(str(nas))
        await coordinator.until(lambda: paths(coordinator) == [])
        await coordinator.until(lambda: paths(coordinator) == ["Nas"])
        assert ledger.read_text() == "--no-ask-password restart -- nas.mount\n"
        unmount(str(nas))


@needs_mounts
async def test_a_refusal_is_one_line_and_final(
    coordinator: FakeCoordinator,
    start_worker: StartWorker,
    nas: Path,
    systemctl: Callable[[str], Path],
    caplog: pytest.LogCaptureFixture,
) -> None:
    ledger = systemctl("echo 'Failed to restart x.mount: Access denied' >&2; exit 4")
    async with start_worker(paths={"Nas": str(nas)}, mounts={"NAS": settings(nas, recover=True)}):
        await coordinator.until(lambda: ledger.exists() and said(caplog, "is not tried again"))
        seen = len(coordinator.registrations)
        await coordinator.until(lambda: len(coordinator.registrations) >= seen + 5)
    assert len(ledger.read_text().splitlines()) == 1
    assert len(said(caplog, "Access denied")) == 1


async def test_one_that_does_not_help_is_not_tried_again_at_once(
    coordinator: FakeCoordinator, start_worker: StartWorker, nas: Path, systemctl: Callable[[str], Path]
) -> None:
    ledger = systemctl("exit 0")
    async with start_worker(paths={"Nas": str(nas)}, mounts={"NAS": settings(nas, recover=True)}):
        await coordinator.until(lambda: ledger.exists() and state(coordinator).startswith("gone"))
        seen = len(coordinator.registrations)
        await coordinator.until(lambda: len(coordinator.registrations) >= seen + 5)
    assert len(ledger.read_text().splitlines()) <= 2
