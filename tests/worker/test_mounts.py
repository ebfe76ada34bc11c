"""A worker whose mounts go, hang and come back, with real ones: see `tests.worker.fuse`."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from dffmpeg.actors.launches import Command, Descriptor
from dffmpeg.actors.processes import Processes
from dffmpeg.configuration.mounts import MountSettings
from tests.worker.conftest import StartWorker
from tests.worker.coordinator import FakeCoordinator
from tests.worker.fuse import CONTENT, Stalling, mount, unmount, why_not

needs_fuse = pytest.mark.skipif(why_not() is not None, reason=f"no file system that hangs: {why_not()}")
needs_mounts = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a file system")

_READ_ONLY, _REMOUNT, _BIND = 1, 32, 4096
"""Flags of mount(2)."""

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


@pytest.fixture
def nas(tmp_path: Path) -> Path:
    folder = tmp_path / "nas"
    folder.mkdir()
    return folder


@pytest.fixture
def here(tmp_path: Path) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    return folder


@pytest.fixture
def bind() -> Iterator[Callable[[Path, Path], None]]:
    """Mounts a directory on another; at the end all are unmounted."""
    mounted = []

    def make(source: Path, target: Path) -> None:
        mount(str(source), str(target), "none", flags=_BIND)
        mounted.append(target)

    yield make
    for folder in reversed(mounted):
        unmount(str(folder))


@pytest.fixture
def tmpfs() -> Iterator[Callable[[Path], None]]:
    """Mounts one on a directory; at the end all are unmounted."""
    mounted = []

    def make(folder: Path) -> None:
        mount("tmpfs", str(folder), "tmpfs")
        mounted.append(folder)

    yield make
    for folder in reversed(mounted):
        unmount(str(folder))


def paths(coordinator: FakeCoordinator) -> list[str] | None:
    return coordinator.registrations[-1].paths if coordinator.registrations else None


def state(coordinator: FakeCoordinator, name: str = "NAS") -> str:
    return coordinator.registrations[-1].mounts.get(name, "") if coordinator.registrations else ""


def said(caplog: pytest.LogCaptureFixture, text: str) -> list[str]:
    return [record.getMessage() for record in caplog.records if text in record.getMessage()]


@needs_fuse
async def test_one_that_hangs_holds_up_nothing(
    coordinator: FakeCoordinator, start_worker: StartWorker, nas: Path, here: Path
) -> None:
    with Stalling(nas) as server:
        mounts = {"NAS": settings(nas, read="marker", timeout=2.0)}
        async with start_worker(paths={"Nas": str(nas), "Here": str(here)}, mounts=mounts):
            await coordinator.until(lambda: coordinator.online and paths(coordinator) == ["Here", "Nas"])
            assert state(coordinator) == "healthy"
            server.stall()
            await coordinator.until(lambda: paths(coordinator) == ["Here"])
            await coordinator.until(lambda: state(coordinator) == "hung: no answer within 2 s")
            # Many looks later there are no more that hang: one at the mount, and perhaps one at the path.
            seen = len(coordinator.registrations)
            await coordinator.until(lambda: len(coordinator.registrations) >= seen + 5)
            assert 1 <= hanging() <= 2
            job = coordinator.add("J1", "sh", "-c", "echo $1", "sh", "$Here/a", paths=["Here"])
            assert (await coordinator.finished(job)).status == "completed"
            assert bytes(job.stdout.data) == b"%s/a\n" % os.fsencode(here)
            refused = coordinator.add("J2", "sh", "-c", ":", "$Nas/a", paths=["Nas"])
            await coordinator.until(lambda: refused.reason is not None)
            assert refused.reason == "the path $Nas is not mapped or not there on this worker"
            server.answer()
            await coordinator.until(lambda: paths(coordinator) == ["Here", "Nas"])
            assert state(coordinator) == "healthy"


@needs_fuse
async def test_a_path_that_lies_on_no_configured_mount_may_hang_too(
    coordinator: FakeCoordinator,
    start_worker: StartWorker,
    nas: Path,
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dffmpeg.actors.mounts.LOOK_SECONDS", 0.05)
    monkeypatch.setattr("dffmpeg.actors.mounts.CHECK_SECONDS", 2.0)
    with Stalling(nas) as server:
        server.stall()
        async with start_worker(paths={"Nas": str(nas), "Here": str(here)}):
            await coordinator.until(lambda: paths(coordinator) == ["Here"])
            job = coordinator.add("J1", "sh", "-c", "true")
            assert (await coordinator.finished(job)).status == "completed"
            assert hanging() == 1
            server.answer()
            await coordinator.until(lambda: paths(coordinator) == ["Here", "Nas"])


@needs_fuse
async def test_what_hangs_just_before_a_job_begins_costs_no_other_job(
    coordinator: FakeCoordinator, start_worker: StartWorker, nas: Path, here: Path
) -> None:
    with Stalling(nas) as server:
        mounts = {"NAS": settings(nas, interval=NEVER, timeout=2.0)}
        async with start_worker(
            paths={"Nas": str(nas), "Here": str(here)},
            mounts=mounts,
            binaries={"true": "true"},
            slots=8,
        ):
            await coordinator.until(lambda: coordinator.online and paths(coordinator) == ["Here", "Nas"])
            # By then no look is fresh any more.
            seen = len(coordinator.registrations)
            await coordinator.until(lambda: len(coordinator.registrations) >= seen + 6)
            server.stall()
            refused = [coordinator.add(f"N{n}", "true", "$Nas/a", paths=["Nas"]) for n in range(4)]
            others = [coordinator.add(f"H{n}", "true", "$Here/a", paths=["Here"]) for n in range(4)]
            for job in others:
                assert (await coordinator.finished(job)).status == "completed"
            await coordinator.until(lambda: all(job.reason is not None for job in refused))
            await coordinator.until(lambda: paths(coordinator) == ["Here"])
            # No thread of the worker itself waits for the file system.
            assert held_threads() == 0


@needs_fuse
async def test_what_hangs_while_jobs_are_prepared_costs_no_other_job(
    coordinator: FakeCoordinator,
    start_worker: StartWorker,
    nas: Path,
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dffmpeg.actors.preparation.PREPARE_SECONDS", 2.0)
    # So the worker believes what it saw last.
    monkeypatch.setattr("dffmpeg.actors.mounts.FRESH_SECONDS", NEVER)
    with Stalling(nas) as server:
        async with start_worker(
            paths={"Nas": str(nas), "Here": str(here)},
            mounts={"NAS": settings(nas, interval=NEVER)},
            binaries={"true": "true"},
            slots=12,
        ):
            await coordinator.until(lambda: coordinator.online and paths(coordinator) == ["Here", "Nas"])
            server.stall()
            for turn in range(3):
                hung = [coordinator.add(f"N{turn}{n}", "true", "$Nas/a", paths=["Nas"]) for n in range(6)]
                others = [coordinator.add(f"H{turn}{n}", "true", "$Here/a", paths=["Here"]) for n in range(6)]
                for job in others:
                    assert (await coordinator.finished(job)).status == "completed"
                for job in hung:
                    await coordinator.until(partial(getattr, job, "reason"))
                    assert job.reason == "the worker's directories do not answer"
            # Of eighteen jobs the first six; from then on there were too many.
            assert held_threads() == 6
            server.answer()
            await coordinator.until(lambda: held_threads() == 0)
            job = coordinator.add("N", "true", "$Nas/a", paths=["Nas"])
            assert (await coordinator.finished(job)).status == "completed"


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
async def test_a_start_that_hangs_can_be_given_up_and_leaves_nothing_open(nas: Path) -> None:
    marker = os.fsencode(nas / "marker")
    file = Descriptor(0, "file", path=marker, below=(os.fsencode(nas),))
    command = Command(b"/bin/sh", (b"-c", b"read -r line"), directory=b"/", descriptors=(file,))
    processes = Processes()
    with Stalling(nas) as server:
        async with processes.open():
            async with processes.running(command) as process:
                await process.exited.wait()
            server.stall()
            with trio.fail_after(60):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(started, processes, command)
                    while not held_threads():
                        await trio.lowlevel.checkpoint()
                    nursery.cancel_scope.cancel()
            server.answer()
            with trio.fail_after(60):
                while held_threads() or marker in open_files():
                    await trio.lowlevel.checkpoint()


async def started(processes: Processes, command: Command) -> None:
    async with processes.running(command):
        await trio.sleep_forever()


def open_files() -> set[bytes]:
    """What this process has open."""
    found = set()
    for name in os.listdir(b"/proc/self/fd"):
        with suppress(FileNotFoundError):
            found.add(os.readlink(b"/proc/self/fd/" + name))
    return found


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


# Mounting it again


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


# The looker


async def test_a_looker_that_dies_is_replaced(
    coordinator: FakeCoordinator,
    start_worker: StartWorker,
    here: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dffmpeg.actors.mounts.LOOK_SECONDS", 0.05)
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
