"""How often one may fail: as often as is said, and no attacker's wish makes anything grow."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dffmpeg.model.failures import FailureLimit, neighbourhood


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_so_many_at_once_and_then_one_by_one() -> None:
    clock = Clock()
    limit = FailureLimit(3, 10.0, clock=clock)
    assert [limit.take("a") for _ in range(5)] == [0, 0, 0, 10, 10]
    assert limit.take("b") == 0
    clock.now += 9
    assert limit.take("a") == 1
    clock.now += 1
    assert [limit.take("a"), limit.take("a")] == [0, 10]
    clock.now += 30
    assert [limit.take("a") for _ in range(4)] == [0, 0, 0, 10]


def test_what_did_not_fail_does_not_count() -> None:
    limit = FailureLimit(2, 10.0, clock=Clock())
    for _ in range(100):
        assert limit.take("a") == 0
        limit.give_back("a")
    assert len(limit) == 0
    assert [limit.take("a") for _ in range(3)] == [0, 0, 10]
    limit.give_back("a")
    assert [limit.take("a") for _ in range(2)] == [0, 10]
    limit.give_back("nobody")


def test_of_many_the_longest_silent_is_forgotten() -> None:
    limit = FailureLimit(1, 10.0, clock=Clock(), remembered=3)
    for who in "abcd":
        assert limit.take(who) == 0
    assert len(limit) == 3
    assert [limit.take(who) for who in "bcd"] == [10, 10, 10]
    assert limit.take("a") == 0


@given(st.integers(1, 20), st.floats(0.001, 1000), st.lists(st.floats(0, 100), max_size=200))
def test_never_more_than_are_given(most: int, every: float, pauses: list[float]) -> None:
    clock = Clock()
    limit = FailureLimit(most, every, clock=clock)
    taken, begun = 0, clock.now
    for pause in pauses:
        clock.now += pause
        wait = limit.take("a")
        if wait:
            assert 0 < wait <= every * 1.000001
        else:
            taken += 1
    assert taken <= most + (clock.now - begun) / every + 1


@pytest.mark.parametrize(
    ("address", "stands_for"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
    ],
)
def test_whom_an_address_stands_for(address: str, stands_for: str) -> None:
    assert neighbourhood(ip_address(address)) == stands_for
