"""What every engine keeps of workers."""

from dataclasses import replace

import pytest

from dffmpeg.model.abilities import Abilities
from dffmpeg.model.workers import Hold, WorkerFilter, WorkerKey, WorkerOrder, WorkerPlace, WorkerState
from dffmpeg.store import Store
from tests.conformance.rows import worker


async def test_a_hold_outlives_registrations(store: Store) -> None:
    await store.workers.register(worker("w"))
    assert await store.workers.set_hold("w", Hold.QUARANTINED, reason="three", until=900.0, strikes=3)
    await store.workers.register(worker("w", slots=7))
    found = await store.workers.get("w")
    assert found is not None
    assert (found.slots, found.hold, found.hold_reason, found.hold_until, found.strikes) == (
        7,
        Hold.QUARANTINED,
        "three",
        900.0,
        3,
    )


async def test_workers_register_again_and_again(store: Store) -> None:
    await store.workers.register(worker("w"))
    await store.workers.register(worker("w", slots=5))
    assert await store.workers.get("w") == worker("w", slots=5)
    assert await store.workers.get("v") is None
    await store.workers.register(worker("v", last_seen=50.0))
    assert [row.worker_id for row in await store.workers.list(None)] == ["v", "w"]
    assert [row.worker_id for row in await store.workers.list(75.0)] == ["w"]


async def test_abilities_stay_until_they_have_another_name(store: Store) -> None:
    able = {"ffmpeg": Abilities(encoders=("libx264",))}
    first = worker("w", abilities=able, abilities_digest="a")
    await store.workers.register(first)
    await store.workers.register(replace(first, slots=7))
    found = await store.workers.get("w")
    assert found is not None
    assert (found.slots, found.abilities, found.abilities_digest) == (7, able, "a")
    others = worker("w", abilities={}, abilities_digest="b")
    await store.workers.register(others)
    assert await store.workers.get("w") == others
    unnamed = worker("w", abilities=able, abilities_digest=None)
    await store.workers.register(unnamed)
    assert await store.workers.get("w") == unnamed


@pytest.mark.parametrize(("draining", "state"), [(False, WorkerState.ONLINE), (True, WorkerState.DRAINING)])
async def test_the_token_opens_once(store: Store, draining: bool, state: WorkerState) -> None:
    await store.workers.register(worker("w", draining=draining))
    assert not await store.workers.verify("w", "wrong", 110.0)
    assert await store.workers.verify("w", "token", 110.0)
    assert not await store.workers.verify("w", "token", 120.0)
    found = await store.workers.get("w")
    assert found is not None
    assert (found.state, found.registration_token, found.last_seen) == (state, None, 110.0)


async def test_a_worker_s_state_changes_only_from_where_it_may(store: Store) -> None:
    await store.workers.register(worker("w", WorkerState.ONLINE))
    assert not await store.workers.set_state("w", {WorkerState.DRAINING}, WorkerState.OFFLINE, 1.0)
    assert await store.workers.set_state("w", {WorkerState.ONLINE}, WorkerState.OFFLINE, 1.0)


async def test_only_a_worker_that_is_offline_is_deleted(store: Store) -> None:
    await store.workers.register(worker("w"))
    assert not await store.workers.delete("w")
    assert await store.workers.set_state("w", frozenset(WorkerState), WorkerState.OFFLINE, 120.0)
    assert await store.workers.delete("w")
    assert not await store.workers.delete("w")
    assert await store.workers.list(None) == []


async def test_a_page_has_the_first_that_are_wanted(store: Store) -> None:
    for name, labels in (("a", ("gpu",)), ("b", ()), ("B", ("gpu", "big")), ("c", ("gpu", "big"))):
        await store.workers.register(worker(name, WorkerState.ONLINE, labels=labels))
    assert await store.workers.set_hold("c", Hold.PAUSED, reason=None, until=None, strikes=0)

    async def page(after: str | None = None, most: int = 10, **wanted: list[str]) -> list[str]:
        place = None if after is None else WorkerPlace(after)
        found = await store.workers.page(WorkerFilter(**wanted), after=place, most=most)
        assert all(not one.abilities for one in found)
        return [one.worker_id for one in found]

    assert await page() == ["B", "a", "b", "c"]
    assert await page(most=2) == ["B", "a"]
    assert await page(after="a", most=1) == ["b"]
    assert await page(after="aa") == ["b", "c"]
    assert await page(after="c") == []
    assert await page(labels=["gpu", "big"]) == ["B", "c"]
    assert await page(labels=["GPU"]) == []
    assert await page(statuses=["paused"]) == ["c"]
    assert await page(statuses=["online"], labels=["gpu"], after="B") == ["a"]
    # What ended early has left nothing behind it that the next one would find.
    assert [one.worker_id for one in await store.workers.list(None)] == ["B", "a", "b", "c"]


@pytest.mark.parametrize(
    ("order", "whole"),
    [
        (WorkerOrder(), ["a", "b", "c", "d"]),
        (WorkerOrder(descending=True), ["d", "c", "b", "a"]),
        (WorkerOrder(WorkerKey.LAST_SEEN), ["c", "a", "d", "b"]),
        (WorkerOrder(WorkerKey.LAST_SEEN, descending=True), ["b", "d", "a", "c"]),
    ],
)
async def test_pages_in_every_order_join_on(store: Store, order: WorkerOrder, whole: list[str]) -> None:
    for name, seen in (("a", 1e9 + 1e-6), ("b", 2e9), ("c", 0.1), ("d", 1e9 + 1e-6)):
        await store.workers.register(worker(name, last_seen=seen, labels=() if name == "c" else ("gpu",)))
    for most in (1, 3, 4):
        found: list[str] = []
        place: WorkerPlace | None = None
        while len(found) < len(whole):
            part = await store.workers.page(WorkerFilter(), after=place, most=most, order=order)
            found += [one.worker_id for one in part]
            place = WorkerPlace(part[-1].worker_id, part[-1].last_seen)
        assert found == whole
        assert not await store.workers.page(WorkerFilter(), after=place, most=most, order=order)
    some = await store.workers.page(WorkerFilter(labels=["gpu"]), after=None, most=9, order=order)
    assert [one.worker_id for one in some] == [name for name in whole if name != "c"]
