"""What a job's end entails for those that come after it, and for what is kept of it."""

from dataclasses import replace

import pytest

from dffmpeg.model import succession, transitions
from dffmpeg.model.jobs import Job, JobState
from dffmpeg.model.rules import Rules
from dffmpeg.model.streams import Retention
from dffmpeg.store import Store, StreamPiece, Unstorable
from tests.conformance.rows import job, load

S = JobState
KEEP = Retention(1 << 20, 1 << 20)


async def end(store: Store, name: str, now: float, target: JobState = S.COMPLETED) -> None:
    assert await store.jobs.apply(transitions.assign(await load(store, name), "w", now))
    assert await store.jobs.apply(transitions.accept(await load(store, name), 1, "w", now))
    row = await load(store, name)
    assert await store.jobs.apply(transitions.finish(row, 1, "w", now, target, 0, None, None))


async def eligible(store: Store, now: float) -> list[str]:
    return [
        entry.job_id
        for entry in await store.jobs.queue(100)
        if not entry.blocked and (entry.not_before or 0.0) <= now
    ]


async def deadline(store: Store, name: str) -> float | None:
    [entry] = await store.jobs.entries([name])
    return entry.deadline


async def test_a_diamond(store: Store) -> None:
    await store.jobs.add(job("A", ready_at=100.0))
    for name, before in (("B", ("A",)), ("C", ("A",)), ("D", ("B", "C", "A"))):
        added = await store.jobs.add(job(name, predecessors=before, ready_at=100.0))
        assert (added.blocked, added.ready_at) == (len(before), None)
        assert await load(store, name) == added
    assert await eligible(store, 200.0) == ["A"]
    await end(store, "A", 200.0)
    assert await eligible(store, 200.0) == ["B", "C"]
    assert (await load(store, "B")).ready_at == 200.0
    assert (await load(store, "D")).blocked == 2
    await end(store, "B", 210.0)
    await end(store, "C", 220.0)
    assert ((await load(store, "D")).blocked, (await load(store, "D")).ready_at) == (0, 220.0)
    assert await eligible(store, 220.0) == ["D"]


async def test_one_that_comes_when_they_have_ended(store: Store) -> None:
    for name, target in (("A", S.COMPLETED), ("B", S.FAILED)):
        await store.jobs.add(job(name))
        await end(store, name, 200.0, target)
    assert (await store.jobs.add(job("C", predecessors=("A",)))).blocked == 0
    failed = await store.jobs.add(job("D", predecessors=("A", "B")))
    assert (failed.state, failed.blocked, failed.ended_at) == (S.FAILED, 0, 100.0)
    assert failed == await load(store, "D")
    assert await eligible(store, 200.0) == ["C"]


async def test_one_that_is_not_there(store: Store) -> None:
    with pytest.raises(Unstorable, match="after: there is no job nobody"):
        await store.jobs.add(job("C", predecessors=("nobody",)))
    assert await store.jobs.get("C") is None


async def test_those_that_will_never_begin(store: Store) -> None:
    await store.jobs.add(job("A"))
    await store.jobs.add(job("B", predecessors=("A",)))
    await store.jobs.add(job("C", predecessors=("B",)))
    await end(store, "A", 200.0, S.FAILED)
    [doomed] = await store.jobs.doomed(10)
    assert (doomed.job.job_id, doomed.predecessor_id, doomed.outcome) == ("B", "A", S.FAILED)
    assert await eligible(store, 200.0) == []
    assert await store.jobs.apply(succession.fail(doomed.job, "A", S.FAILED, 210.0))
    # And its own successor in its turn.
    [doomed] = await store.jobs.doomed(10)
    assert (doomed.job.job_id, doomed.predecessor_id) == ("C", "B")
    assert await store.jobs.apply(transitions.request_cancel(doomed.job, 220.0, "not wanted"))
    assert await store.jobs.doomed(10) == []


async def test_a_waiting_job_has_no_deadline(store: Store) -> None:
    await store.jobs.add(job("A"))
    await store.jobs.add(job("B", predecessors=("A",), pending_timeout=50.0))
    await store.jobs.add(job("C", not_before=400.0, ready_at=400.0, pending_timeout=50.0))
    assert (await deadline(store, "B"), await deadline(store, "C")) == (None, 450.0)
    await end(store, "A", 300.0)
    assert await deadline(store, "B") == 350.0


