"""What the janitor does and says of it, on the real tree."""

import time
from pathlib import Path
from typing import Any, Literal

import pytest

from dffmpeg.actors.coordinator.operations import Forbidden, NotFound
from dffmpeg.actors.coordinator.sweeps import KEY_SPARE
from dffmpeg.configuration.coordinator import CoordinatorConfig, Janitor, Retention
from dffmpeg.errors import BadInput
from dffmpeg.model.audit import AuditEntry, AuditRequest, Via
from dffmpeg.model.identities import Identity, PreviousKey, Role
from dffmpeg.model.janitor import ACTIONS
from dffmpeg.model.sessions import LOGIN, MOST, Session, Token, digest_of
from dffmpeg.model.streams import Stream
from dffmpeg.wire.frames import Frame, Kind
from tests.actors.coordinator.tree import ADMIN, ALICE, Coordinator, FakeWorker, open_coordinator

MOMENT = 1e-6


async def one_with_output(coordinator: Coordinator, worker: FakeWorker, **fields: Any) -> str:
    job_id = await coordinator.submit(**fields)
    request = await worker.take()
    piece = Frame(Kind.STDERR, 1, 0, b"said", eof=True)
    await coordinator.operations.output(worker.who, job_id, [piece])
    await worker.finish(request, stderr=4)
    await coordinator.until(job_id, "completed")
    return job_id


async def output_of(coordinator: Coordinator, job_id: str) -> bytes:
    return (await coordinator.services.store.streams.read(job_id, 1, Stream.STDERR, 0, 100)).data


@pytest.mark.parametrize("action", ACTIONS)
async def test_each_run_is_recorded(coordinator: Coordinator, action: str) -> None:
    run = await coordinator.operations.run_janitor(ADMIN, action)
    assert run.action == action
    assert run.ended_at is not None
    assert run.result
    assert all(number == 0 for number in run.result.values())
    runs = await coordinator.operations.janitor_runs(ADMIN, limit=10)
    assert run in runs
    # The first one before anything is served, which nobody asked for.
    assert [each.action for each in runs][-1] == "periodic"


async def test_who_may_ask_for_what(coordinator: Coordinator) -> None:
    with pytest.raises(Forbidden):
        await coordinator.operations.run_janitor(ALICE, "run_all")
    with pytest.raises(Forbidden):
        await coordinator.operations.janitor_runs(ALICE, limit=1)
    with pytest.raises(BadInput, match="action: expected one of run_all, clean_workers"):
        await coordinator.operations.run_janitor(ADMIN, "periodic")


async def test_sessions_and_links_that_are_over_go(coordinator: Coordinator) -> None:
    store, now = coordinator.services.store, time.time()
    for expires_at in (now - 1, now + 3600):
        digest = digest_of(str(expires_at))
        times: dict[str, Any] = {"created_at": now - 60, "expires_at": expires_at}
        await store.sessions.add(Session(digest=digest, client_id="root", stamp="0", **times), MOST)
        await store.tokens.add(Token(digest=digest, purpose=LOGIN, client_id="root", **times))
    run = await coordinator.operations.run_janitor(ADMIN, "retention")
    assert run.result["sessions_removed"] == 1
    over, still = digest_of(str(now - 1)), digest_of(str(now + 3600))
    assert await store.sessions.there({over, still}) == {still}
    # Also to one whose clock is behind.
    assert await store.tokens.redeem(over, LOGIN, now - 30) is None
    assert await store.tokens.redeem(still, LOGIN, now) is not None


@pytest.mark.parametrize(("keep", "removed"), [(3600.0, 1), ("forever", 0)])
async def test_the_audit_trail_is_kept_for_its_time(
    tmp_path: Path, keep: float | Literal["forever"], removed: int
) -> None:
    config = CoordinatorConfig(retention=Retention(audit=keep))
    async with open_coordinator(tmp_path, config) as coordinator:
        audit, now = coordinator.services.store.audit, time.time()
        for name, at in (("old", now - 7200), ("new", now)):
            await audit.add(
                AuditEntry(entry_id=name, at=at, actor="root", via=Via.SESSION, action="queue.pause")
            )
        run = await coordinator.operations.run_janitor(ADMIN, "retention")
        assert run.result["audit_removed"] == removed
        assert len(await audit.page(AuditRequest())) == 2 - removed


