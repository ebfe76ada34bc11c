"""What every downlink promises: little, since reconciliation does the rest, but that it keeps."""

from __future__ import annotations

import pytest
import trio

from dffmpeg.actors.coordinator.operations import Operations
from dffmpeg.transports.http_polling_server import HttpPollingDownlink
from dffmpeg.transports.relayed_messages import KEPT_BYTES, RelayedMessages
from dffmpeg.wire.jobs import SubmitRequest
from tests.conformance.downlinks.site import KINDS, Listener, Site

COUNT = 300


async def test_messages_reach_their_recipient_in_order_and_nobody_else(site: Site) -> None:
    async with site.listening("worker1") as one, site.listening("worker2") as other:
        # The WebSocket's queue is bounded; nobody sends so much at once.
        for begin in range(0, COUNT, 100):
            for number in range(begin, begin + 100):
                await site.send("worker1", number)
                await site.send("worker2", -number)
            await one.until(begin + 99)
            await other.until(-(begin + 99))
    assert one.numbers == list(range(COUNT))
    assert other.numbers == [-number for number in range(COUNT)]
    assert (one.recipients, other.recipients) == ({site.name("worker1")}, {site.name("worker2")})


# Over WebSockets a job is followed on one of its own.
@pytest.mark.parametrize("site", [name for name in KINDS if name != "websocket"], indirect=True)
async def test_a_requester_hears_of_its_job(site: Site) -> None:
    identity = await site.services.store.identities.get(site.name("alice"))
    assert identity is not None
    operations = Operations(site.services)
    jobs = [(await operations.submit(identity, SubmitRequest(binary_name="ffmpeg"))).job_id for _ in "12"]
    async with site.listening("alice", jobs[0]) as listener:
        for number in range(10):
            await site.send("alice", -1, job_id=jobs[1])
            await site.send("alice", number, job_id=jobs[0])
        await listener.until(9)
    assert listener.numbers == list(range(10))


async def test_whoever_comes_back_goes_on(site: Site) -> None:
    async with site.listening("worker1") as listener:
        await site.send("worker1", 0)
        await listener.until(0)
        site.proxy.shut()
        if site.kind.broker is None:
            for number in range(1, 50):
                await site.send("worker1", number)
        site.proxy.reopen()
        await listener.until_connected(2 if site.kind.backend is None else 1)
        await site.usable()
        for number in range(50, 60):
            await site.send("worker1", number)
        await listener.until(59)
    assert listener.numbers == sorted(set(listener.numbers))
    if site.kind.keeps and site.kind.broker is None:
        assert listener.numbers == list(range(60))


async def test_connections_that_break_lose_at_most_what_is_not_kept(site: Site) -> None:
    async with site.listening("worker1") as listener:
        for round_ in range(5):
            for number in range(round_ * 40, round_ * 40 + 40):
                await site.send("worker1", number)
                if number % 40 == 20:
                    site.proxy.drop()
            # Each round ends with somebody there to hear it.
            await site.usable()
            await _reaches(site, listener, 1000 + round_)
    ours = [number for number in listener.numbers if number < 1000]
    assert ours == sorted(set(ours))
    if site.kind.keeps and site.kind.backend is None:
        assert ours == list(range(200))


async def _reaches(site: Site, listener: Listener, number: int) -> None:
    """Send until it arrives: the receiver may be away just now, and not everything is kept."""
    with trio.fail_after(120):
        while number not in listener.numbers:
            await site.send("worker1", number)
            with trio.move_on_after(1.0):
                await listener.until(number)


async def test_a_slow_line_changes_nothing(site: Site) -> None:
    async with site.listening("worker1") as listener:
        site.proxy.delay = 0.02
        for number in range(50):
            await site.send("worker1", number)
        await listener.until(49)
    assert listener.numbers == list(range(50))


async def test_a_slow_receiver_takes_no_memory(site: Site) -> None:
    async with site.listening("worker1") as listener:
        listener.paused = True
        before = site.proxy.passed
        for number in range(2000):
            await site.send("worker1", number, size=20_000)
        await listener.until(0)
        # Whatever is under way has come to rest, in kernels' buffers at the most.
        seen = -1
        while seen != site.proxy.passed:
            seen = site.proxy.passed
            await trio.sleep(1.0)
        downlink = site.downlink
        if isinstance(downlink, HttpPollingDownlink) and isinstance(downlink.source, RelayedMessages):
            # It reaches the coordinator, which keeps some of it.
            assert downlink.source.size <= KEPT_BYTES
        else:
            assert site.proxy.passed - before < 24_000_000
        listener.paused = False
        listener.note()
        await _reaches(site, listener, 5000)
    ours = [number for number in listener.numbers if number < 5000]
    assert ours == sorted(set(ours))


@pytest.mark.parametrize(
    "site", [name for name, kind in KINDS.items() if kind.backend is not None], indirect=True
)
async def test_pollers_share_one_connection_to_the_broker(site: Site) -> None:
    async with (
        site.listening("worker1") as one,
        site.listening("worker2") as other,
        site.listening("worker1"),
    ):
        await site.send("worker1", 1)
        await site.send("worker2", 2)
        await one.until(1)
        await other.until(2)
        assert site.proxy.connections == 1


async def test_it_comes_back_with_its_server(restartable: Site) -> None:
    site = restartable
    async with site.listening("worker1") as listener:
        await site.send("worker1", 0)
        await listener.until(0)
        for life in range(1, 3):
            await site.restart()
            await site.usable()
            await _reaches(site, listener, life)
    assert listener.numbers[0] == 0


@pytest.mark.parametrize(
    "site", [name for name, kind in KINDS.items() if kind.broker is not None], indirect=True
)
async def test_a_broker_that_is_away_makes_it_unusable_and_nothing_else(site: Site) -> None:
    site.proxy.shut()
    await site.usable(False)
    health = await Operations(site.services).health(deep=True)
    assert health["transports"] == {site.kind.name: "unhealthy"}
    # Nobody has to wait for it.
    for number in range(1000):
        await site.send("worker1", number)
    site.proxy.reopen()
    await site.usable()
