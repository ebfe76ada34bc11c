"""What coordinators counted."""

from __future__ import annotations

from dffmpeg.model.samples import MINUTE, QUARTER, Figures, Sample
from dffmpeg.store import Store


def sample(at: int, who: str = "a", step: int = MINUTE, **figures: float) -> Sample:
    return Sample(step, at, who, Figures(**figures))  # type: ignore[arg-type]


async def test_what_is_added_comes_to_what_is_there(store: Store) -> None:
    first = sample(60, submitted=2, waits=1, waited=0.25, waited_max=0.25, bytes=1 << 50)
    await store.samples.add([first, sample(60, "b", submitted=1), sample(120)])
    assert await store.samples.list(MINUTE, 0) == [first, sample(60, "b", submitted=1), sample(120)]
    await store.samples.add([sample(60, submitted=3, waits=1, waited=0.5, waited_max=0.5)])
    (found, *_) = await store.samples.list(MINUTE, 0)
    assert found.figures == Figures(submitted=5, waits=2, waited=0.75, waited_max=0.5, bytes=1 << 50)


async def test_what_is_put_replaces_it(store: Store) -> None:
    await store.samples.put([sample(0, step=QUARTER, failed=1)])
    await store.samples.put([sample(0, step=QUARTER, failed=3), sample(900, step=QUARTER)])
    assert [one.figures.failed for one in await store.samples.list(QUARTER, 0)] == [3, 0]
    assert await store.samples.list(MINUTE, 0) == []


async def test_a_list_begins_where_it_is_told_to(store: Store) -> None:
    await store.samples.add([sample(at) for at in (180, 60, 120)])
    assert [one.at for one in await store.samples.list(MINUTE, 120)] == [120, 180]


async def test_old_ones_are_forgotten_a_few_at_a_time(store: Store) -> None:
    await store.samples.add([sample(at) for at in (0, 60, 120, 180)] + [sample(0, step=QUARTER)])
    assert await store.samples.forget(MINUTE, 180, 2) == 2
    assert [one.at for one in await store.samples.list(MINUTE, 0)] == [120, 180]
    assert await store.samples.forget(MINUTE, 180, 2) == 1
    assert await store.samples.forget(MINUTE, 180, 2) == 0
    assert len(await store.samples.list(QUARTER, 0)) == 1