async def test_what_does_not_fit_together_is_repaired(store: Store) -> None:
    for name in ("A", "B", "C"):
        await store.jobs.add(job(name))
    await end(store, "A", 200.0)
    # As somebody else's hands may have left them: nobody waits for what has ended, or is not there.
    database = store.jobs.database  # type: ignore[attr-defined]
    rows = [
        {"job_id": "B", "predecessor_id": "A"},
        {"job_id": "C", "predecessor_id": "purged"},
    ]
    from dffmpeg.store import schema

    await database.write(lambda c: c.execute(schema.job_predecessors.insert(), rows))
    await database.write(lambda c: c.execute(schema.jobs.update().values(blocked=1)))
    assert await eligible(store, 200.0) == []
    assert await store.jobs.heal(210.0, 10) > 0
    assert await eligible(store, 210.0) == ["B"]
    [doomed] = await store.jobs.doomed(10)
    assert (doomed.job.job_id, doomed.predecessor_id) == ("C", "purged")
    assert await store.jobs.heal(220.0, 10) == 0


async def test_one_key_is_one_job(store: Store) -> None:
    first = await store.jobs.add(job("A", idempotency_key="k"))
    assert await store.jobs.add(job("B", idempotency_key="k")) == first
    assert await store.jobs.get("B") is None
    assert (await store.jobs.add(job("C", idempotency_key="k", requester_id="bob"))).job_id == "C"


async def test_what_is_old(store: Store) -> None:
    rules = {"own": Rules(retention=50.0), "none": Rules(), "long": Rules(retention=9999.0)}
    for name, rule in rules.items():
        await store.jobs.add(job(name, rules=rule))
        await end(store, name, 200.0)
    await store.jobs.add(job("alive"))
    assert await store.jobs.old(None, 249.0, 10) == []
    assert await store.jobs.old(None, 250.0, 10) == ["own"]
    assert await store.jobs.old(200.0, 260.0, 10) == ["own", "none"]
    assert await store.jobs.old(200.0, 260.0, 1) == ["own"]
    assert set(await store.jobs.outdated(["own", "none", "long", "alive", "nobody"], 200.0)) == {
        "none",
        "nobody",
    }


async def test_forgetting(store: Store) -> None:
    await store.jobs.add(job("A"))
    await store.jobs.add(job("B", predecessors=("A",)))
    assert not await store.jobs.delete("A")
    await end(store, "A", 200.0)
    assert await store.jobs.delete("A")
    assert (await store.jobs.get("A"), await store.jobs.attempts("A")) == (None, [])
    assert not await store.jobs.delete("A")
    assert await eligible(store, 200.0) == ["B"]


async def test_outputs_that_are_kept(store: Store) -> None:
    for name in ("A", "B", "C"):
        for piece in range(200):
            await store.streams.append(StreamPiece(name, 1, 2, piece * 3, b"abc", KEEP))
        await store.streams.append(StreamPiece(name, 2, 1, 0, b"x", KEEP))
    assert await store.streams.kept("", 10) == ["A", "B", "C"]
    assert await store.streams.kept("A", 1) == ["B"]
    await store.streams.delete("B")
    assert await store.streams.kept("", 10) == ["A", "C"]
    assert await store.streams.extent("A", 1, 2) == 600


async def test_jobs_by_name_and_label(store: Store) -> None:
    await store.jobs.add(replace(job("A"), name="Movie 100%_a", labels=("gpu", "tv")))
    await store.jobs.add(replace(job("B"), name="Movie 100xxa", labels=("gpu2",)))
    await store.jobs.add(job("C"))

    async def found(**wanted: object) -> set[str]:
        everything: dict[str, object] = {
            "requester_id": None,
            "since": None,
            "states": None,
            "limit": 10,
            "before_id": None,
        }
        rows: list[Job] = list(await store.jobs.list(**{**everything, **wanted}))  # type: ignore[arg-type]
        return {row.job_id for row in rows}

    assert await found(labels=["gpu"]) == {"A"}
    assert await found(labels=["gpu", "TV"]) == {"A"}
    assert await found(labels=["gpu", "gpu2"]) == set()
    assert await found(name="movie*") == {"A", "B"}
    assert await found(name="movie 100%_a") == {"A"}
    assert await found(name="*xx*") == {"B"}
    assert await found(name="movie") == set()
