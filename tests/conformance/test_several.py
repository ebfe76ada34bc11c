"""Several coordinators on one server: each change is made once, and nobody counts what is on its way."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import trio

from dffmpeg.model import transitions
from dffmpeg.model.janitor import JanitorRun
from dffmpeg.model.jobs import Room, Transition
from dffmpeg.model.scheduling.pause import Pause
from dffmpeg.model.streams import Retention
from dffmpeg.model.workers import WorkerState
from dffmpeg.store import Duplicate, Store, StoreSettings, StreamPiece, open_store
from dffmpeg.store.jobs.sqlalchemy import SqlAlchemyJobRepository
from tests import databases
from tests.conformance.rows import S, assigned, identity, job, load, message, worker

KEEP = Retention(1 << 30, 1 << 30)


@pytest.fixture(params=databases.SERVERS)
def engine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
async def stores(store_settings: StoreSettings) -> AsyncIterator[tuple[Store, Store]]:
    """Two processes' stores, as good as."""
    async with open_store(store_settings) as one, open_store(store_settings) as other:
        yield one, other


async def together(*operations: Callable[[], Awaitable[object]]) -> None:
    async with trio.open_nursery() as nursery:
        for operation in operations:
            nursery.start_soon(operation)


async def test_one_of_all_wins(stores: tuple[Store, Store]) -> None:
    won: list[str] = []
    for round_ in range(10):
        name = f"J{round_}"
        await stores[0].jobs.add(job(name))
        pending = await load(stores[1], name)

        async def try_it(store: Store, holder: str, pending: object = pending) -> None:
            if await store.jobs.apply(transitions.assign(pending, holder, 110.0)):  # type: ignore[arg-type]
                won.append(holder)

        async with trio.open_nursery() as nursery:
            for number in range(16):
                nursery.start_soon(try_it, stores[number % 2], f"{name} w{number}")
        assert len(won) == round_ + 1
        assert (await load(stores[0], name)).worker_id == won[-1]
        assert [a.worker_id for a in await stores[1].jobs.attempts(name)] == [won[-1]]


async def test_no_slot_is_given_twice(stores: tuple[Store, Store]) -> None:
    await stores[0].workers.register(worker("w", WorkerState.ONLINE, slots=3))
    await stores[0].workers.register(worker("v", WorkerState.ONLINE, slots=3, resources={"nvenc": 2}))
    won: list[tuple[str, str]] = []
    for number in range(40):
        await stores[number % 2].jobs.add(job(f"J{number}"))

    async def try_it(store: Store, name: str, holder: str) -> None:
        room = Room(99)
        needs = {"nvenc": 1} if holder == "v" else {}
        change = transitions.assign(job(name), holder, 200.0, resources=needs, room=room)
        if await store.jobs.apply(change):
            won.append((holder, name))

    async with trio.open_nursery() as nursery:
        for number in range(40):
            # In opposite orders, so that the two meet the workers from both sides.
            nursery.start_soon(try_it, stores[0], f"J{number}", "vw"[number % 2])
            nursery.start_soon(try_it, stores[1], f"J{39 - number}", "wv"[number % 2])
    assert sorted(holder for holder, _ in won) == ["v", "v", "w", "w", "w"]
    for holder in "vw":
        rows = await stores[0].jobs.live(holder)
        assert {row.job_id for row in rows} == {name for by, name in won if by == holder}


async def test_the_last_of_two_predecessors_lets_go(stores: tuple[Store, Store]) -> None:
    for number in range(15):
        first, second, last = (f"{kind}{number}" for kind in "ABC")
        for name in (first, second):
            await stores[0].jobs.add(job(name, state=S.RUNNING, attempt=1, worker_id="w"))
        await stores[0].jobs.add(job(last, predecessors=(first, second)))

        def end(store: Store, name: str) -> Callable[[], Awaitable[object]]:
            row = job(name, state=S.RUNNING, attempt=1, worker_id="w")
            change = transitions.finish(row, 1, "w", 200.0, S.COMPLETED, 0, None, None)
            return lambda: store.jobs.apply(change)

        await together(end(stores[0], first), end(stores[1], second))
        waiting = await load(stores[0], last)
        assert (waiting.blocked, waiting.ready_at) == (0, 200.0)
    assert await stores[0].jobs.heal(300.0, 99) == 0


async def test_a_predecessor_that_ends_while_its_successor_comes(stores: tuple[Store, Store]) -> None:
    for number in range(15):
        first, last = f"A{number}", f"B{number}"
        await stores[0].jobs.add(job(first, state=S.RUNNING, attempt=1, worker_id="w"))
        row = job(first, state=S.RUNNING, attempt=1, worker_id="w")
        change = transitions.finish(row, 1, "w", 200.0, S.COMPLETED, 0, None, None)

        async def end(change: Transition = change) -> None:
            assert await stores[1].jobs.apply(change)

        async def come(name: str = last, before: str = first) -> None:
            await stores[0].jobs.add(job(name, predecessors=(before,)))

        await together(come, end)
        assert (await load(stores[0], last)).blocked == 0
    assert await stores[0].jobs.heal(300.0, 99) == 0


