"""Coordinators on one database: who is one of them, what others hear, and who is fenced."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa
import trio

from dffmpeg.model import transitions
from dffmpeg.model.jobs import Room
from dffmpeg.model.membership import Member, MemberState
from dffmpeg.model.scheduling.pause import Pause
from dffmpeg.model.workers import WorkerState
from dffmpeg.store import Fenced, Store, StoreSettings, open_store
from dffmpeg.store.jobs.sqlalchemy import SqlAlchemyJobRepository
from dffmpeg.store.journal import JobChanged, MemberChanged, MessageStored, WorkerChanged
from dffmpeg.store.workers import Move
from tests.conformance.rows import assigned, job, load, message, worker

A, B = "01AAAAAAAAAAAAAAAAAAAAAAAA", "01BBBBBBBBBBBBBBBBBBBBBBBB"


def member(name: str, started_at: float = 5.0) -> Member:
    return Member(name, f"http://{name}:8000", MemberState.ACTIVE, version="1", started_at=started_at)


@pytest.fixture
async def other(store: Store, store_settings: StoreSettings) -> AsyncIterator[Store]:
    """The same database, as another process has it; both are members."""
    await store.members.join(member(A))
    async with open_store(store_settings) as opened:
        await opened.members.join(member(B))
        yield opened


async def row(store: Store, name: str) -> Member:
    return next(one for one in await store.members.list() if one.coordinator_id == name)


async def test_members_know_each_other(store: Store, other: Store) -> None:
    for one in (store, other):
        found = await one.members.list()
        assert [(m.coordinator_id, m.address, m.state, m.version) for m in found] == [
            (A, f"http://{A}:8000", "active", "1"),
            (B, f"http://{B}:8000", "active", "1"),
        ]


async def test_whatever_is_written_is_a_sign_of_life(store: Store, other: Store) -> None:
    before = (await row(other, A)).renewals
    await store.members.renew()
    between = (await row(other, A)).renewals
    assert between > before
    await store.settings.set_pause(Pause())
    assert (await row(other, A)).renewals > between


async def test_only_who_is_silent_is_buried_and_can_write_nothing_then(
    store: Store, store_settings: StoreSettings
) -> None:
    await store.members.join(member(A))
    # It ends the writer, and all that stands on it.
    with pytest.RaisesGroup(Fenced):
        async with open_store(store_settings) as other:
            await other.members.join(member(B))
            silent = await row(store, B)
            await other.members.renew()
            assert not await store.members.bury(silent)
            assert await store.members.bury(await row(store, B))
            assert [one.coordinator_id for one in await store.members.list()] == [A]
            with pytest.raises(Fenced):
                await other.jobs.add(job("J"))
            await trio.sleep_forever()
    assert await store.jobs.get("J") is None
    assert not await store.members.drain(B)


async def test_who_left_can_write_nothing_then(store: Store, store_settings: StoreSettings) -> None:
    await store.members.join(member(A))
    with pytest.RaisesGroup(Fenced):
        async with open_store(store_settings) as other:
            await other.members.join(member(B))
            await other.members.leave(B)
            with pytest.raises(Fenced):
                await other.members.renew()
            await trio.sleep_forever()
    assert [one.coordinator_id for one in await store.members.list()] == [A]


async def test_who_drains_is_still_there(store: Store, other: Store) -> None:
    assert await store.members.drain(A)
    assert not await store.members.drain(A)
    assert (await row(other, A)).state == MemberState.DRAINING
    await store.members.renew()


async def test_others_are_told_what_was_written_and_nobody_what_he_wrote_himself(
    store: Store, other: Store
) -> None:
    before = await other.members.last()
    await store.jobs.add(job("J"))
    await store.workers.register(worker("w1", WorkerState.ONLINE))
    await store.settings.set_pause(Pause())
    await store.messages.add(message("m1", "alice"))
    await store.members.drain(A)
    told = await other.members.told(B, before, {}, 100)
    assert [one.change for one in told] == [
        JobChanged("J"),
        WorkerChanged("w1"),
        None,
        MessageStored("alice"),
        MemberChanged(A),
    ]
    assert {one.coordinator_id for one in told} == {A}
    assert await store.members.told(A, before, {}, 100) == []


async def test_what_was_seen_of_one_is_not_told_again(store: Store, other: Store) -> None:
    before = await other.members.last()
    for name in ("one", "two", "three"):
        await store.jobs.add(job(name))
    first, second, third = await other.members.told(B, before, {}, 100)
    assert await other.members.told(B, before, {A: first.seq}, 100) == [second, third]
    assert await other.members.told(B, before, {B: third.seq}, 2) == [first, second]
    assert await other.members.told(B, second.seq, {}, 100) == [third]


async def test_a_transaction_that_was_rolled_back_tells_nothing(store: Store, other: Store) -> None:
    before = await other.members.last()
    await store.jobs.add(job("J"))
    nobody_s = transitions.assign(await load(store, "J"), "nobody", 110.0, room=Room(1))
    assert not await store.jobs.apply(nobody_s)
    assert len(await other.members.told(B, before, {}, 100)) == 1


async def test_an_ear_hears_what_others_write(store: Store, other: Store) -> None:
    async with other.members.listening(B) as ear:
        before = await other.members.last()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.jobs.add, job("J"))
            with trio.fail_after(60):
                while not await other.members.told(B, before, {}, 100):
                    await ear(60.0)


async def test_what_was_told_long_ago_is_forgotten(store: Store, other: Store) -> None:
    before = await other.members.last()
    await store.jobs.add(job("J"))
    assert await other.members.prune(0.0, 10) == 0
    assert await other.members.prune(4e9, 10) > 0
    assert await other.members.told(B, before, {}, 100) == []


async def test_who_has_long_been_gone_is_forgotten(store: Store, other: Store) -> None:
    assert await other.members.forget(4e9) == 0
    await store.members.leave(A)
    assert await other.members.forget(0.0) == 0
    assert await other.members.forget(4e9) == 1


async def test_a_home_is_claimed_once(store: Store, other: Store) -> None:
    await store.workers.register(worker("w1", WorkerState.ONLINE))
    await store.workers.register(worker("w2", WorkerState.OFFLINE, home=A))
    assert await store.workers.homes() == {"w1": None, "w2": A}
    assert await store.workers.homes(["w2", "w3"]) == {"w2": A}
    assert await store.workers.move({"w1": Move(None, A)}) == ["w1"]
    assert await other.workers.move({"w1": Move(None, B), "w2": Move(A, B)}) == ["w2"]
    assert await other.workers.homes() == {"w1": A, "w2": B}
    # A registration does not change it.
    await other.workers.register(worker("w1", WorkerState.ONLINE, home=B))
    assert await store.workers.homes(["w1"]) == {"w1": A}


async def test_who_is_offline_is_looked_after_as_long_as_it_has_jobs(store: Store) -> None:
    for name in ("w1", "w2"):
        await store.workers.register(worker(name, WorkerState.ONLINE, home=A))
    await store.jobs.add(job("pending"))
    assert await store.jobs.worker_of("pending") is None
    await assigned(store, "J", "w1")
    assert await store.jobs.worker_of("J") == "w1"
    for name in ("w1", "w2"):
        await store.workers.set_state(name, set(WorkerState), WorkerState.OFFLINE, 9.0)
    assert await store.workers.looked_after() == {"w1": A}


async def test_who_was_stopped_in_the_middle_of_a_transaction_keeps_nobody_waiting(
    engine: str, store: Store, store_settings: StoreSettings
) -> None:
    if engine == "sqlite":
        pytest.skip("nobody shares it")
    await store.members.join(member(A))
    goes_on = threading.Event()
    with pytest.RaisesGroup(Fenced, flatten_subgroups=True):
        async with open_store(store_settings) as other:
            await other.members.join(member(B))
            jobs = other.jobs
            assert isinstance(jobs, SqlAlchemyJobRepository)

            def operation(connection: sa.Connection) -> None:
                # As if the process had got SIGSTOP.
                goes_on.wait(60)
                connection.execute(sa.select(1))

            async def write() -> None:
                with pytest.raises(Fenced):
                    await jobs.database.write(operation)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(write)
                with trio.fail_after(60):
                    stopped = await row(store, B)
                    while not await store.members.bury(stopped):
                        stopped = await row(store, B)
                goes_on.set()
            await trio.sleep_forever()
    assert [one.coordinator_id for one in await store.members.list()] == [A]
