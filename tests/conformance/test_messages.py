"""What every engine keeps of messages."""

import trio

from dffmpeg.store import Store
from tests.conformance.rows import message


async def test_messages_in_the_order_in_which_they_were_stored(store: Store) -> None:
    # Ids are made before they are stored: the order of ids is not the order of arrival.
    for name in ("m5", "m3", "m9"):
        await store.messages.add(message(name))
    await store.messages.add(message("other", "v"))

    async def after(last: str | None, limit: int = 10) -> list[str]:
        rows = await store.messages.after("w", job_id=None, last_message_id=last, limit=limit)
        return [row.message_id for row in rows]

    assert await after(None) == ["m5", "m3", "m9"]
    assert await after("m5") == ["m3", "m9"]
    assert await after("m9") == []
    assert await after(None, limit=1) == ["m5"]
    assert await after("was pruned") == ["m5", "m3", "m9"]


async def test_messages_about_one_job_and_pruning(store: Store) -> None:
    await store.messages.add(message("a", job_id="J", timestamp=50.0))
    await store.messages.add(message("b", job_id="K"))
    found = await store.messages.after("w", job_id="J", last_message_id=None, limit=9)
    assert found == [message("a", job_id="J", timestamp=50.0)]
    assert await store.messages.prune(75.0, 10) == 1
    assert not await store.messages.after("w", job_id="J", last_message_id=None, limit=9)


async def test_no_message_is_missed_by_a_reader_that_follows_the_writers(store: Store) -> None:
    total, seen, last = 200, set[str](), None

    async def write(lane: int) -> None:
        for number in range(total // 10):
            await store.messages.add(message(f"{lane}-{number}"))

    async with trio.open_nursery() as nursery:
        for lane in range(10):
            nursery.start_soon(write, lane)
        while len(seen) < total:
            rows = await store.messages.after("w", job_id=None, last_message_id=last, limit=7)
            assert not {row.message_id for row in rows} & seen
            seen |= {row.message_id for row in rows}
            last = rows[-1].message_id if rows else last
