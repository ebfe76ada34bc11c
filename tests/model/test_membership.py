"""Who leads, who is gone, and who looks after which worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from dffmpeg.model.membership import Member, MemberState, Watch, leader, new_homes

A, B, C = "01A", "01B", "01C"
ACTIVE, DRAINING, GONE = MemberState.ACTIVE, MemberState.DRAINING, MemberState.GONE


def member(name: str, state: str = ACTIVE, renewals: int = 0) -> Member:
    return Member(name, None, state, renewals)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ([], None),
        ([member(A)], A),
        ([member(B), member(A)], A),
        ([member(A, DRAINING), member(C), member(B)], B),
        ([member(A, GONE), member(B)], B),
        ([member(A, GONE)], None),
        # Somebody has to, until the last one has left.
        ([member(B, DRAINING), member(A, DRAINING), member("011", GONE)], A),
    ],
)
def test_the_oldest_leads(members: Sequence[Member], expected: str | None) -> None:
    assert leader(members) == expected


def test_who_says_nothing_for_its_lease_is_gone() -> None:
    watch = Watch(lease=5.0)
    assert watch.look([member(A, renewals=7), member(B, renewals=1)], 100.0) == []
    for now in (102.0, 104.0):
        assert watch.look([member(A, renewals=7), member(B, renewals=2)], now) == []
    assert watch.look([member(A, renewals=7), member(B, renewals=2)], 105.0) == []
    assert watch.look([member(A, renewals=7), member(B, renewals=2)], 105.1) == [member(A, renewals=7)]
    # Heard of after all, it has a whole lease again.
    assert watch.look([member(A, renewals=8), member(B, renewals=3)], 105.2) == []
    for now in (107.0, 109.0, 110.0):
        assert watch.look([member(A, renewals=8), member(B, renewals=3)], now) == []


def test_who_is_draining_may_fall_silent_and_who_is_gone_is_not_looked_at() -> None:
    watch = Watch(lease=5.0)
    rows = [member(A, DRAINING), member(B, GONE)]
    for now in (1.0, 3.0, 5.0):
        assert watch.look(rows, now) == []
    assert watch.look(rows, 7.0) == [member(A, DRAINING)]


def test_a_watcher_that_could_not_look_blames_nobody_for_it() -> None:
    watch = Watch(lease=5.0)
    watch.look([member(A, renewals=1)], 1.0)
    # A database that nobody reached: the other has not renewed either.
    for now in (60.0, 62.0, 64.0, 65.0):
        assert watch.look([member(A, renewals=1)], now) == []
    assert watch.look([member(A, renewals=1)], 65.1) == [member(A, renewals=1)]


@pytest.mark.parametrize(
    ("homes", "active", "expected"),
    [
        ({}, [A], {}),
        ({"one": A}, [A, B], {}),
        ({"one": None}, [B], {"one": B}),
        ({"one": C, "two": C}, [A, B], {"one": A, "two": B}),
        ({"one": C, "two": A, "three": A}, [A, B], {"one": B}),
        ({"one": C}, [], {}),
    ],
)
def test_workers_without_a_home_go_where_the_fewest_are(
    homes: Mapping[str, str | None], active: Sequence[str], expected: Mapping[str, str]
) -> None:
    assert new_homes(homes, active) == expected
