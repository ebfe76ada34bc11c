"""Every engine makes each change of a job where its row still fits, and nowhere else."""

from collections.abc import Callable

import pytest
import trio

from dffmpeg.model import transitions
from dffmpeg.model.jobs import Job, JobState, Transition, TransitionError
from dffmpeg.model.retries import RetryPolicy
from dffmpeg.store import Store
from tests.conformance.rows import S, assigned, job, load


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
        except TransitionError:
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
