"""What every engine keeps of jobs, output aside."""

from dataclasses import replace

import pytest

from dffmpeg.model import transitions
from dffmpeg.model.jobs import AttemptOutcome
from dffmpeg.model.needs import Needs
from dffmpeg.model.progress import Progress
from dffmpeg.model.retries import RetryPolicy
from dffmpeg.model.scheduling.entries import Entry
from dffmpeg.model.streams import Retention
from dffmpeg.store import Duplicate, Store, StreamPiece
from dffmpeg.store.purging import purge
from tests.conformance.rows import S, assigned, job, load


async def test_a_job_comes_back_byte_for_byte(store: Store) -> None:
    await store.jobs.add(job("J"))
    assert await store.jobs.get("J") == job("J")
    assert await store.jobs.get("other") is None


async def test_the_same_id_twice_is_refused(store: Store) -> None:
    await store.jobs.add(job("J"))
    with pytest.raises(Duplicate):
        await store.jobs.add(job("J"))


async def test_a_job_s_life_and_its_attempts(store: Store) -> None:
    first = await assigned(store)
    assert (first.state, first.attempt, first.worker_id) == (S.ASSIGNED, 1, "w1")
    assert await store.jobs.apply(transitions.accept(first, 1, "w1", 120.0))
    policy = RetryPolicy(3, 1.0, 1.0)
    assert await store.jobs.apply(transitions.lose(await load(store, "J"), 130.0, "gone", policy, 0.0))
    assert await store.jobs.apply(transitions.assign(await load(store, "J"), "w2", 140.0))
    second = await load(store, "J")
    assert await store.jobs.apply(transitions.accept(second, 2, "w2", 150.0))
    assert await store.jobs.apply(transitions.finish(second, 2, "w2", 160.0, S.FAILED, 1, None, None))
    last = await load(store, "J")
    assert (last.state, last.exit_code, last.last_update) == (S.FAILED, 1, 160.0)
    attempts = await store.jobs.attempts("J")
    assert [(a.attempt, a.worker_id, a.outcome) for a in attempts] == [
        (1, "w1", AttemptOutcome.LOST),
        (2, "w2", AttemptOutcome.FAILED),
    ]
    assert (attempts[0].started_at, attempts[0].ended_at, attempts[0].reason) == (120.0, 130.0, "gone")
    assert (attempts[1].exit_code, attempts[1].ended_at) == (1, 160.0)


async def test_a_failed_attempt_keeps_what_its_job_forgets(store: Store) -> None:
    first = await assigned(store)
    accepted = transitions.accept(first, 1, "w1", 111.0)
    assert await store.jobs.apply(accepted)
    begun = {b"$Movies/\xff": (1 << 64) - 1}
    await store.jobs.note_begun("J", 2, {b"$Movies/x": 1})
    await store.jobs.note_begun("J", 1, begun)
    running = await load(store, "J")
    assert running.begun == begun
    again = transitions.repeat(running, 1, "w1", 112.0, 69, None, delay=1.0)
    again = replace(again, results={**again.results, "stderr_end": b"\xfe end"})
    assert await store.jobs.apply(again)
    pending = await load(store, "J")
    assert (pending.state, pending.exit_code, pending.losses) == (S.PENDING, None, 1)
    assert pending.begun == begun
    [attempt] = await store.jobs.attempts("J")
    assert (attempt.outcome, attempt.exit_code, attempt.reason) == (AttemptOutcome.FAILED, 69, None)
    assert attempt.stderr_end == b"\xfe end"


async def test_the_size_of_a_job_is_what_was_said_or_else_what_its_program_found(store: Store) -> None:
    for name, said in (("J", None), ("K", 5.0)):
        await store.jobs.add(job(name, size=said))
        assert await store.jobs.apply(transitions.assign(await load(store, name), "w1", 110.0))
        await store.jobs.note_progress(name, 1, Progress(pixels=9.0))
        await store.jobs.note_progress(name, 1, Progress(frame=1))
    assert ((await load(store, "J")).size, (await load(store, "K")).size) == (9.0, 5.0)


