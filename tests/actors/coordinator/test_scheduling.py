"""The scheduler in the coordinator's real tree: order, limits, the queue's switch, and what it goes by."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
import trio
import trio.testing

from benchmarks.simulation import hash_of
from dffmpeg.actors.coordinator.operations import Forbidden, NotFound, TooMany
from dffmpeg.configuration.scheduling import JobLimit
from dffmpeg.model.jobs import JobState
from dffmpeg.model.needs import Needs
from dffmpeg.model.workers import Hold
from dffmpeg.store import Store
from dffmpeg.wire.jobs import AttemptReport
from tests.actors.coordinator.scheduling import FOREVER, Clock, config, settled, waits_for
from tests.actors.coordinator.tree import (
    ADMIN,
    ALICE,
    BOB,
    PATIENCE,
    Coordinator,
    FakeWorker,
    open_coordinator,
)
from tests.conformance.rows import job as row

# The queue's switch


async def test_a_paused_queue_takes_jobs_and_gives_none(coordinator: Coordinator, worker: FakeWorker) -> None:
    operations = coordinator.operations
    assert not (await operations.queue_state(ADMIN)).paused
    state = await operations.pause_queue(ADMIN, "new storage")
    assert (state.paused, state.reason, state.changed_by) == (True, "new storage", "root")
    job_id = await coordinator.submit()
    with trio.fail_after(PATIENCE):
        while await waits_for(coordinator, job_id) != ["the queue is paused"]:
            await trio.lowlevel.checkpoint()
    assert (await operations.job(ALICE, job_id)).status == "pending"
    assert not (await operations.resume_queue(ADMIN)).paused
    assert (await worker.take()).job_id == job_id


async def test_the_switch_outlives_the_coordinator(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path) as coordinator:
        await coordinator.operations.pause_queue(ADMIN)
    async with open_coordinator(tmp_path) as coordinator:
        assert (await coordinator.operations.queue_state(ADMIN)).paused
        worker = FakeWorker(coordinator, "w1")
        async with worker.online():
            job_id = await coordinator.submit()
            assert await waits_for(coordinator, job_id) == ["the queue is paused"]
            await coordinator.operations.resume_queue(ADMIN)
            await worker.take()


async def test_only_administrators_hold_and_pause(coordinator: Coordinator, worker: FakeWorker) -> None:
    operations = coordinator.operations
    job_id = await coordinator.submit()
    for who in (ALICE, worker.who):
        for ask in (
            operations.pause_queue(who),
            operations.resume_queue(who),
            operations.hold_worker(who, "w1", Hold.PAUSED),
            operations.release_worker(who, "w1"),
        ):
            with pytest.raises(Forbidden):
                await ask
    with pytest.raises(Forbidden):
        await operations.queue_state(worker.who)
    assert (await operations.why(ALICE, job_id)).job_id == job_id
    for who in (BOB, worker.who):
        with pytest.raises(Forbidden):
            await operations.why(who, job_id)
    with pytest.raises(NotFound):
        await operations.why(ADMIN, "nothing")
    with pytest.raises(NotFound):
        await operations.hold_worker(ADMIN, "nobody", Hold.PAUSED)


# Order and limits


async def test_priority_and_turns(coordinator: Coordinator) -> None:
    store = coordinator.services.store
    now = time.time()
    for number, (who, priority) in enumerate([("alice", 0), ("alice", 0), ("bob", 0), ("carol", 50)]):
        created = now - 10 + number
        await store.jobs.add(row(f"J{number}", created, requester_id=who, priority=priority, paths=()))
    worker = FakeWorker(coordinator, "w1")
    order = []
    async with worker.online(slots=1):
        for _ in range(4):
            request = await worker.take()
            order.append(request.job_id)
            await worker.finish(request)
    assert order == ["J3", "J0", "J2", "J1"]


async def test_resources_are_slots_too(coordinator: Coordinator) -> None:
    store = coordinator.services.store
    for number in range(3):
        await store.jobs.add(row(f"J{number}", 1.0 + number, needs=Needs(resources={"nvenc": 1}), paths=()))
    worker = FakeWorker(coordinator, "w1")
    async with worker.online(slots=9, resources={"nvenc": 2}):
        first, second = await worker.take(), await worker.take()
        assert (first.resources, second.resources) == ({"nvenc": 1}, {"nvenc": 1})
        (verdict,) = (await coordinator.operations.why(ADMIN, "J2")).workers
        assert (verdict.takes, verdict.reasons) == (False, ["2 of its 2 nvenc are taken"])
        await worker.finish(first)
        assert (await worker.take()).job_id == "J2"
        assert (await coordinator.operations.job(ADMIN, "J2")).resources == {"nvenc": 1}


async def test_so_many_run_and_so_many_wait(tmp_path: Path) -> None:
    limits = config(requester=JobLimit(running=1, queued=2), requesters={"bob": JobLimit()})
    async with open_coordinator(tmp_path, limits) as coordinator:
        worker = FakeWorker(coordinator, "w1")
        async with worker.online(slots=9):
            ulid = "01K00000000000000000000000"
            first = await coordinator.submit(job_id=ulid)
            request = await worker.take()
            waiting = [await coordinator.submit() for _ in range(2)]
            with pytest.raises(TooMany, match="alice has 2 jobs in the queue, as many as it may have"):
                await coordinator.submit()
            # A submission that was taken is not refused when it is repeated.
            assert await coordinator.submit(job_id=ulid) == first
            assert await waits_for(coordinator, waiting[0]) == ["alice runs 1 of at most 1 jobs"]
            others = {await coordinator.submit(BOB) for _ in range(5)}
            assert {(await worker.take()).job_id for _ in range(5)} == others
            await worker.finish(request)
            assert (await worker.take()).job_id == waiting[0]
            await coordinator.submit()


async def test_jobs_that_come_at_once_are_counted_too(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path, config(requester=JobLimit(queued=5))) as coordinator:
        taken, refused = [], []

        async def submit() -> None:
            try:
                taken.append(await coordinator.submit())
            except TooMany:
                refused.append(1)

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(submit)
        assert (len(taken), len(refused)) == (5, 15)
        await coordinator.operations.cancel(ALICE, taken[0])
        await coordinator.submit()


async def test_a_job_starts_at_its_time(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    clock = Clock()
    async with open_coordinator(tmp_path, FOREVER, clock) as coordinator:
        worker = FakeWorker(coordinator, "w1")
        async with worker.online():
            await coordinator.services.store.jobs.add(row("J", clock(), not_before=clock() + 500.0, paths=()))
            coordinator.services.wake_scheduler()
            await settled(coordinator)
            assert "it is not to be tried for another 8m20s" in await waits_for(coordinator, "J")
            await settled(coordinator)
            mock_clock.jump(500.1)
            assert (await worker.take()).job_id == "J"


# What the scheduler goes by


async def test_a_scheduler_that_crashed_reads_everything_anew(
    coordinator: Coordinator, worker: FakeWorker
) -> None:
    running = await coordinator.submit()
    await worker.take()
    waiting = [await coordinator.submit() for _ in range(3)]
    await worker.take()
    before = coordinator.services.backlog.board
    await coordinator.services.backlog.load(coordinator.services.store)
    board = coordinator.services.backlog.board
    assert board is not before
    assert {name: entry.state for name, entry in board.entries.items()} == {
        running: JobState.RUNNING,
        waiting[0]: JobState.RUNNING,
        waiting[1]: JobState.PENDING,
        waiting[2]: JobState.PENDING,
    }
    assert (board.pool.free, board.ledger.running["alice"]) == (0, 2)
    assert board.usage.score("alice", time.time()) > 0


async def test_what_nobody_told_is_found_out(coordinator: Coordinator, worker: FakeWorker) -> None:
    backlog, store = coordinator.services.backlog, coordinator.services.store
    for _ in range(2):
        await coordinator.submit()
        await worker.take()
    waiting = await coordinator.submit()
    await settled(coordinator)
    assert await backlog.agrees(store)
    # Another process cancels it, and nobody is told.
    backlog.board.forget(waiting, time.time())
    assert not await backlog.agrees(store)
    await backlog.load(store)
    assert await backlog.agrees(store)
    assert waiting in backlog.board.entries


async def test_what_the_store_refuses_is_looked_at_again(
    coordinator: Coordinator, worker: FakeWorker
) -> None:
    backlog, store = coordinator.services.backlog, coordinator.services.store
    await coordinator.submit()
    await worker.take()
    await settled(coordinator)
    # The scheduler believes that there are three slots; the row says two.
    known = backlog.board.pool.nodes["w1"].worker
    assert known.slots == 2
    backlog.board.set_worker(replace(known, slots=9), time.time())
    jobs = [await coordinator.submit() for _ in range(3)]
    assert (await worker.take()).job_id == jobs[0]
    with trio.fail_after(PATIENCE):
        while backlog.board.pool.nodes["w1"].worker.slots != 2:
            await trio.lowlevel.checkpoint()
    live = await store.jobs.live("w1")
    assert len(live) == 2
    assert backlog.board.pool.free == 0


async def test_the_store_never_has_more_on_a_worker_than_it_takes(tmp_path: Path) -> None:
    """A small simulation through the whole coordinator: every commit is looked at from the side."""
    limits = config(requesters={"u0": JobLimit(running=2)})
    async with open_coordinator(tmp_path, limits) as coordinator:
        store = coordinator.services.store
        workers = [FakeWorker(coordinator, f"w{n}") for n in range(4)]
        finished: list[str] = []
        total = 120
        for number in range(total):
            asks = {"nvenc": 1} if number % 4 == 0 else {}
            needs, who = Needs(resources=asks), f"u{number % 5}"
            created = time.time() + number * 1e-6
            await store.jobs.add(row(f"J{number}", created, requester_id=who, needs=needs, paths=()))
        coordinator.services.wake_scheduler()
        worst = {"slots": 0, "nvenc": 0, "u0": 0}

        async def work(worker: FakeWorker, everything: trio.CancelScope) -> None:
            async with worker.online(slots=3, resources={"nvenc": 1}):
                while True:
                    request = await worker.take()
                    await look(store, worst)
                    if hash_of(request.job_id) % 7 == 3 and request.attempt == 1:
                        report = AttemptReport(attempt=1, reason="lost")
                        await coordinator.operations.reject(worker.who, request.job_id, report)
                        continue
                    await worker.finish(request)
                    finished.append(request.job_id)
                    if len(finished) == total:
                        everything.cancel()

        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                for worker in workers:
                    nursery.start_soon(work, worker, nursery.cancel_scope)
        assert sorted(finished) == sorted(f"J{n}" for n in range(total))
        assert worst["slots"] <= 3
        assert worst["nvenc"] <= 1
        assert worst["u0"] <= 2


async def look(store: Store, worst: dict[str, int]) -> None:
    live = await store.jobs.live()
    for worker_id in {one.worker_id for one in live}:
        here = [one for one in live if one.worker_id == worker_id]
        worst["slots"] = max(worst["slots"], len(here))
        worst["nvenc"] = max(worst["nvenc"], sum(one.resources.get("nvenc", 0) for one in here))
    worst["u0"] = max(worst["u0"], sum(one.requester_id == "u0" for one in live))
