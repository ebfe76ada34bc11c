"""What the dashboard of one coordinator shows of jobs that another one looks after."""

from __future__ import annotations

from pathlib import Path

import pytest

from dffmpeg.actors.coordinator.dashboard import elsewhere
from dffmpeg.actors.coordinator.job import progress as written
from dffmpeg.model.progress import Progress
from dffmpeg.store.sqlite import SqliteDatabase
from dffmpeg.wire.dashboard import ClusterOverview, ProgressEvent
from dffmpeg.wire.jobs import AttemptReport
from tests import databases
from tests.actors.coordinator.several import open_coordinators
from tests.actors.coordinator.test_dashboard import Follower
from tests.actors.coordinator.tree import ADMIN, ALICE, BOB, FakeWorker


async def test_the_progress_of_jobs_at_the_other_one_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SqliteDatabase, "shared", True)
    monkeypatch.setattr(written, "WRITTEN_EVERY", 0.0)
    monkeypatch.setattr(elsewhere, "LOOK", 0.0)
    database = databases.settings("sqlite", databases.sqlite(tmp_path / "coordinator.db"))
    async with open_coordinators(database, "a", "b") as (first, second):
        worker = FakeWorker(second, "w1")
        async with worker.online():
            with (
                Follower(first, ADMIN, "overview") as glance,
                Follower(first, ALICE, "progress") as mine,
                Follower(first, BOB, "progress", "job") as theirs,
            ):
                job_id = await first.submit(ALICE, monitor=False)
                request = await worker.take()
                for time in (1.0, 2.0):
                    said = Progress(time=time, speed=2.5, duration=10.0, fraction=time / 10)
                    report = AttemptReport(attempt=1, progress=said)
                    await second.operations.worker_heartbeat(worker.who, job_id, report)
                    far: ProgressEvent = await mine.until(lambda one, time=time: one.out_time == time)
                    assert (far.job_id, far.attempt, far.speed, far.fraction) == (job_id, 1, 2.5, time / 10)
                found: ClusterOverview = await glance.until(lambda one: one.workers[0].speed)
                assert found.workers[0].speed == 2.5
                await worker.finish(request)
                found = await glance.until(lambda one: one.counts["completed"] == 1)
                assert found.workers[0].speed is None
                # Nothing of it was for anybody else.
                bobs = await first.submit(BOB, monitor=False)
                assert (await theirs.until(lambda _: True)).job_id == bobs
