"""A worker whose mounts go, hang and come back, with real ones: see `tests.actors.worker.mounts.fuse`."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.actors.worker.conftest import StartWorker
from tests.actors.worker.coordinator import FakeCoordinator
from tests.actors.worker.mounts.file_systems import (
    NEVER,
    lookers,
    needs_fuse,
    needs_mounts,
    paths,
    said,
    settings,
    state,
)
from tests.actors.worker.mounts.fuse import CONTENT, Stalling, mount, unmount

_READ_ONLY, _REMOUNT = 1, 32
"""Flags of mount(2)."""


@needs_fuse
@pytest.mark.parametrize("working_directory", [None, "$Nas"])
async def test_a_job_on_it_moves_and_others_run_on(
    coordinator: FakeCoordinator,
    start_worker: StartWorker,
    nas: Path,
    here: Path,
    working_directory: str | None,
) -> None:
    with Stalling(nas) as server:
        mounts = {"NAS": settings(nas, timeout=2.0, patience=2.0)}
        async with start_worker(paths={"Nas": str(nas), "Here": str(here)}, mounts=mounts, views="never"):
            await coordinator.until(lambda: coordinator.online and paths(coordinator) == ["Here", "Nas"])
            script = "echo on; while cat $1 > /dev/null; do :; done"
            more: dict[str, Any] = {"paths": ["Nas"], "working_directory": working_directory}
            job = coordinator.add("J1", "sh", "-c", script, "sh", "$Nas/marker", **more)
            script = "echo on; read -r line < $1"
            other = coordinator.add("J2", "sh", "-c", script, "sh", "$Here/go", paths=["Here"])
            os.mkfifo(here / "go")
            await coordinator.until(lambda: job.stdout.data and other.stdout.data)
            server.stall()
            await coordinator.until(lambda: job.reason is not None)
            assert job.reason == "the mount NAS does not answer"
            (here / "go").write_text("\n")
            assert (await coordinator.finished(other)).status == "completed"
            # The worker ends although the kernel holds what it had started.


@needs_fuse
async def test_a_job_that_is_to_wait_goes_on_where_it_was(
    coordinator: FakeCoordinator, start_worker: StartWorker, nas: Path, here: Path
) -> None:
    stop = here / "stop"
    with Stalling(nas) as server:
        mounts = {"NAS": settings(nas, timeout=2.0, patience=0.1, on_loss="wait")}
        async with start_worker(paths={"Nas": str(nas)}, mounts=mounts):
            await coordinator.until(lambda: coordinator.online and paths(coordinator) == ["Nas"])
            script = "while ! [ -e $2 ]; do cat $1 > /dev/null; done; cat $1"
            job = coordinator.add("J1", "sh", "-c", script, "sh", "$Nas/marker", str(stop), paths=["Nas"])
            await coordinator.until(lambda: job.status == "running")
            server.stall()
            await coordinator.until(lambda: paths(coordinator) == [])
            seen = len(coordinator.registrations)
            await coordinator.until(lambda: len(coordinator.registrations) >= seen + 5)
            assert job.status == "running"
            server.answer()
            await coordinator.until(lambda: paths(coordinator) == ["Nas"])
            stop.touch()
            assert (await coordinator.finished(job)).status == "completed"
            assert bytes(job.stdout.data) == CONTENT


@needs_fuse
async def test_one_whose_server_died_is_gone(
    coordinator: FakeCoordinator, start_worker: StartWorker, nas: Path
) -> None:
    with Stalling(nas) as server:
        async with start_worker(paths={"Nas": str(nas)}, mounts={"NAS": settings(nas)}):
            await coordinator.until(lambda: coordinator.online and paths(coordinator) == ["Nas"])
            server.die()
            await coordinator.until(lambda: paths(coordinator) == [])
            await coordinator.until(lambda: state(coordinator).startswith("gone: "))


@needs_fuse
async def test_a_command_that_fails_with_its_mount_is_lost_and_has_not_failed(
    coordinator: FakeCoordinator, start_worker: StartWorker, nas: Path, here: Path
) -> None:
    with Stalling(nas) as server:
        mounts = {"NAS": settings(nas, interval=NEVER, patience=NEVER)}
        async with start_worker(paths={"Nas": str(nas), "Here": str(here)}, mounts=mounts):
            await coordinator.until(lambda: coordinator.online and paths(coordinator) == ["Here", "Nas"])
            failed = coordinator.add("J0", "sh", "-c", "exit 3", "sh", "$Nas/marker", paths=["Nas"])
            assert (await coordinator.finished(failed)).exit_code == 3
            script = "echo on; while cat $1 > /dev/null; do :; done; exit 3"
            job = coordinator.add("J1", "sh", "-c", script, "sh", "$Nas/marker", paths=["Nas"])
            script = "read -r line < $1; exit 3"
            other = coordinator.add("J2", "sh", "-c", script, "sh", "$Here/go", paths=["Here"])
            os.mkfifo(here / "go")
            await coordinator.until(lambda: job.stdout.data and other.status == "running")
            server.die()
            await coordinator.until(lambda: job.reason is not None)
            assert job.reason == "the mount NAS is gone"
            assert bytes(job.stdout.data) == b"on\n"
            (here / "go").write_text("\n")
            assert (await coordinator.finished(other)).exit_code == 3


@needs_mounts
async def test_what_is_unmounted_is_withdrawn_at_once_and_comes_back(
    coordinator: FakeCoordinator, start_worker: StartWorker, nas: Path, bind: Callable[[Path, Path], None]
) -> None:
    export = nas.with_name("export")
    (export / "movies").mkdir(parents=True)
    bind(export, nas)
    mounts = {"NAS": settings(nas, interval=NEVER, patience=0.1)}
    async with start_worker(paths={"Movies": str(nas / "movies")}, mounts=mounts, registration_interval=60.0):
        await coordinator.until(lambda: coordinator.online and paths(coordinator) == ["Movies"])
        job = coordinator.add("J1", "sh", "-c", "echo on; exec sleep 1000", "$Movies/a", paths=["Movies"])
        await coordinator.until(lambda: job.stdout.data)
        unmount(str(nas))
        await coordinator.until(lambda: paths(coordinator) == [])
        await coordinator.until(lambda: state(coordinator) == f"gone: nothing is mounted at {nas}")
        await coordinator.until(lambda: job.reason is not None)
        assert job.reason == "the mount NAS is gone"
        bind(export, nas)
        await coordinator.until(lambda: paths(coordinator) == ["Movies"])
        assert state(coordinator) == "healthy"


@needs_mounts
async def test_what_needs_another_is_blocked_by_it(
    coordinator: FakeCoordinator,
    start_worker: StartWorker,
    nas: Path,
    here: Path,
    tmpfs: Callable[[Path], None],
) -> None:
    tmpfs(nas)
    tmpfs(here)
    mounts = {"NAS": settings(nas, after=["Gateway"]), "Gateway": settings(here)}
    async with start_worker(paths={"Nas": str(nas)}, mounts=mounts):
        await coordinator.until(lambda: coordinator.online and paths(coordinator) == ["Nas"])
        unmount(str(here))
        await coordinator.until(lambda: paths(coordinator) == [])
        await coordinator.until(lambda: state(coordinator) == "blocked: Gateway is not healthy")
        tmpfs(here)
        await coordinator.until(lambda: paths(coordinator) == ["Nas"])


@needs_mounts
async def test_its_tests_are_really_made(
    coordinator: FakeCoordinator, start_worker: StartWorker, nas: Path, tmpfs: Callable[[Path], None]
) -> None:
    tmpfs(nas)
    mounts = {"NAS": settings(nas, read="marker", write=True)}
    async with start_worker(paths={"Nas": str(nas)}, mounts=mounts):
        await coordinator.until(lambda: state(coordinator).startswith("failing: the read test"))
        assert paths(coordinator) == []
        (nas / "marker").write_text("here")
        await coordinator.until(lambda: paths(coordinator) == ["Nas"])
        assert [entry.name for entry in nas.iterdir() if not entry.name.startswith(".")] == ["marker"]
        mount("none", str(nas), "none", flags=_REMOUNT | _READ_ONLY)
        await coordinator.until(lambda: state(coordinator).startswith("failing: the write test: Read-only"))


# The looker


async def test_a_looker_that_dies_is_replaced(
    coordinator: FakeCoordinator,
    start_worker: StartWorker,
    here: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dffmpeg.actors.worker.mounts.actor.LOOK_SECONDS", 0.05)
    caplog.set_level(logging.INFO)
    async with start_worker(paths={"Here": str(here)}):
        await coordinator.until(lambda: coordinator.online and paths(coordinator) == ["Here"])
        for pid in lookers():
            os.kill(pid, signal.SIGKILL)
        await coordinator.until(lambda: said(caplog, "is replaced"))
        here.rmdir()
        await coordinator.until(lambda: paths(coordinator) == [])
        here.mkdir()
        await coordinator.until(lambda: paths(coordinator) == ["Here"])
    assert not lookers()
