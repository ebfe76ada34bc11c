"""What every engine's repositories have to do, output aside."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import trio

from dffmpeg.model import jobs as model
from dffmpeg.model import transitions
from dffmpeg.model.abilities import Abilities
from dffmpeg.model.identities import Identity, Role
from dffmpeg.model.jobs import AttemptOutcome, Job, JobState, Room, Transition
from dffmpeg.model.messages import Message
from dffmpeg.model.needs import Needs
from dffmpeg.model.progress import Progress
from dffmpeg.model.retries import RetryPolicy
from dffmpeg.model.scheduling.entries import Entry
from dffmpeg.model.scheduling.pause import Pause
from dffmpeg.model.streams import Retention
from dffmpeg.model.workers import Hold, Worker, WorkerState
from dffmpeg.store import Duplicate, Store, StreamPiece
from dffmpeg.store.journal import WorkerChanged
from dffmpeg.store.purging import purge

S = JobState


def job(name: str, created: float = 100.0, **changes: object) -> Job:
    values: dict[str, object] = {
        "job_id": name,
        "requester_id": "alice",
        "binary_name": "ffmpeg",
        "arguments": (b"-i", b"\xff\n'\"", b""),
        "paths": ("Movies",),
        "working_directory": b"$Movies/\xe9",
        "client_paths": {"Movies": b"/mnt/\xff"},
        "transport": "websocket",
        "transport_metadata": {"path": "/x"},
        "supported_transports": ("websocket",),
        "created_at": created,
        "last_update": created,
    }
    return Job(**{**values, **changes})  # type: ignore[arg-type]


async def assigned(store: Store, name: str = "J", worker: str = "w1") -> Job:
    await store.jobs.add(job(name))
    assert await store.jobs.apply(transitions.assign(await load(store, name), worker, 110.0))
    return await load(store, name)


async def load(store: Store, name: str) -> Job:
    found = await store.jobs.get(name)
    assert found is not None
    return found


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
    accepted = transitions.accept(first, 1, "w1", 111.0, (b"$Movies/\xff",))
    assert await store.jobs.apply(accepted)
    running = await load(store, "J")
    assert running.new_outputs == (b"$Movies/\xff",)
    again = transitions.repeat(running, 1, "w1", 112.0, 69, None, delay=1.0)
    again = replace(again, results={**again.results, "stderr_end": b"\xfe end"})
    assert await store.jobs.apply(again)
    pending = await load(store, "J")
    assert (pending.state, pending.exit_code, pending.losses) == (S.PENDING, None, 1)
    assert pending.new_outputs == (b"$Movies/\xff",)
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
    await store.jobs.note_progress("J", 2, Progress(frame=9))
    assert (await load(store, "J")).progress is None
    await store.jobs.note_progress("J", 1, Progress(frame=7, fraction=0.5))
    assert (await load(store, "J")).progress == Progress(frame=7, fraction=0.5)
    lost = transitions.lose(await load(store, "J"), 112.0, "gone", RetryPolicy(3, 1.0, 1.0), 0.5)
    assert await store.jobs.apply(lost)
    await store.jobs.note_progress("J", 1, Progress(frame=8))
    assert (await load(store, "J")).progress is None


async def test_a_change_that_does_not_fit_changes_nothing(store: Store) -> None:
    row = await assigned(store)
    for stale in (
        transitions.accept(row, 2, "w1", 120.0),
        transitions.accept(row, 1, "w2", 120.0),
        transitions.finish(row, 1, "w1", 120.0, S.COMPLETED, 0, None, None),
        transitions.assign(row, "w3", 120.0),
    ):
        assert not await store.jobs.apply(stale)
    assert await load(store, "J") == row
    assert len(await store.jobs.attempts("J")) == 1


# What becomes of a row in each state, by each constructor; from a state that is not named nothing may.
def _finish(target: JobState) -> Callable[[Job], Transition]:
    return lambda row: transitions.finish(row, 1, "w1", 200.0, target, 0, None, None)


POLICY = RetryPolicy(3, 1.0, 1.0)
GRID: dict[str, tuple[Callable[[Job], Transition], dict[JobState, JobState]]] = {
    "assign": (lambda row: transitions.assign(row, "w2", 200.0), {S.PENDING: S.ASSIGNED}),
    "accept": (lambda row: transitions.accept(row, 1, "w1", 200.0), {S.ASSIGNED: S.RUNNING}),
    "reject": (lambda row: transitions.reject(row, 1, "w1", 200.0, "full"), {S.ASSIGNED: S.PENDING}),
    "not_accepted": (lambda row: transitions.not_accepted(row, 200.0), {S.ASSIGNED: S.PENDING}),
    "complete": (_finish(S.COMPLETED), {S.RUNNING: S.COMPLETED}),
    "fail": (_finish(S.FAILED), {S.RUNNING: S.FAILED}),
    "canceled": (_finish(S.CANCELED), {S.RUNNING: S.CANCELED, S.CANCELING: S.CANCELED}),
    "request_cancel": (
        lambda row: transitions.request_cancel(row, 200.0, "why"),
        {S.PENDING: S.CANCELED, S.ASSIGNED: S.CANCELED, S.RUNNING: S.CANCELING},
    ),
    "confirm_canceled": (lambda row: transitions.confirm_canceled(row, 200.0), {S.CANCELING: S.CANCELED}),
    "lose": (
        lambda row: transitions.lose(row, 200.0, "gone", POLICY, 0.5),
        {S.ASSIGNED: S.PENDING, S.RUNNING: S.PENDING, S.CANCELING: S.CANCELED},
    ),
    "expire": (lambda row: transitions.expire(row, 200.0), {S.PENDING: S.FAILED}),
}


@pytest.mark.parametrize("name", GRID)
async def test_every_change_in_every_state(store: Store, name: str) -> None:
    make, expected = GRID[name]
    for state in S:
        holder = None if state is S.PENDING else "w1"
        before = job(state.value, state=state, attempt=1, pending_timeout=5.0, worker_id=holder)
        await store.jobs.add(before)
        try:
            won = await store.jobs.apply(make(before))
        except model.TransitionError:
            won = False
        after = await load(store, state.value)
        assert won == (state in expected), state
        assert after.state == expected.get(state, state)
        assert won or after == before
        # Whoever tries the same again comes too late.
        if won:
            assert not await store.jobs.apply(make(before))
            assert await load(store, state.value) == after


async def test_what_has_ended_stays_as_it_is(store: Store) -> None:
    row = await assigned(store)
    await store.jobs.apply(transitions.accept(row, 1, "w1", 120.0))
    await store.jobs.apply(transitions.finish(row, 1, "w1", 130.0, S.COMPLETED, 0, None, None))
    ended = await load(store, "J")
    policy = RetryPolicy(3, 1.0, 1.0)
    running = job("J", state=S.RUNNING, attempt=1, worker_id="w1")
    assert not await store.jobs.apply(transitions.finish(row, 1, "w1", 140.0, S.FAILED, 1, None, None))
    assert not await store.jobs.apply(transitions.lose(running, 140.0, "gone", policy, 0.0))
    assert not await store.jobs.apply(transitions.request_cancel(running, 140.0, "no"))
    assert await load(store, "J") == ended


async def test_sixteen_race_and_one_wins(store: Store) -> None:
    await store.jobs.add(job("J"))
    pending = await load(store, "J")
    won: list[str] = []

    async def try_it(worker: str) -> None:
        if await store.jobs.apply(transitions.assign(pending, worker, 110.0)):
            won.append(worker)

    async with trio.open_nursery() as nursery:
        for number in range(16):
            nursery.start_soon(try_it, f"w{number}")
    assert len(won) == 1
    assert (await load(store, "J")).worker_id == won[0]
    assert [a.worker_id for a in await store.jobs.attempts("J")] == won


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


async def test_the_journal_tells_what_was_committed_and_nothing_else(store: Store) -> None:
    journal = store.jobs.journal
    await store.jobs.add(job("before"))
    journal.open()
    await store.jobs.add(job("J"))
    with pytest.raises(Duplicate):
        await store.jobs.add(job("J"))
    assigning = transitions.assign(job("J"), "w", 110.0)
    assert await store.jobs.apply(assigning)
    assert not await store.jobs.apply(assigning)
    await store.workers.register(worker("w"))
    await store.workers.set_hold("w", Hold.PAUSED, reason=None, until=None, strikes=0)
    assert not await store.workers.set_hold("v", Hold.PAUSED, reason=None, until=None, strikes=0)
    pause = Pause(paused=True, reason="upgrade", by="root", at=5.0)
    await store.settings.set_pause(pause)
    assert journal.read() == [job("J"), assigning, worker("w"), WorkerChanged("w"), pause]
    assert journal.read() == []
    assert await store.settings.pause() == pause


async def test_a_journal_that_is_not_read_says_so(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dffmpeg.store.journal.LIMIT", 2)
    store.jobs.journal.open()
    for number in range(3):
        await store.jobs.add(job(f"J{number}"))
    assert store.jobs.journal.read() is None
    store.jobs.journal.open()
    assert store.jobs.journal.read() == []


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


def worker(name: str, state: WorkerState = WorkerState.REGISTERING, **changes: object) -> Worker:
    values: dict[str, object] = {
        "worker_id": name,
        "state": state,
        "binaries": ("ffmpeg",),
        "paths": ("Movies",),
        "slots": 3,
        "transport_metadata": {"path": "/x"},
        "registration_token": "token",
        "last_seen": 100.0,
        "registered_at": 90.0,
    }
    return Worker(**{**values, **changes})  # type: ignore[arg-type]


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


def message(name: str, recipient: str = "w", **changes: object) -> Message:
    values: dict[str, object] = {
        "message_id": name,
        "recipient_id": recipient,
        "timestamp": 100.0,
        "message_type": "job_status",
        "payload": {"status": "running", "n": 1},
    }
    return Message(**{**values, **changes})  # type: ignore[arg-type]


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


def identity(name: str = "alice", **changes: object) -> Identity:
    values: dict[str, object] = {
        "client_id": name,
        "role": Role.CLIENT,
        "key": bytes(range(32)),
        "created_at": 1.0,
    }
    return Identity(**{**values, **changes})  # type: ignore[arg-type]


async def test_identities(store: Store) -> None:
    await store.identities.add(identity())
    with pytest.raises(Duplicate):
        await store.identities.add(identity())
    await store.identities.add(identity("bob", role=Role.ADMIN))
    assert await store.identities.get("alice") == identity()
    assert [row.client_id for row in await store.identities.list()] == ["alice", "bob"]
    assert await store.identities.set_key("alice", b"k" * 32)
    assert await store.identities.set_scope("alice", ["10.0.0.0/8"])
    changed = await store.identities.get("alice")
    assert changed == identity(key=b"k" * 32, allowed_networks=("10.0.0.0/8",))
    assert await store.identities.delete("alice")
    assert await store.identities.get("alice") is None
    assert not await store.identities.delete("alice")
    assert not await store.identities.set_key("alice", b"k" * 32)


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


async def test_only_a_worker_that_is_offline_is_deleted(store: Store) -> None:
    await store.workers.register(worker("w"))
    assert not await store.workers.delete("w")
    assert await store.workers.set_state("w", frozenset(WorkerState), WorkerState.OFFLINE, 120.0)
    assert await store.workers.delete("w")
    assert not await store.workers.delete("w")
    assert await store.workers.list(None) == []
