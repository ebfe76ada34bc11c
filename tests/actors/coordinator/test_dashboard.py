"""What the dashboard's pages are told: on a real tree and a real database."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from dffmpeg.actors.coordinator import subscriptions
from dffmpeg.actors.coordinator.events import Event
from dffmpeg.actors.coordinator.refusals import Forbidden
from dffmpeg.actors.coordinator.subscriptions import Subscription
from dffmpeg.model.identities import Identity
from dffmpeg.model.progress import Progress
from dffmpeg.model.samples import MINUTE, QUARTER, Figures, Sample
from dffmpeg.model.workers import Hold
from dffmpeg.wire.dashboard import Alert, ClusterOverview, ProgressEvent
from dffmpeg.wire.events import EventKind
from dffmpeg.wire.jobs import AttemptReport
from tests.actors.coordinator.scheduling import settled
from tests.actors.coordinator.tree import (
    ADMIN,
    ALICE,
    BOB,
    PATIENCE,
    Coordinator,
    FakeWorker,
    open_coordinator,
)


class Follower:
    """Follows some kinds to the end of the test."""

    def __init__(self, coordinator: Coordinator, who: Identity, *kinds: EventKind) -> None:
        self.stream = coordinator.operations.subscribe(who, after=None, kinds=kinds, interval=0.0)

    def __enter__(self) -> Follower:
        self.stream.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.__exit__()

    async def until(self, fits: Any) -> Any:
        """The data of the first event that fits."""
        with trio.fail_after(PATIENCE):
            while True:
                for event in await self.stream.news(PATIENCE):
                    if event.kind != "here" and fits(event.data):
                        return event.data


async def test_the_overview_tells_what_the_cluster_is_like(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path) as coordinator:
        empty = await coordinator.operations.glance()
        assert set(empty.counts.values()) == {0}
        assert (empty.workers, empty.queue.paused, empty.alerts) == ([], False, [])
        worker = FakeWorker(coordinator, "w1")
        with Follower(coordinator, ADMIN, "overview") as follower:
            async with worker.online(load=0.5, labels=["gpu"]):
                await coordinator.submit(ALICE)
                request = await worker.take()
                progress = Progress(time=1.0, speed=2.5, duration=11.0, fraction=0.1, remaining=4.0)
                beat = AttemptReport(attempt=request.attempt, progress=progress)
                await coordinator.operations.worker_heartbeat(worker.who, request.job_id, beat)
                found: ClusterOverview = await follower.until(
                    lambda one: one.workers and one.workers[0].speed
                )
                (shown,) = found.workers
                assert (shown.worker_id, shown.status, shown.slots, shown.used_slots) == (
                    "w1",
                    "online",
                    2,
                    1,
                )
                assert (shown.load, shown.speed, shown.labels) == (0.5, 2.5, ["gpu"])
                assert found.counts["running"] == 1
                await worker.finish(request)
                found = await follower.until(lambda one: one.counts["completed"] == 1)
                assert (found.counts["running"], found.workers[0].speed) == (0, None)
                await coordinator.operations.pause_queue(ADMIN, "why")
                paused = await follower.until(lambda one: one.queue.paused)
                assert paused.queue.reason == "why"
                assert (await coordinator.operations.glance()).queue == paused.queue


async def test_jobs_that_ended_before_are_counted_at_a_start(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path) as coordinator:
        await coordinator.operations.pause_queue(ADMIN, "later")
        for _ in range(2):
            await coordinator.operations.cancel(ALICE, await coordinator.submit(ALICE))
        assert (await coordinator.operations.glance()).counts["canceled"] == 2
    async with open_coordinator(tmp_path) as coordinator:
        found = await coordinator.operations.glance()
        assert (found.counts["canceled"], found.queue.reason) == (2, "later")


async def test_progress_is_for_those_whose_job_it_is(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path) as coordinator:
        worker = FakeWorker(coordinator, "w1")
        with ExitStack() as stack:
            mine, theirs, everybodys = (
                stack.enter_context(Follower(coordinator, who, "progress", "job"))
                for who in (ALICE, BOB, ADMIN)
            )
            async with worker.online():
                job_id = await coordinator.submit(ALICE)
                request = await worker.take()
                for time in (1.0, 2.0):
                    beat = AttemptReport(
                        attempt=1, progress=Progress(time=time, speed=0.5, size=10, fps=25.0)
                    )
                    await coordinator.operations.worker_heartbeat(worker.who, job_id, beat)
                for follower in (mine, everybodys):
                    found: ProgressEvent = await follower.until(
                        lambda one: getattr(one, "out_time", 0) == 2.0
                    )
                    assert (found.job_id, found.attempt, found.speed, found.fps) == (job_id, 1, 0.5, 25.0)
                    # How long it takes nobody knows.
                    assert (found.fraction, found.remaining) == (None, None)
                with Follower(coordinator, ALICE, "progress") as late:
                    assert (await late.until(lambda _: True)).out_time == 2.0
                bobs = await coordinator.submit(BOB)
                first = await theirs.until(lambda _: True)
                assert first.job_id == bobs
                await worker.finish(request)
                await mine.until(lambda one: getattr(one, "status", "") == "completed")
                assert coordinator.services.dashboard.progress.speed(job_id) is None


async def test_alerts_come_and_say_since_when(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path) as coordinator:
        assert await coordinator.operations.alerts() == []
        worker = FakeWorker(coordinator, "w1")
        with Follower(coordinator, ALICE, "alerts") as follower:
            async with worker.online(mounts={"Movies": "gone"}):
                await coordinator.operations.hold_worker(ADMIN, "w1", Hold.QUARANTINED, reason="it burns")
                both = await follower.until(lambda found: len(found) == 2)
                kinds = {one.kind: one for one in both}
                assert set(kinds) == {"mount_gone", "quarantined"}
                assert "it burns" in kinds["quarantined"].text
                assert "the mount Movies is not there" in kinds["mount_gone"].text
                assert all(one.since.startswith("20") for one in both)
                exposed, _ = await coordinator.operations.exposition("text/plain", None)
                assert b'dffmpeg_alerts{kind="quarantined"} 1.0' in exposed
                assert b'dffmpeg_alerts{kind="database"} 0.0' in exposed
                overview = await coordinator.operations.glance()
                assert {one.kind for one in overview.alerts} == set(kinds)


async def test_jobs_that_nobody_takes_are_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_coordinator(tmp_path) as coordinator:
        worker = FakeWorker(coordinator, "w1")
        async with worker.online():
            await coordinator.submit(ALICE, paths=["Nowhere"])
            await coordinator.submit(ALICE, paths=["Nowhere"])
            with Follower(coordinator, ADMIN, "alerts") as follower:
                (alert,) = await follower.until(lambda found: found)
        assert isinstance(alert, Alert)
        assert (alert.kind, alert.severity, alert.subject) == ("no_worker", "error", "ffmpeg")
        assert "2 ffmpeg jobs wait" in alert.text
        assert "$Nowhere" in alert.text


async def test_workers_may_not_follow_what_is_about_all(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path) as coordinator:
        who = FakeWorker(coordinator, "w1").who
        for kind in ("overview", "alerts", "tree"):
            with pytest.raises(Forbidden, match=kind):
                coordinator.operations.subscribe(who, after=None, kinds=[kind], interval=0.0)
        with pytest.raises(Forbidden):
            coordinator.operations.subscribe(ALICE, after=None, kinds=["tree"], interval=0.0)


async def test_those_who_see_the_same_are_told_the_same_object(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path) as coordinator:

        def follow(who: Identity, interval: float = 0.0) -> Subscription:
            stream = coordinator.operations.subscribe(who, after=None, kinds=["job"], interval=interval)
            return stream.__enter__()

        streams = [follow(ADMIN), follow(ADMIN), follow(ALICE), follow(ADMIN, 0.25)]
        for stream in streams:
            await stream.bulletin(0.0)
        await coordinator.submit(ALICE)
        one, two, alices, slower = [await stream.bulletin(PATIENCE) for stream in streams]
        assert one is two
        assert one is not None
        assert alices is not one
        assert slower is not one

        made: list[Sequence[Event]] = []

        def encode(events: Sequence[Event]) -> bytes:
            made.append(events)
            return b"x"

        assert [one.encoded(encode), one.encoded(encode)] == [b"x", b"x"]
        assert len(made) == 1


async def test_many_subscribers_are_told_less_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mock_clock: trio.testing.MockClock
) -> None:
    async with open_coordinator(tmp_path) as coordinator:
        # So that one subscriber is as many as 200 are.
        monkeypatch.setattr(subscriptions, "SHARE", 1.0)
        told: list[Event] = []
        with Follower(coordinator, ADMIN, "job") as follower:
            first = await coordinator.submit(ALICE)
            # The first after some silence comes at once: the clock stands still.
            await follower.until(lambda job: job.job_id == first)
            jobs = [await coordinator.submit(ALICE), await coordinator.submit(ALICE)]

            async def follow() -> None:
                told.extend(await follower.stream.news(PATIENCE))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(follow)
                await settled(coordinator)
                mock_clock.jump(0.9)
                await settled(coordinator)
                assert told == []
                mock_clock.jump(0.2)
        assert [event.data.job_id for event in told] == jobs  # type: ignore[union-attr]


async def test_one_who_is_behind_reads_the_log_and_joins_again(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path) as coordinator:
        with Follower(coordinator, ADMIN, "job") as slow, Follower(coordinator, ADMIN, "job") as fast:
            await slow.stream.news(0.0)
            jobs = []
            for _ in range(subscriptions.KEPT + 3):
                jobs.append(await coordinator.submit(ALICE))
                await fast.until(lambda job: job.job_id == jobs[-1])
            found = await slow.stream.news(PATIENCE)
            assert [event.data.job_id for event in found] == jobs  # type: ignore[union-attr]
            last = await coordinator.submit(ALICE)
            one, two = await slow.stream.bulletin(PATIENCE), await fast.stream.bulletin(PATIENCE)
            assert one is two
            assert one is not None
            assert [event.data.job_id for event in one.events] == [last]  # type: ignore[union-attr]


async def test_history_is_what_was_counted(tmp_path: Path) -> None:
    now = 1_800_000_000.0 + 10 * 60
    async with open_coordinator(tmp_path, clock=lambda: now) as coordinator:
        worker = FakeWorker(coordinator, "w1")
        async with worker.online():
            await coordinator.submit(ALICE)
            await worker.finish(await worker.take())
            await coordinator.operations.cancel(ALICE, await coordinator.submit(ALICE, paths=["Nowhere"]))
        coordinator.services.dashboard.record.look()
        hour = await coordinator.operations.history("hour")
    assert (hour.step, len(hour.points)) == (60, 60)
    assert hour.points[0].submitted is None
    last = hour.points[-1]
    assert (last.submitted, last.started, last.completed, last.canceled, last.failed) == (2, 1, 1, 1, 0)
    assert last.waited_max is not None
    assert last.waited_mean == last.waited_max
    assert last.slots is not None
    # The minute goes on in the next process.
    async with open_coordinator(tmp_path, clock=lambda: now) as coordinator:
        await coordinator.submit(ALICE)
        coordinator.services.dashboard.record.look()
        again = (await coordinator.operations.history("hour")).points[-1]
        assert (again.submitted, again.completed) == (3, 1)


async def test_quarters_are_made_of_minutes_and_old_samples_go(tmp_path: Path) -> None:
    now = 1_800_000_000
    async with open_coordinator(tmp_path, clock=lambda: now + 130.0) as coordinator:
        store = coordinator.services.store
        minutes = [
            Sample(MINUTE, at, "A", Figures(submitted=1)) for at in range(now - QUARTER, now + 120, MINUTE)
        ]
        ancient = [Sample(MINUTE, 0, "A", Figures()), Sample(QUARTER, 0, "A", Figures())]
        await store.samples.add([*minutes, *ancient])
    async with open_coordinator(tmp_path, clock=lambda: now + 130.0) as coordinator:
        store = coordinator.services.store
        with trio.fail_after(PATIENCE):
            while not (found := await store.samples.list(QUARTER, 1)):
                await trio.testing.wait_all_tasks_blocked()
        assert found == [Sample(QUARTER, now - QUARTER, "A", Figures(submitted=15))]
        day = await coordinator.operations.history("day")
        assert (day.step, len(day.points)) == (900, 96)
        assert [point.submitted for point in day.points[-3:]] == [None, 15, 2]
        done = await coordinator.operations.run_janitor(ADMIN, "retention")
        assert done.result["samples_removed"] == 2
        assert await store.samples.list(QUARTER, 0) == found
