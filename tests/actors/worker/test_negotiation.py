"""In which order a worker asks for its downlinks."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from dffmpeg.actors.worker.negotiation import Negotiation

NAMES = ["a", "b", "c"]
OTHERS_FIRST = ["b", "c", "a"]
GRACE = 15.0


def opened(*names: str) -> Negotiation:
    negotiation = Negotiation(names or NAMES, GRACE)
    negotiation.opened("a")
    return negotiation


async def test_one_that_fails_while_the_coordinator_answers_goes_behind(mock_clock: MockClock) -> None:
    negotiation = opened()
    negotiation.answered(verified=True)
    mock_clock.jump(GRACE - 0.1)
    assert negotiation.order() == NAMES
    mock_clock.jump(0.2)
    assert negotiation.order() == OTHERS_FIRST
    # The other works; the first gets another chance after a while.
    negotiation.opened("b")
    negotiation.connected()
    mock_clock.jump(59)
    assert negotiation.order() == OTHERS_FIRST
    mock_clock.jump(2)
    assert negotiation.order() == NAMES


async def test_each_further_failure_is_paid_for_with_a_longer_while(mock_clock: MockClock) -> None:
    negotiation = opened()
    negotiation.answered(verified=True)
    for seconds in (60, 120, 240):
        negotiation.opened("a")
        mock_clock.jump(GRACE)
        assert negotiation.order() == OTHERS_FIRST
        negotiation.opened("b")
        negotiation.connected()
        mock_clock.jump(seconds - 1)
        assert negotiation.order() == OTHERS_FIRST
        mock_clock.jump(2)
        assert negotiation.order() == NAMES
    # Once it has worked, it starts over.
    negotiation.opened("a")
    negotiation.connected()
    mock_clock.jump(10)
    assert negotiation.order() == NAMES
    negotiation.disconnected()
    mock_clock.jump(GRACE)
    assert negotiation.order() == OTHERS_FIRST
    negotiation.opened("b")
    negotiation.connected()
    mock_clock.jump(61)
    assert negotiation.order() == NAMES


async def test_while_the_coordinator_is_away_no_downlink_is_at_fault(mock_clock: MockClock) -> None:
    negotiation = opened()
    negotiation.unanswered()
    mock_clock.jump(1000)
    assert negotiation.order() == NAMES
    # It is back; the downlink may need a moment.
    negotiation.answered(verified=True)
    mock_clock.jump(GRACE - 1)
    assert negotiation.order() == NAMES
    negotiation.connected()
    mock_clock.jump(100)
    assert negotiation.order() == NAMES


async def test_a_connection_that_never_lasts_does_not_work(mock_clock: MockClock) -> None:
    negotiation = opened()
    negotiation.answered(verified=True)
    for _try in range(4):
        negotiation.connected()
        mock_clock.jump(1)
        negotiation.disconnected()
        mock_clock.jump(3)
    assert negotiation.order() == OTHERS_FIRST


async def test_one_that_is_connected_and_brings_nothing_does_not_work(mock_clock: MockClock) -> None:
    negotiation = opened()
    negotiation.connected()
    negotiation.answered(verified=False)
    mock_clock.jump(10)
    negotiation.answered(verified=False)
    assert negotiation.order() == NAMES
    mock_clock.jump(6)
    assert negotiation.order() == OTHERS_FIRST


async def test_the_only_one_is_kept(mock_clock: MockClock) -> None:
    negotiation = opened("a")
    negotiation.answered(verified=True)
    mock_clock.jump(10 * GRACE)
    assert negotiation.order() == ["a"]
    await trio.lowlevel.checkpoint()
