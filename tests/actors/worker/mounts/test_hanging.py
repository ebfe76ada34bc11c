"""Mounts that hang, with real ones: what hangs holds up nothing else."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
import trio

from dffmpeg.actors.worker.processes.actor import Processes
from dffmpeg.actors.worker.processes.launches import Command, Descriptor
from tests.actors.worker.conftest import StartWorker
from tests.actors.worker.coordinator import FakeCoordinator
from tests.actors.worker.mounts.file_systems import (
    NEVER,
    hanging,
    held_threads,
    needs_fuse,
    paths,
    settings,
    state,
)
from tests.actors.worker.mounts.fuse import Stalling


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
    monkeypatch.setattr("dffmpeg.actors.worker.mounts.actor.LOOK_SECONDS", 0.05)
    monkeypatch.setattr("dffmpeg.actors.worker.mounts.actor.CHECK_SECONDS", 2.0)
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
    # What does not hang has to be prepared within it too.
    monkeypatch.setattr("dffmpeg.actors.worker.attempts.preparation.PREPARE_SECONDS", 5.0)
    # So the worker believes what it saw last.
    monkeypatch.setattr("dffmpeg.actors.worker.mounts.actor.FRESH_SECONDS", NEVER)
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
            # Nothing is to be given up any more.
            monkeypatch.setattr("dffmpeg.actors.worker.attempts.preparation.PREPARE_SECONDS", NEVER)
            job = coordinator.add("N", "true", "$Nas/a", paths=["Nas"])
            assert (await coordinator.finished(job)).status == "completed"


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