async def test_progress_is_kept_of_the_live_attempt_only(store: Store) -> None:
    first = await assigned(store)
    assert await store.jobs.apply(transitions.accept(first, 1, "w1", 111.0))
    # It runs, and has not said anything.
    assert await store.jobs.progress(["J"]) == []
    await store.jobs.note_progress("J", 2, Progress(frame=9))
    assert (await load(store, "J")).progress is None
    await store.jobs.note_progress("J", 1, Progress(frame=7, fraction=0.5))
    assert (await load(store, "J")).progress == Progress(frame=7, fraction=0.5)
    [far] = await store.jobs.progress(["J", "other"])
    assert (far.job_id, far.attempt, far.worker_id, far.progress.frame) == ("J", 1, "w1", 7)
    lost = transitions.lose(await load(store, "J"), 112.0, "gone", RetryPolicy(3, 1.0, 1.0), 0.5)
    assert await store.jobs.apply(lost)
    await store.jobs.note_progress("J", 1, Progress(frame=8))
    assert (await load(store, "J")).progress is None
    assert await store.jobs.progress(["J"]) == []


async def test_pending_jobs_oldest_first_and_by_pages(store: Store) -> None:
    for number in (3, 1, 2):
        await store.jobs.add(job(f"J{number}", created=100.0 + number))
    await store.jobs.add(job("later", created=1.0, not_before=500.0))
    await store.jobs.add(job("same", created=102.0))
    await assigned(store, "busy")
    first = await store.jobs.queue(3)
    assert [row.job_id for row in first] == ["later", "J1", "J2"]
    assert [row.job_id for row in await store.jobs.queue(9, after=first[-1])] == ["same", "J3"]
    assert [row.job_id for row in await store.jobs.live_entries()] == ["busy"]
    assert await store.jobs.loads() == {"w1": 1}


async def test_an_entry_is_its_job_without_what_only_the_worker_needs(store: Store) -> None:
    needs = Needs(encoders=("libx264",), resources={"nvenc": 2})
    full = job(
        "J",
        labels=("night",),
        needs=needs,
        priority=-7,
        blocked=2,
        size=1e9,
        not_before=500.0,
        pending_timeout=5.0,
        excluded_worker="w9",
    )
    await store.jobs.add(full)
    await store.jobs.add(job("other"))
    assert list(await store.jobs.entries(["J", "nowhere"])) == [Entry.of(full)]
    assert await store.jobs.live_entries("w1") == []


async def test_who_used_slots_and_who_does(store: Store) -> None:
    row = await assigned(store, "a")
    await store.jobs.apply(transitions.accept(row, 1, "w1", 120.0))
    await store.jobs.apply(transitions.finish(row, 1, "w1", 130.0, S.COMPLETED, 0, None, None))
    await store.jobs.add(job("b", requester_id="bob", priority=5))
    await store.jobs.apply(transitions.assign(await load(store, "b"), "w1", 140.0))
    uses = [(use.requester_id, use.priority, use.begin, use.end) for use in await store.jobs.uses(100.0, 9)]
    assert uses == [("bob", 5, 140.0, None), ("alice", 0, 110.0, 130.0)]
    assert [use.requester_id for use in await store.jobs.uses(135.0, 9)] == ["bob"]


