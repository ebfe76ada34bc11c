"""Coordinators that share a database: who leads, who looks after what, and what they hear of each other."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import trio
from ulid import ULID

from dffmpeg.actors.coordinator.operations import Elsewhere, TooMany
from dffmpeg.configuration.coordinator import Cluster, CoordinatorConfig, Janitor, Leases
from dffmpeg.configuration.scheduling import Scheduling
from dffmpeg.model.jobs import CLIENT_GONE
from dffmpeg.store import Fenced, StoreSettings
from dffmpeg.store.sqlite import SqliteDatabase
from dffmpeg.wire.jobs import JobRecord, SubmitRequest
from tests import databases
from tests.actors.coordinator.several import LEASE, configured, eventually, open_coordinators, until
from tests.actors.coordinator.tree import ADMIN, ALICE, PATIENCE, Coordinator, FakeWorker, open_coordinator


@pytest.fixture(params=databases.ENGINES)
def database(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[StoreSettings]:
    """One that several may share. Two may also have one SQLite file open, which is enough for what they
    say to each other here."""
    engine: str = request.param
    if engine == "sqlite":
        monkeypatch.setattr(SqliteDatabase, "shared", True)
        yield databases.settings(engine, databases.sqlite(tmp_path / "coordinator.db"))
    else:
        with databases.created(engine) as options:
            yield databases.settings(engine, options)


async def test_one_that_the_others_cannot_reach_is_named_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(SqliteDatabase, "shared", True)
    caplog.set_level("INFO", "dffmpeg.actors.coordinator.members")
    database = databases.settings("sqlite", databases.sqlite(tmp_path / "coordinator.db"))
    mute = CoordinatorConfig(cluster=Cluster(lease=LEASE))
    async with open_coordinator(database, mute) as alone:
        name = alone.services.membership.me
        assert f"this is coordinator {name}" in caplog.text
        assert "advertise" not in caplog.text
        async with open_coordinator(database, configured("b")) as other:
            for one in (alone, other):
                await until(one, lambda one=one: len(one.services.membership.members()) == 2)  # type: ignore[misc]
            warning = f"coordinator {name} has no [cluster] advertise"
            await eventually(partial(said, caplog, warning, 2))
    assert caplog.text.count("no [cluster] advertise") == 2


async def said(caplog: pytest.LogCaptureFixture, words: str, times: int) -> bool:
    """Whether it was, by so many of the coordinators here."""
    return caplog.text.count(words) >= times


async def test_the_oldest_leads_and_the_next_one_after_it(database: StoreSettings) -> None:
    async with open_coordinators(database, "a", "b") as (first, second):
        assert first.services.membership.leading()
        assert not second.services.membership.leading()
        await first.services.membership.drain()
        assert not first.services.membership.leading()
        await until(second, second.services.membership.leading)


async def test_a_job_submitted_at_one_runs_on_a_worker_of_the_other(database: StoreSettings) -> None:
    async with open_coordinators(database, "a", "b") as (first, second):
        worker = FakeWorker(second, "w1")
        async with worker.online():
            for submitter in (first, second):
                job_id = await submitter.submit(monitor=False)
                request = await worker.take()
                assert request.job_id == job_id
                assert first.services.jobs.find(job_id) is None
                await worker.finish(request)
                await submitter.until(job_id, "completed")


async def test_what_is_looked_after_elsewhere_is_refused_with_whom_to_ask(database: StoreSettings) -> None:
    async with open_coordinators(database, "a", "b") as (first, second):
        worker = FakeWorker(second, "w1")
        async with worker.online():
            job_id = await first.submit(monitor=False)
            await worker.take()
            home = await first.services.membership.home_of_job(job_id)
            assert home is not None
            assert home.address == "http://b.test:8000"
            assert await second.services.membership.home_of_job(job_id) is None
            await until(first, lambda: "w1" in first.services.membership.known_homes())
            home = await first.services.membership.home_of_worker("w1", claim=True)
            assert home is not None
            assert home.coordinator_id == second.services.membership.me
            with pytest.raises(Elsewhere):
                await first.operations.cancel(ALICE, job_id)
            with pytest.raises(Elsewhere):
                await FakeWorker(first, "w1").register()


async def test_a_follower_is_sent_away_once_its_job_runs_elsewhere(
    database: StoreSettings,
) -> None:
    async with open_coordinators(database, "a", "b") as (first, second):
        job_id = await first.submit(monitor=False)
        sent_away = trio.Event()

        async def follow() -> None:
            with pytest.raises(Elsewhere):
                await first.until(job_id, "completed")
            sent_away.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow)
            worker = FakeWorker(second, "w1")
            async with worker.online():
                request = await worker.take()
                with trio.fail_after(PATIENCE):
                    await sent_away.wait()
                await worker.finish(request)


async def test_who_drains_gives_its_workers_and_their_jobs_away(database: StoreSettings) -> None:
    async with open_coordinators(database, "a", "b") as (first, second):
        worker = FakeWorker(first, "w1")
        async with worker.online():
            job_id = await first.submit(monitor=False)
            request = await worker.take()
            with trio.fail_after(PATIENCE):
                await first.services.membership.drain()
            await gone(first, job_id)
            assert first.services.workers.find("w1") is None
        there = FakeWorker(second, "w1")
        there.running = worker.running
        async with there.online():
            assert (await second.operations.job(ADMIN, job_id)).attempt == 1
            await there.finish(request)
            await second.until(job_id, "completed")
        # Nobody who is draining becomes a home.
        home = await first.services.membership.home_of_worker("w2", claim=True)
        assert home is not None
        assert home.coordinator_id == second.services.membership.me


async def gone(one: Coordinator, job_id: str) -> None:
    """Wait until a job's actor has ended."""
    with trio.fail_after(PATIENCE):
        while one.services.jobs.find(job_id) is not None:
            await trio.lowlevel.checkpoint()


