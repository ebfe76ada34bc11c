"""Following a job through the Python interface, event by event."""

from __future__ import annotations

import pytest

from dffmpeg.client.api import Client
from dffmpeg.client.events import Event, Gap, Output, Status
from dffmpeg.client.progress import OutputLost
from dffmpeg.errors import Refused
from dffmpeg.wire.frames import Kind
from tests.client.coordinator import Coordinator


async def follow_all(client: Client, job_id: str, *, owner: bool = False) -> list[Event]:
    async with client.follow(job_id, owner=owner) as events:
        return [event async for event in events]


async def test_follow_hands_out_typed_events(coordinator: Coordinator, client: Client) -> None:
    job = coordinator.job()
    job.write(b"abc")
    job.kept_from[Kind.STDOUT] = 1
    job.finish(exit_code=0)
    seen = await follow_all(client, job.record.job_id)
    assert [type(event) for event in seen] == [Gap, Output, Status]
    assert seen[0] == Gap(Kind.STDOUT, 1)
    assert seen[1] == Output(Kind.STDOUT, b"bc")
    assert isinstance(seen[2], Status)
    assert seen[2].record.status == "completed"
    assert not coordinator.positions[0].owner


async def test_an_event_is_acknowledged_when_the_next_one_is_asked_for(
    coordinator: Coordinator, client: Client
) -> None:
    job = coordinator.job()
    job.write(b"abc")
    async with client.follow(job.record.job_id, owner=True) as events:
        async for event in events:
            if isinstance(event, Output):
                break
        assert job.position.stdout == 0
        job.finish(exit_code=0)
        rest = [event async for event in events]
        assert isinstance(rest[-1], Status)


async def test_following_can_be_left_in_the_middle(coordinator: Coordinator, client: Client) -> None:
    job = coordinator.job()
    job.write(b"abc")
    async with client.follow(job.record.job_id) as events:
        async for _ in events:
            break
    assert not job.canceled.is_set()


async def test_follow_raises_what_is_final(coordinator: Coordinator, client: Client) -> None:
    with pytest.raises(Refused, match="no such job"):
        await follow_all(client, "01JNONE")


async def test_the_owner_does_not_accept_lost_output(coordinator: Coordinator, client: Client) -> None:
    job = coordinator.job()
    job.write(b"abcdef")
    job.kept_from[Kind.STDOUT] = 3
    with pytest.raises(OutputLost, match="gap from byte 0 to 3"):
        await follow_all(client, job.record.job_id, owner=True)
