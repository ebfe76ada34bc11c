"""The change feed on a real database: who hears what, where it goes on, and that it is bounded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import trio

from dffmpeg.actors.coordinator import subscriptions
from dffmpeg.actors.coordinator.events import Event, EventLog
from dffmpeg.actors.coordinator.refusals import TooMany
from dffmpeg.actors.coordinator.subscriptions import Broadcasts, Subscription
from dffmpeg.model.identities import Identity
from dffmpeg.model.workers import Hold
from dffmpeg.store.journal import JobChanged
from dffmpeg.wire.events import EventKind, JobEvent, Missed, WorkerEvent
from dffmpeg.wire.scheduling import QueueState
from tests.actors.coordinator.tree import (
    ADMIN,
    ALICE,
    BOB,
    PATIENCE,
    Coordinator,
    FakeWorker,
    open_coordinator,
)


def subscribe(
    coordinator: Coordinator,
    who: Identity,
    after: str | None = None,
    kinds: Sequence[EventKind] | None = None,
) -> Subscription:
    stream = coordinator.operations.subscribe(who, after=after, kinds=kinds, interval=0.0)
    # It is never left: the coordinator does not outlive the test.
    return stream.__enter__()


def alone(coordinator: Coordinator, log: EventLog, number: int) -> list[Subscription]:
    """Administrators who follow a log of their own."""
    broadcasts, store = Broadcasts(log), coordinator.services.store
    streams = [Subscription(broadcasts, log, store, ADMIN, after=None, interval=0.0) for _ in range(number)]
    return [stream.__enter__() for stream in streams]


def told(event: Event) -> tuple[str, ...]:
    match event.data:
        case JobEvent(job_id=subject, status=status) | WorkerEvent(worker_id=subject, status=status):
            return event.kind, subject, status
        case _:
            return (event.kind,)


async def until(stream: Subscription, last: tuple[str, ...]) -> list[Event]:
    """Events up to the one that is waited for."""
    found: list[Event] = []
    with trio.fail_after(PATIENCE):
        while not found or last not in map(told, found):
            found += await stream.news(PATIENCE)
    return found


async def test_each_role_hears_what_it_may_see(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path) as coordinator:
        worker, other = FakeWorker(coordinator, "w1"), FakeWorker(coordinator, "w2")
        streams = {
            who.client_id: subscribe(coordinator, who) for who in (ADMIN, ALICE, BOB, worker.who, other.who)
        }
        async with worker.online():
            job_id = await coordinator.submit(ALICE)
            request = await worker.take()
            await worker.finish(request)
            await coordinator.operations.pause_queue(ADMIN, "why")
            await coordinator.operations.hold_worker(ADMIN, "w1", Hold.PAUSED, reason="disks")
        ended, held = ("job", job_id, "completed"), ("worker", "w1", "paused")
        heard = {name: {told(one) for one in await until(streams[name], held)} for name in ("root", "alice")}
        assert ended in heard["root"]
        assert ended in heard["alice"]
        assert ("queue",) in heard["root"]
        assert ("queue",) not in heard["alice"]
        bob = {told(one) for one in await until(streams["bob"], held)}
        assert not any(kind == "job" for kind, *_ in bob)
        mine = {told(one) for one in await until(streams["w1"], held)}
        assert ended in mine
        assert ("queue",) not in mine
        await other.register()
        theirs = {told(one) for one in await until(streams["w2"], ("worker", "w2", "registering"))}
        assert theirs == {("here",), ("worker", "w2", "registering")}


async def test_it_goes_on_behind_the_last_event(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path) as coordinator:
        stream = subscribe(coordinator, ALICE, kinds=["job"])
        (here,) = await stream.news(0.0)
        assert here.kind == "here"
        first = await coordinator.submit(ALICE)
        second = await coordinator.submit(ALICE)
        seen = await until(stream, ("job", second, "pending"))
        assert [told(one) for one in seen] == [("job", first, "pending"), ("job", second, "pending")]
        again = subscribe(coordinator, ALICE, after=seen[0].id, kinds=["job"])
        assert [one.id for one in await again.news(PATIENCE)] == [seen[1].id]
        from_the_start = subscribe(coordinator, ALICE, after=here.id, kinds=["job"])
        assert [one.id for one in await from_the_start.news(PATIENCE)] == [one.id for one in seen]
        assert not await from_the_start.news(0.0)


@pytest.mark.parametrize("after", ["", "x", "x-1", "01K9ZQ0F7M4N2X8T6V5B3C1D0E-1", "{epoch}-99", "{epoch}-x"])
async def test_what_is_not_known_is_said_to_be_missed(after: str, tmp_path: Path) -> None:
    async with open_coordinator(tmp_path) as coordinator:
        epoch = coordinator.services.events.here().id.partition("-")[0]
        stream = subscribe(coordinator, ADMIN, after=after.replace("{epoch}", epoch))
        (missed,) = await stream.news(0.0)
        assert isinstance(missed.data, Missed)
        # From there on it goes as it should.
        job_id = await coordinator.submit()
        assert ("job", job_id, "pending") in map(told, await until(stream, ("job", job_id, "pending")))
        assert (await subscribe(coordinator, ADMIN, after=missed.id).news(PATIENCE))[0].kind != "missed"


async def test_who_is_too_slow_is_told_and_nothing_is_kept_for_it(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path) as coordinator:
        job_id = await coordinator.submit()
        log = EventLog(capacity=10)
        slow, fast = alone(coordinator, log, 2)
        assert [one.kind for one in (*await slow.news(0.0), *await fast.news(0.0))] == ["here", "here"]
        for _ in range(20):
            log.take([JobChanged(job_id)])
            (event,) = await fast.news(PATIENCE)
            assert told(event) == ("job", job_id, "pending")
        (missed,) = await slow.news(PATIENCE)
        assert missed.kind == "missed"
        log.take([JobChanged(job_id), JobChanged("NONE")])
        assert [told(one) for one in await slow.news(PATIENCE)] == [
            ("job", job_id, "pending"),
            ("job", "NONE", "removed"),
        ]


async def test_changes_in_a_row_are_read_once_and_told_once(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path) as coordinator:
        job_id = await coordinator.submit()
        log = EventLog()
        streams = alone(coordinator, log, 3)
        for stream in streams:
            await stream.news(0.0)
        log.take([JobChanged(job_id)] * 5)
        answers = [await stream.news(PATIENCE) for stream in streams]
        assert [len(one) for one in answers] == [1, 1, 1]
        assert answers[0][0] is answers[1][0] is answers[2][0]


async def test_registration_without_news_is_none(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path) as coordinator:
        worker = FakeWorker(coordinator, "w1")
        async with worker.online():
            stream = subscribe(coordinator, ADMIN, kinds=["worker"])
            await stream.news(0.0)
            await worker.register()
            await worker.register()
            await worker.register(slots=7)
            (event,) = await stream.news(PATIENCE)
            assert isinstance(event.data, WorkerEvent)
            assert (event.data.status, event.data.slots) == ("online", 7)


async def test_what_the_database_lost_sight_of_is_missed(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path) as coordinator:
        stream = subscribe(coordinator, ALICE)
        await stream.news(0.0)
        coordinator.services.store.jobs.journal.miss()
        (event,) = await stream.news(PATIENCE)
        assert event.kind == "missed"


async def test_there_are_only_so_many_subscribers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriptions, "SUBSCRIBERS", 1)
    async with open_coordinator(tmp_path) as coordinator:
        operations = coordinator.operations
        with (
            operations.subscribe(ALICE, after=None, kinds=None, interval=0.0),
            pytest.raises(TooMany),
        ):
            operations.subscribe(BOB, after=None, kinds=None, interval=0.0)
        with operations.subscribe(BOB, after=None, kinds=None, interval=0.0):
            assert coordinator.services.events.subscribers == 1


async def test_the_queue_s_switch_says_how_it_is(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path) as coordinator:
        stream = subscribe(coordinator, ADMIN, kinds=["queue"])
        await stream.news(0.0)
        await coordinator.operations.pause_queue(ADMIN, "why")
        (event,) = await stream.news(PATIENCE)
        assert isinstance(event.data, QueueState)
        assert (event.data.paused, event.data.reason) == (True, "why")