async def test_who_was_taken_for_gone_begins_anew_under_another_id(database: StoreSettings) -> None:
    async with open_coordinators(database, "a", "b") as (first, second):
        worker = FakeWorker(first, "w1")
        async with worker.online():
            job_id = await first.submit(monitor=False)
            request = await worker.take()
            before = first.services.membership.me
            other = second.services.store.members
            [row] = [one for one in await other.list() if one.coordinator_id == before]
            while not await other.bury(row):
                [row] = [one for one in await other.list() if one.coordinator_id == before]
            with pytest.raises(Fenced):
                await first.services.store.jobs.set_hindrance(job_id, "this must not be written")
            await until(second, lambda: before not in second.services.membership.members())
            await until(second, lambda: len(second.services.membership.members()) == 2)
            assert first.services.membership.me != before
            assert second.services.membership.leading()
        assert (await second.operations.job(ADMIN, job_id)).hindrance is None
        there = FakeWorker(second, "w1")
        there.running = worker.running
        async with there.online():
            await there.finish(request)
            await second.until(job_id, "completed")


async def test_a_limit_of_the_queue_holds_for_all_together(database: StoreSettings) -> None:
    async with open_coordinators(database, "a", "b", scheduling=Scheduling(queued=3)) as (first, second):
        for one in (first, second, first):
            await one.submit(monitor=False)
            await heard(first, second)
        for one in (first, second):
            with pytest.raises(TooMany):
                await one.submit(monitor=False)


async def heard(*coordinators: Coordinator) -> None:
    """Wait until all know of as many pending jobs as there are."""
    for one in coordinators:

        async def knows_all(one: Coordinator = one) -> bool:
            counts = await one.services.store.jobs.counts()
            return one.services.backlog.board.ledger.pending == sum(counts.values())

        await eventually(knows_all)