async def test_keys_that_were_replaced_go_a_day_after_their_end(coordinator: Coordinator) -> None:
    identities, now = coordinator.services.store.identities, time.time()
    ends = {"lately": now - KEY_SPARE / 2, "long ago": now - KEY_SPARE - 1}
    for name, until in ends.items():
        previous = PreviousKey(b"o" * 32, until)
        await identities.add(Identity(client_id=name, role=Role.CLIENT, key=b"n" * 32, previous=previous))
    await coordinator.operations.run_janitor(ADMIN, "retention")
    kept = {one.client_id: one.previous is not None for one in await identities.list()}
    assert (kept["lately"], kept["long ago"]) == (True, False)


async def test_finished_jobs_go_and_live_ones_stay(tmp_path: Path) -> None:
    config = CoordinatorConfig(retention=Retention(jobs=MOMENT))
    async with open_coordinator(tmp_path, config) as coordinator:
        worker = FakeWorker(coordinator, "w1")
        async with worker.online():
            over = await one_with_output(coordinator, worker)
            long = await one_with_output(coordinator, worker, retention=3600.0)
            running = await coordinator.submit()
            await worker.take()
            waiting = await coordinator.submit(after=[running])
            run = await coordinator.operations.run_janitor(ADMIN, "retention")
            assert run.result["jobs_removed"] == 1
            with pytest.raises(NotFound):
                await coordinator.operations.job(ALICE, over)
            assert await output_of(coordinator, over) == b""
            assert await coordinator.services.store.jobs.attempts(over) == []
            assert await output_of(coordinator, long) == b"said"
            for job_id, status in ((long, "completed"), (running, "running"), (waiting, "pending")):
                assert (await coordinator.operations.job(ALICE, job_id)).status == status


async def test_output_goes_before_its_job(tmp_path: Path) -> None:
    config = CoordinatorConfig(retention=Retention(jobs="forever", output=MOMENT))
    async with open_coordinator(tmp_path, config) as coordinator:
        worker = FakeWorker(coordinator, "w1")
        async with worker.online():
            over = await one_with_output(coordinator, worker)
            own = await one_with_output(coordinator, worker, retention=3600.0)
            short = await one_with_output(coordinator, worker, retention=MOMENT)
            run = await coordinator.operations.run_janitor(ADMIN, "retention")
            assert (run.result["jobs_removed"], run.result["outputs_removed"]) == (1, 1)
            assert (await coordinator.operations.job(ALICE, over)).status == "completed"
            assert (await output_of(coordinator, over), await output_of(coordinator, own)) == (b"", b"said")
            with pytest.raises(NotFound):
                await coordinator.operations.job(ALICE, short)
            again = await coordinator.operations.run_janitor(ADMIN, "retention")
            assert (again.result["jobs_removed"], again.result["outputs_removed"]) == (0, 0)


async def test_many_go_in_batches(tmp_path: Path) -> None:
    # No sweep of its own comes in between, however long this takes.
    config = CoordinatorConfig(retention=Retention(jobs=MOMENT), janitor=Janitor(interval=86_400.0))
    async with open_coordinator(tmp_path, config) as coordinator:
        for _ in range(450):
            await coordinator.operations.cancel(ALICE, await coordinator.submit())
        run = await coordinator.operations.run_janitor(ADMIN, "run_all")
        assert run.result["jobs_removed"] == 450
        assert sum((await coordinator.services.store.jobs.counts()).values()) == 0


async def test_nothing_is_removed_where_all_is_kept(tmp_path: Path) -> None:
    config = CoordinatorConfig(retention=Retention(jobs="forever", output="forever"))
    async with open_coordinator(tmp_path, config) as coordinator:
        worker = FakeWorker(coordinator, "w1")
        async with worker.online():
            over = await one_with_output(coordinator, worker)
            await coordinator.operations.run_janitor(ADMIN, "run_all")
            assert await output_of(coordinator, over) == b"said"
