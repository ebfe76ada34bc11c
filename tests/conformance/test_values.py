"""What comes back is what was stored: no engine changes, cuts or confuses a value."""

from contextlib import nullcontext
from dataclasses import replace

import pytest

from dffmpeg.model import transitions
from dffmpeg.model.streams import Retention
from dffmpeg.store import Store, StoreError, StreamPiece, Unstorable
from tests.conformance.rows import assigned, identity, job, load, worker

TEXTS = ("", " ", "a ", "\t\r\n", "\N{SNOWMAN}\N{FACE WITH TEARS OF JOY}", "'\"\\`%s%%:x", "é", "x" * 200_000)


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
async def test_texts(store: Store, text: str) -> None:
    stored = replace(job("J"), name=text, reason=text)
    await store.jobs.add(stored)
    assert await load(store, "J") == stored


async def test_ids_that_look_alike(store: Store) -> None:
    ids = ["a", "A", "a ", "ä", "a\u0308", "á", "B", "b"]
    for name in ids:
        await store.jobs.add(job(name))
        await store.identities.add(identity(name))
    for name in ids:
        assert (await load(store, name)).job_id == name
    assert [row.client_id for row in await store.identities.list()] == sorted(ids)
    assert await store.jobs.get("a  ") is None


async def test_bytes(store: Store) -> None:
    everything = bytes(range(256)) * 1024
    stored = job("J", arguments=(everything, b""), working_directory=everything, launch=everything)
    await store.jobs.add(stored)
    assert await load(store, "J") == stored
    keep = Retention(1 << 30, 1 << 30)
    await store.streams.append(StreamPiece("J", 1, 1, 0, everything, keep))
    assert (await store.streams.read("J", 1, 1, 0, 1 << 20)).data == everything


async def test_numbers(store: Store) -> None:
    moment = 1_700_000_000.123_456
    limits = {"exit_code": -(1 << 63), "priority": -(1 << 31)}
    stored = job("J", created=moment, size=1e300, not_before=5e-324, **limits)
    await store.jobs.add(stored)
    assert await load(store, "J") == stored
    await store.workers.register(worker("w", weight=0.1 + 0.2, slots=(1 << 31) - 1))
    found = await store.workers.get("w")
    assert found is not None
    assert (found.weight, found.slots) == (0.1 + 0.2, (1 << 31) - 1)


async def test_what_a_program_said_never_keeps_its_job_from_ending(store: Store) -> None:
    row = await assigned(store)
    assert await store.jobs.apply(transitions.request_cancel(row, 120.0, "a\0b"))
    # PostgreSQL has no such character in a text.
    assert (await load(store, "J")).reason in ("a\0b", "a\N{REPLACEMENT CHARACTER}b")


async def test_an_id_is_stored_as_it_is_or_not_at_all(store: Store) -> None:
    for name in ("x" * 129, "a\0b"):
        try:
            await store.jobs.add(job(name))
        except StoreError:
            assert not await store.jobs.queue(9)
        else:
            assert (await load(store, name)).job_id == name
            assert await store.jobs.apply(transitions.request_cancel(await load(store, name), 1.0, "why"))


async def test_many_pieces_of_a_stream(store: Store) -> None:
    keep = Retention(1 << 30, 1 << 30)
    whole = bytes(range(250)) * 4
    for offset in range(0, len(whole), 5):
        await store.streams.append(StreamPiece("J", 1, 1, offset, whole[offset : offset + 5], keep))
    for offset, limit in ((0, 10_000), (3, 900), (999, 10), (0, 81)):
        assert (await store.streams.read("J", 1, 1, offset, limit)).data == whole[offset : offset + limit]


async def test_more_ids_than_an_engine_takes_at_once(store: Store) -> None:
    first = job("first")
    await store.jobs.add(first)
    names = [f"after{number:04}" for number in range(1_200)]
    for name in names[:3]:
        await store.jobs.add(replace(job(name), predecessors=("first",)))
    assert len(await store.jobs.entries([*names, "first"])) == 4


async def test_what_an_engine_does_not_take_is_said_in_our_words(store: Store, engine: str) -> None:
    expected = pytest.raises(Unstorable) if engine == "postgresql" else nullcontext(None)
    with expected as caught:
        assert await store.jobs.get("a\0b") is None
    assert caught is None or str(caught.value) == "a value cannot be stored: it holds a NUL character"
