"""Assignments that ask for room on their worker."""

import trio

from dffmpeg.model import transitions
from dffmpeg.model.jobs import Room
from dffmpeg.model.workers import Hold, WorkerState
from dffmpeg.store import Store
from tests.conformance.rows import job, load, worker


async def with_room(store: Store, name: str, worker_id: str, *, at_most: int = 99, **resources: int) -> bool:
    found = await store.jobs.get(name)
    if found is None:
        found = job(name)
        await store.jobs.add(found)
    room = Room(at_most)
    return await store.jobs.apply(transitions.assign(found, worker_id, 200.0, resources=resources, room=room))


async def test_a_worker_that_takes_nothing_is_given_nothing(store: Store) -> None:
    await store.workers.register(worker("w", WorkerState.ONLINE))
    assert await with_room(store, "J1", "w")
    assert not await with_room(store, "J2", "nobody")
    for hold in Hold:
        await store.workers.set_hold("w", hold, reason="why", until=None, strikes=0)
        assert not await with_room(store, "J3", "w")
    await store.workers.set_hold("w", None, reason=None, until=None, strikes=0)
    for state in WorkerState:
        await store.workers.set_state("w", set(WorkerState), state, 1.0)
        assert await with_room(store, f"J {state}", "w") == (state is WorkerState.ONLINE)
    assert (await load(store, "J2")).attempt == 0


async def test_resources_are_never_given_twice(store: Store) -> None:
    await store.workers.register(worker("w", WorkerState.ONLINE, slots=9, resources={"nvenc": 3, "qsv": 1}))
    assert await with_room(store, "a", "w", nvenc=2)
    assert not await with_room(store, "b", "w", nvenc=2)
    assert await with_room(store, "c", "w", nvenc=1, qsv=1)
    assert not await with_room(store, "d", "w", qsv=1)
    assert not await with_room(store, "d", "w", v4l2=1)
    assert await with_room(store, "d", "w")
    assert (await load(store, "a")).resources == {"nvenc": 2}
    # What has ended takes nothing any more.
    first = await load(store, "a")
    await store.jobs.apply(transitions.request_cancel(first, 210.0, "enough"))
    assert await with_room(store, "b", "w", nvenc=2)
    assert not await with_room(store, "e", "w", at_most=3)
    assert await with_room(store, "e", "w", at_most=4)


async def test_forty_race_for_three_slots(store: Store) -> None:
    await store.workers.register(worker("w", WorkerState.ONLINE, slots=3))
    won: list[str] = []

    async def try_it(name: str) -> None:
        if await with_room(store, name, "w"):
            won.append(name)

    async with trio.open_nursery() as nursery:
        for number in range(40):
            nursery.start_soon(try_it, f"J{number}")
    assert len(won) == 3
    assert {row.job_id for row in await store.jobs.live("w")} == set(won)
