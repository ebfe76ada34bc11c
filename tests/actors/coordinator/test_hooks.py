"""Hooks, called for real."""

import hashlib
import hmac
import time
from pathlib import Path

import pytest
import trio

from dffmpeg.configuration.coordinator import CoordinatorConfig, Hooks
from dffmpeg.errors import BadInput
from dffmpeg.wire.hooks import EVENT_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER
from tests.actors.coordinator.receiver import Receiver, receiving
from tests.actors.coordinator.tree import PATIENCE, Coordinator, FakeWorker, open_coordinator

SECRET = "a secret of more than 32 characters"
LIFE = ["pending", "assigned", "running", "completed"]


def config(receiver: Receiver, **changes: object) -> CoordinatorConfig:
    fast = {"backoff_minimum": 0.001, "backoff_maximum": 0.01, "max_tries": 1000}
    hooks = Hooks(allowed=[receiver.url], secret=SECRET, **{**fast, **changes})  # type: ignore[arg-type]
    return CoordinatorConfig(hooks=hooks)


async def run_one(coordinator: Coordinator, *hooks: str) -> str:
    worker = FakeWorker(coordinator, "w1")
    async with worker.online():
        job_id = await coordinator.submit(hooks=list(hooks))
        await worker.finish(await worker.take())
    return job_id


def without_repetitions(receiver: Receiver) -> list[str]:
    events = {each.event.event: each.event.status for each in receiver.received}
    return list(events.values())


async def test_each_change_is_told_in_order_and_signed(tmp_path: Path) -> None:
    async with receiving() as receiver, open_coordinator(tmp_path, config(receiver)) as coordinator:
        job_id = await run_one(coordinator, f"{receiver.url}done?who=me")
        await receiver.until(lambda: len(receiver.received) == 4)
        assert receiver.statuses == LIFE
        for call in receiver.received:
            assert (call.path, call.event.job.job_id) == ("/done?who=me", job_id)
            assert call.headers["content-type"] == "application/json"
            assert call.headers[EVENT_HEADER] == call.event.event
            stamp = call.headers[TIMESTAMP_HEADER]
            assert abs(time.time() - int(stamp)) < 3600
            digest = hmac.new(SECRET.encode(), stamp.encode() + b"." + call.body, hashlib.sha256)
            assert call.headers[SIGNATURE_HEADER] == f"sha256={digest.hexdigest()}"
        assert receiver.received[-1].event.job.exit_code == 0
        assert len({call.event.event for call in receiver.received}) == 4


async def test_a_call_is_of_the_trace_that_its_job_came_with(tmp_path: Path) -> None:
    """Also where nobody records traces."""
    caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with receiving() as receiver, open_coordinator(tmp_path, config(receiver)) as coordinator:
        await coordinator.submit(hooks=[receiver.url], traceparent=caller)
        await receiver.until(lambda: len(receiver.received) == 1)
        assert receiver.received[0].headers["traceparent"] == caller
        await coordinator.submit(hooks=[receiver.url])
        await receiver.until(lambda: len(receiver.received) == 2)
        assert "traceparent" not in receiver.received[1].headers


@pytest.mark.parametrize("trouble", [500, "reset", "redirect", "hang", 404])
async def test_what_is_not_taken_is_repeated_before_anything_else(tmp_path: Path, trouble: int | str) -> None:
    async with (
        receiving(trouble, trouble) as receiver,
        open_coordinator(tmp_path, config(receiver, timeout=1.0)) as coordinator,
    ):
        await run_one(coordinator, receiver.url)
        await receiver.until(lambda: receiver.statuses[-1:] == ["completed"])
        assert receiver.statuses[:3] == ["pending"] * 3
        assert len({each.event.event for each in receiver.received[:3]}) == 1
        assert without_repetitions(receiver) == LIFE
        # Where a redirection leads nobody was asked about.
        assert {each.path for each in receiver.received} == {"/"}


async def test_an_answer_without_an_end_is_not_read(tmp_path: Path) -> None:
    async with (
        receiving("endless") as receiver,
        open_coordinator(tmp_path, config(receiver)) as coordinator,
    ):
        job_id = await run_one(coordinator, receiver.url)
        await receiver.until(lambda: "completed" in receiver.statuses)
        assert receiver.statuses == LIFE
        assert (await coordinator.services.store.hooks.of_job(job_id))[0].tries == 1


async def test_there_is_an_end_to_patience(tmp_path: Path) -> None:
    async with (
        receiving(*[500] * 3) as receiver,
        open_coordinator(tmp_path, config(receiver, max_tries=3)) as coordinator,
    ):
        job_id = await run_one(coordinator, receiver.url)
        await receiver.until(lambda: "completed" in receiver.statuses)
        assert receiver.statuses == ["pending"] * 3 + LIFE[1:]
        lost = (await coordinator.services.store.hooks.of_job(job_id))[0]
        assert (lost.due_at, lost.delivered_at, lost.tries, lost.last_error) == (None, None, 3, "HTTP 500")


async def test_nobody_waits_for_another_s_receiver(tmp_path: Path) -> None:
    async with receiving() as receiver:
        dead = "http://127.0.0.1:9/"  # discard: nobody listens there
        both = Hooks(allowed=[receiver.url, dead], secret=SECRET, backoff_minimum=5.0)
        async with open_coordinator(tmp_path, CoordinatorConfig(hooks=both)) as coordinator:
            await run_one(coordinator, dead, receiver.url)
            await receiver.until(lambda: len(receiver.received) == 4)
            assert receiver.statuses == LIFE


async def test_calls_outlive_the_coordinator(tmp_path: Path) -> None:
    async with receiving(*[503] * 3) as receiver:
        slow = config(receiver, backoff_minimum=0.3, backoff_maximum=0.3)
        async with open_coordinator(tmp_path, slow) as coordinator:
            await run_one(coordinator, receiver.url)
            await receiver.until(lambda: len(receiver.received) >= 1)
        async with open_coordinator(tmp_path, config(receiver)):
            await receiver.until(lambda: "completed" in receiver.statuses)
            assert without_repetitions(receiver) == LIFE


async def test_what_may_not_be_called_any_more_is_given_up(tmp_path: Path) -> None:
    async with receiving(*[503] * 1000) as receiver:
        async with open_coordinator(tmp_path, config(receiver, backoff_minimum=0.01)) as coordinator:
            job_id = await run_one(coordinator, receiver.url)
        before = len(receiver.received)
        other = Hooks(allowed=["http://elsewhere.example/"], secret=SECRET)
        async with open_coordinator(tmp_path, CoordinatorConfig(hooks=other)) as coordinator:
            await coordinator.submit()
            with trio.fail_after(PATIENCE):
                calls = await coordinator.services.store.hooks.of_job(job_id)
                while any(call.due_at is not None for call in calls):
                    calls = await coordinator.services.store.hooks.of_job(job_id)
        assert len(receiver.received) == before
        assert {call.last_error for call in calls} == {
            f"{receiver.url!r} is not below what this coordinator may call: http://elsewhere.example/"
        }


async def test_hooks_have_to_be_allowed(coordinator: Coordinator, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"hooks: this coordinator calls no hooks"):
        await coordinator.submit(hooks=["https://media.example/"])
    allowed = Hooks(allowed=["https://media.example/hooks/"], secret=SECRET)
    async with open_coordinator(tmp_path / "other", CoordinatorConfig(hooks=allowed)) as other:
        with pytest.raises(BadInput, match=r"hooks: 'https://media.example/' is not below"):
            await other.submit(hooks=["https://media.example/"])