async def test_one_key_is_one_job(stores: tuple[Store, Store]) -> None:
    for number in range(10):
        key = f"k{number}"
        added: list[str] = []

        async def submit(store: Store, name: str, key: str = key, added: list[str] = added) -> None:
            new = job(name, idempotency_key=key)
            try:
                added.append((await store.jobs.add(new)).job_id)
            except Duplicate:
                found = await store.jobs.submitted(new)
                assert found is not None
                added.append(found.job_id)

        async with trio.open_nursery() as nursery:
            for lane in range(6):
                nursery.start_soon(submit, stores[lane % 2], f"{key} {lane}")
        assert len(added) == 6
        assert len(set(added)) == 1


async def test_rows_that_both_would_add(stores: tuple[Store, Store]) -> None:
    def everything(store: Store, number: int) -> list[Callable[[], Awaitable[object]]]:
        run = JanitorRun(run_id=f"R{number}", action="run_all", started_at=1.0)
        piece = StreamPiece("J", 1, 1, number * 3, b"abc", KEEP)
        return [
            lambda: store.workers.register(worker(f"w{number}")),
            lambda: store.settings.set_pause(Pause(paused=True, reason="why", by="root", at=5.0)),
            lambda: store.janitor.record(run),
            lambda: store.streams.append(piece),
        ]

    for number in range(10):
        await together(*everything(stores[0], number), *everything(stores[1], number))
    assert len(await stores[0].workers.list(None)) == 10
    assert len(await stores[0].janitor.runs(99)) == 10
    assert (await stores[1].streams.read("J", 1, 1, 0, 999)).data == b"abc" * 10


async def test_an_identity_is_added_once(stores: tuple[Store, Store]) -> None:
    refused: list[str] = []

    async def add(store: Store) -> None:
        try:
            await store.identities.add(identity("alice"))
        except Duplicate:
            refused.append("alice")

    await together(lambda: add(stores[0]), lambda: add(stores[1]))
    assert refused == ["alice"]


async def test_a_reader_of_messages_misses_none_whoever_writes(stores: tuple[Store, Store]) -> None:
    total, seen, last = 400, list[str](), None

    async def write(store: Store, lane: int) -> None:
        for number in range(total // 8):
            await store.messages.add(message(f"{lane}-{number}"))
            await store.messages.add(message(f"{lane}-{number}x", f"other{number % 3}"))

    with trio.fail_after(120):
        async with trio.open_nursery() as nursery:
            for lane in range(8):
                nursery.start_soon(write, stores[lane % 2], lane)
            while len(seen) < total:
                rows = await stores[0].messages.after("w", job_id=None, last_message_id=last, limit=7)
                seen += [row.message_id for row in rows]
                last = rows[-1].message_id if rows else last
    assert len(set(seen)) == total
    for lane in range(8):
        assert [name for name in seen if name.startswith(f"{lane}-")] == [
            f"{lane}-{number}" for number in range(total // 8)
        ]


async def test_two_that_take_from_each_other_s_end(stores: tuple[Store, Store]) -> None:
    names = [f"J{number}" for number in range(20)]
    for name in names:
        await stores[0].jobs.add(job(name))

    async def change(store: Store, order: list[str]) -> None:
        repository = store.jobs
        assert isinstance(repository, SqlAlchemyJobRepository)

        async def one(name: str) -> None:
            await store.jobs.seen_by_client(name, 5.0)

        for _ in range(10):
            async with trio.open_nursery() as nursery:
                for name in order:
                    nursery.start_soon(one, name)

    with trio.fail_after(120):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(change, stores[0], names)
            nursery.start_soon(change, stores[1], names[::-1])


async def test_purging_what_another_is_at(stores: tuple[Store, Store]) -> None:
    for number in range(50):
        await stores[0].messages.add(message(f"m{number}", timestamp=float(number)))
    removed: list[int] = []

    async def prune(store: Store) -> None:
        while count := await store.messages.prune(50.0, 7):
            removed.append(count)

    await together(lambda: prune(stores[0]), lambda: prune(stores[1]))
    while count := await stores[0].messages.prune(50.0, 7):
        removed.append(count)
    assert sum(removed) == 50


async def test_the_journal_is_each_coordinator_s_own(stores: tuple[Store, Store]) -> None:
    stores[0].jobs.journal.open()
    stores[1].jobs.journal.open()
    await assigned(stores[0], "J")
    assert len(stores[0].jobs.journal.read() or ()) == 2
    assert stores[1].jobs.journal.read() == []