async def test_a_paused_queue_is_paused_for_all(database: StoreSettings) -> None:
    async with open_coordinators(database, "a", "b") as (first, second):
        worker = FakeWorker(second, "w1")
        async with worker.online():
            await second.operations.pause_queue(ADMIN)
            job_id = await second.submit(monitor=False)

            async def is_paused() -> bool:
                return "the queue is paused" in (await first.operations.why(ADMIN, job_id)).waits_for

            await eventually(is_paused)
            await second.operations.resume_queue(ADMIN)
            await worker.finish(await worker.take())
            await second.until(job_id, "completed")


async def test_who_leaves_in_good_order_is_not_waited_for(database: StoreSettings) -> None:
    leaves = trio.Event()

    async def serve(task_status: trio.TaskStatus[Coordinator]) -> None:
        async with open_coordinator(database, configured("a")) as running:
            task_status.started(running)
            await leaves.wait()

    async with trio.open_nursery() as nursery:
        first: Coordinator = await nursery.start(serve)
        async with open_coordinator(database, configured("b")) as second:
            assert first.services.membership.leading()
            worker = FakeWorker(first, "w1")
            async with worker.online():
                job_id = await first.submit(monitor=False)
                request = await worker.take()
            leaves.set()
            await until(second, second.services.membership.leading)

            async def drives_it() -> bool:
                await second.operations.job(ADMIN, job_id)
                return second.services.jobs.find(job_id) is not None

            await eventually(drives_it)
            there = FakeWorker(second, "w1")
            there.running = worker.running
            async with there.online():
                await there.finish(request)
                assert (await second.until(job_id, "completed")).attempt == 1


async def test_a_worker_that_was_offline_belongs_where_it_comes_back(database: StoreSettings) -> None:
    async with open_coordinators(database, "a", "b") as (first, second):
        async with FakeWorker(first, "w1").online():
            pass
        await first.operations.deregister(FakeWorker(first, "w1").who, "w1")
        await first.services.membership.drain()
        await until(second, second.services.membership.leading)
        async with FakeWorker(second, "w1").online():
            assert second.services.membership.minds("w1")
        assert await second.services.membership.home_of_worker("w1", claim=True) is None


async def test_a_poll_at_one_hears_of_what_the_other_does(database: StoreSettings) -> None:
    async with open_coordinators(database, "a", "b") as (first, second):
        job_id = await first.submit(monitor=False, supported_transports=["http_polling"])
        heard = trio.Event()

        async def poll() -> None:
            messages = await second.operations.poll_job(ALICE, job_id, last=None, wait=PATIENCE)
            assert [one.payload["status"] for one in messages] == ["canceled"]
            heard.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(poll)
            await first.operations.cancel(ALICE, job_id)
            with trio.fail_after(PATIENCE / 2):
                await heard.wait()


async def test_a_job_submitted_again_at_the_other_one_is_the_same_job(database: StoreSettings) -> None:
    async with open_coordinators(database, "a", "b") as (first, second):
        request = SubmitRequest(binary_name="ffmpeg", job_id=str(ULID()), monitor=True)
        records: list[JobRecord] = []

        async def submit(one: Coordinator) -> None:
            records.append(await one.operations.submit(ALICE, request))

        async with trio.open_nursery() as nursery:
            for one in (first, second, first, second):
                nursery.start_soon(submit, one)
        assert {record.job_id for record in records} == {request.job_id}
        listed = await second.operations.jobs(ALICE, window=60.0, since_id=None, limit=10)
        assert [record.job_id for record in listed] == [request.job_id]


async def test_a_pending_job_is_dropped_wherever_its_client_was(
    database: StoreSettings,
) -> None:
    sections = {"janitor": Janitor(interval=0.2), "leases": Leases(client_factor=1.5)}
    async with open_coordinators(database, "a", "b", **sections) as (_, second):
        kept = await second.submit(monitor=True, heartbeat_interval=60.0)
        left = await second.submit(monitor=True, heartbeat_interval=1.0)
        record = await second.until(left, "canceled")
        assert record.reason == CLIENT_GONE
        assert (await second.operations.job(ADMIN, kept)).status == "pending"
