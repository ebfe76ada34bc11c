"""What the worker says when the coordinator does not want or cannot hear it."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import trio

from dffmpeg.supervisors import open_tree
from dffmpeg.supervisors.worker import worker_tree
from tests.actors.worker.conftest import TRANSPORTS, StartWorker, config_for
from tests.actors.worker.coordinator import FakeCoordinator


def uplink_lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "dffmpeg.worker.uplink"]


async def test_each_cause_is_logged_once(
    coordinator: FakeCoordinator, start_worker: StartWorker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def several() -> None:
        seen = coordinator.requests.count("/worker/register")
        await coordinator.until(lambda: coordinator.requests.count("/worker/register") >= seen + 3)

    coordinator.outage = (401, "unknown key")
    async with start_worker():
        await several()
        coordinator.outage = (503, "starting")
        await several()
        coordinator.outage = None
        await coordinator.until(lambda: coordinator.online)
        job = coordinator.add("J1", "sh", "-c", "true")
        assert (await coordinator.finished(job)).status == "completed"
    lines = uplink_lines(caplog)
    assert len(lines) == 3, lines
    assert "unknown key" in lines[0]
    assert "starting" in lines[1]
    assert "answers again" in lines[2]


async def test_an_unreachable_coordinator_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    fake = FakeCoordinator()
    async with fake.serve():
        port = int(fake.url.rpartition(":")[2])
    async with open_tree(worker_tree(config_for(fake), TRANSPORTS).root, name="worker"):
        with trio.fail_after(30):
            while not uplink_lines(caplog):
                await trio.lowlevel.checkpoint()
        async with fake.serve(port):
            await fake.until(lambda: fake.online)
    assert len([line for line in uplink_lines(caplog) if "cannot connect" in line]) <= 2


async def test_a_page_that_is_no_coordinators_is_only_an_outage(
    coordinator: FakeCoordinator, start_worker: StartWorker
) -> None:
    dispatch = coordinator.dispatch
    strange = iter(range(3))

    async def page(path: str, body: bytes) -> object:
        answer = await dispatch(path, body)
        return ["welcome"] if path.endswith("/output") and next(strange, None) is not None else answer

    coordinator.dispatch = page  # type: ignore[method-assign]
    async with start_worker():
        job = coordinator.add("J1", "sh", "-c", "echo a")
        assert (await coordinator.finished(job)).status == "completed"
    assert bytes(job.stdout.data) == b"a\n"


async def test_a_directory_that_goes_is_withdrawn(
    coordinator: FakeCoordinator,
    start_worker: StartWorker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dffmpeg.actors.worker.mounts.actor.LOOK_SECONDS", 0.05)
    movies = tmp_path / "movies"
    movies.mkdir()
    async with start_worker(paths={"Movies": str(movies), "Here": str(tmp_path)}, registration_interval=30.0):
        await coordinator.until(lambda: coordinator.registrations[-1:] and coordinator.online)
        assert coordinator.registrations[-1].paths == ["Here", "Movies"]
        movies.rmdir()
        await coordinator.until(lambda: coordinator.registrations[-1].paths == ["Here"])
        movies.mkdir()
        await coordinator.until(lambda: coordinator.registrations[-1].paths == ["Here", "Movies"])


async def test_nothing_is_accepted_while_a_registration_is_under_way(
    coordinator: FakeCoordinator, start_worker: StartWorker
) -> None:
    dispatch, held, release = coordinator.dispatch, trio.Event(), trio.Event()

    async def slow(path: str, body: bytes) -> object:
        if path == "/worker/register" and coordinator.online and not release.is_set():
            held.set()
            await release.wait()
        return await dispatch(path, body)

    coordinator.dispatch = slow  # type: ignore[method-assign]
    async with start_worker():
        await held.wait()
        job = coordinator.add("J1", "sh", "-c", "true")
        canary = coordinator.add("J2", "unknown")
        # The rejection of a later offer shows that the earlier one was seen, too.
        await coordinator.until(lambda: canary.reason is not None)
        assert "/jobs/J1/accept" not in coordinator.requests
        release.set()
        assert (await coordinator.finished(job)).status == "completed"