async def test_lists_are_newest_first_and_filtered(store: Store) -> None:
    for number in range(5):
        await store.jobs.add(job(f"J{number}", created=100.0 + number))
    await store.jobs.add(job("bobs", created=103.0, requester_id="bob"))
    await store.jobs.add(job("old", created=1.0, state=S.COMPLETED))

    async def names(**filters: object) -> list[str]:
        wanted: dict[str, object] = {
            "requester_id": None,
            "since": None,
            "states": None,
            "limit": 100,
            "before_id": None,
        }
        rows = await store.jobs.list(**{**wanted, **filters})  # type: ignore[arg-type]
        return [row.job_id for row in rows]

    assert await names() == ["J4", "bobs", "J3", "J2", "J1", "J0", "old"]
    assert await names(requester_id="alice", limit=2) == ["J4", "J3"]
    assert await names(requester_id="alice", before_id="J3") == ["J2", "J1", "J0", "old"]
    assert await names(before_id="bobs", limit=1) == ["J3"]
    assert await names(since=50.0) == ["J4", "bobs", "J3", "J2", "J1", "J0"]
    assert await names(states={S.COMPLETED}) == ["old"]


async def test_live_jobs_and_counts(store: Store) -> None:
    await assigned(store, "a", "w1")
    await assigned(store, "b", "w2")
    await store.jobs.add(job("c"))
    assert {row.job_id for row in await store.jobs.live()} == {"a", "b"}
    assert [row.job_id for row in await store.jobs.live("w2")] == ["b"]
    assert await store.jobs.counts() == {S.ASSIGNED: 2, S.PENDING: 1}


async def test_a_client_s_presence_is_kept(store: Store) -> None:
    await store.jobs.add(job("J"))
    await store.jobs.seen_by_client("J", 321.0)
    assert (await load(store, "J")).client_last_seen == 321.0


async def test_hindrances_are_of_pending_jobs(store: Store) -> None:
    await store.jobs.add(job("J"))
    await store.jobs.set_hindrance("J", "nobody can")
    assert (await load(store, "J")).hindrance == "nobody can"
    assert await store.jobs.apply(transitions.assign(await load(store, "J"), "w1", 110.0))
    assert (await load(store, "J")).hindrance is None
    await store.jobs.set_hindrance("J", "nobody can")
    assert (await load(store, "J")).hindrance is None


async def test_an_attempt_remembers_its_substitutions(store: Store) -> None:
    row = await assigned(store)
    others = {"h264_qsv": "h264_nvenc"}
    assert await store.jobs.apply(transitions.accept(row, 1, "w1", 120.0, substitutions=others))
    assert (await load(store, "J")).substitutions == others
    assert [attempt.substitutions for attempt in await store.jobs.attempts("J")] == [others]


async def test_a_priority_changes_once_and_only_while_the_job_is_pending(store: Store) -> None:
    await store.jobs.add(job("J", priority=1))
    assert await store.jobs.set_priority("J", 5, expected=1, now=120.0)
    assert not await store.jobs.set_priority("J", 7, expected=1, now=130.0)
    assert (await load(store, "J")).priority == 5
    assert (await load(store, "J")).last_update == 120.0
    await assigned(store, "K")
    assert not await store.jobs.set_priority("K", 7, expected=0, now=130.0)
    assert not await store.jobs.set_priority("nobody", 7, expected=0, now=130.0)


async def test_only_what_has_ended_is_deleted_and_its_attempts_with_it(store: Store) -> None:
    live = await assigned(store, "J")
    assert not await store.jobs.delete("J")
    assert not await store.jobs.delete("nobody")
    assert await store.jobs.apply(transitions.request_cancel(live, 120.0, "no"))
    await assigned(store, "K")
    assert await store.jobs.delete("J")
    assert await store.jobs.get("J") is None
    assert await store.jobs.attempts("J") == []
    assert len(await store.jobs.attempts("K")) == 1


async def test_a_purged_job_leaves_nothing(store: Store) -> None:
    live = await assigned(store, "J")
    await store.streams.append(StreamPiece("J", 1, 2, 0, b"abc", Retention(100, 100)))
    assert not await purge(store, "J")
    assert (await store.streams.read("J", 1, 2, 0, 10)).data == b"abc"
    assert await store.jobs.apply(transitions.request_cancel(live, 120.0, "no"))
    assert await purge(store, "J")
    assert not await purge(store, "J")
    assert await store.streams.extent("J", 1, 2) == 0
