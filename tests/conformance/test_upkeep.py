"""Calls of hooks, the janitor's runs, and the space that they took."""

from dffmpeg.model import transitions
from dffmpeg.model.hooks import HookCall
from dffmpeg.model.janitor import JanitorRun
from dffmpeg.model.jobs import JobState
from dffmpeg.model.rules import Rules
from dffmpeg.store import Store
from dffmpeg.wire import codec
from dffmpeg.wire.hooks import HookEvent
from tests.conformance.rows import job, load

S = JobState
URLS = ("http://a.example/", "http://b.example/")


def told(calls: list[HookCall]) -> list[tuple[str, str]]:
    return [(call.url, codec.decode(call.body, HookEvent).status) for call in calls]


async def test_calls_are_stored_with_each_change(store: Store) -> None:
    await store.jobs.add(job("J", rules=Rules(hooks=URLS)))
    await store.jobs.add(job("K"))
    assert await store.jobs.apply(transitions.assign(await load(store, "J"), "w", 110.0))
    stale = transitions.expire(job("J", pending_timeout=5.0), 111.0)
    assert not await store.jobs.apply(stale)
    assert await store.jobs.apply(transitions.request_cancel(await load(store, "J"), 120.0, "enough"))
    calls = list(await store.hooks.of_job("J"))
    assert told(calls) == [(url, status) for status in ("pending", "assigned", "canceled") for url in URLS]
    assert [call.created_at for call in calls] == [100.0, 100.0, 110.0, 110.0, 120.0, 120.0]
    assert len({call.call_id for call in calls}) == 6
    event = codec.decode(calls[-1].body, HookEvent)
    assert (event.event, event.job.job_id, event.job.reason) == (calls[-1].call_id, "J", "enough")
    assert await store.hooks.of_job("K") == []


async def test_calls_of_one_url_are_a_queue(store: Store) -> None:
    await store.jobs.add(job("J", rules=Rules(hooks=URLS)))
    assert await store.jobs.apply(transitions.assign(await load(store, "J"), "w", 110.0))
    first = list(await store.hooks.due(200.0, 10))
    assert told(first) == [(URLS[0], "pending"), (URLS[1], "pending")]
    assert await store.hooks.due(50.0, 10) == []
    await store.hooks.postpone(first[0], 300.0, "HTTP 500")
    await store.hooks.delivered(first[1], 200.0)
    # The second of the first URL waits behind the one that was put off.
    assert told(list(await store.hooks.due(200.0, 10))) == [(URLS[1], "assigned")]
    assert await store.hooks.next_moment(200.0) == 300.0
    again = (await store.hooks.due(300.0, 10))[1]
    assert (again.url, again.tries, again.last_error) == (URLS[0], 1, "HTTP 500")
    await store.hooks.give_up(again, "HTTP 500")
    assert (URLS[0], "assigned") in told(list(await store.hooks.due(300.0, 10)))
    rows = {call.seq: call for call in await store.hooks.of_job("J")}
    assert (rows[again.seq].due_at, rows[again.seq].delivered_at, rows[again.seq].tries) == (None, None, 2)
    assert (rows[first[1].seq].delivered_at, rows[first[1].seq].last_error) == (200.0, None)


async def test_a_job_is_kept_until_its_hooks_were_called(store: Store) -> None:
    await store.jobs.add(job("J", rules=Rules(hooks=URLS[:1], retention=1.0)))
    assert await store.jobs.apply(transitions.request_cancel(await load(store, "J"), 120.0, "enough"))
    assert await store.jobs.old(None, 500.0, 10) == []
    while due := await store.hooks.due(500.0, 10):
        await store.hooks.delivered(due[0], 500.0)
    assert await store.jobs.old(None, 500.0, 10) == ["J"]
    assert await store.jobs.delete("J")
    assert await store.hooks.of_job("J") == []


async def test_runs(store: Store) -> None:
    for number in range(5):
        await store.janitor.record(JanitorRun(run_id=str(number), action="run_all", started_at=float(number)))
    done = JanitorRun(run_id="4", action="run_all", started_at=4.0, ended_at=5.0, result={"jobs_removed": 7})
    await store.janitor.record(done)
    runs = await store.janitor.runs(2)
    assert runs[0] == done
    assert (runs[1].run_id, runs[1].ended_at, runs[1].result) == ("3", None, {})
    assert await store.janitor.forget(4.0, 3) == 3
    assert await store.janitor.forget(4.0, 3) == 1
    assert await store.janitor.runs(10) == [done]


async def test_space_is_given_back(store: Store, engine: str) -> None:
    await store.jobs.add(job("J", arguments=tuple(b"x" * 100_000 for _ in range(40))))
    assert await store.jobs.apply(transitions.request_cancel(await load(store, "J"), 120.0, "enough"))
    await store.janitor.vacuum(10_000)
    assert await store.jobs.delete("J")
    if engine == "sqlite":
        # Servers do it by themselves.
        assert await store.janitor.vacuum(100) == 100
        assert await store.janitor.vacuum(10_000) > 500
    assert await store.janitor.vacuum(10_000) == 0
    await store.janitor.optimize()
