"""A log's window: nothing that becomes visible late is missed, and nothing is taken twice."""

from __future__ import annotations

import random

from dffmpeg.model.windows import Window


def test_what_was_seen_is_not_fresh_and_what_becomes_visible_late_is() -> None:
    window = Window(settled=10, seconds=5.0)
    assert not window.fresh(10)
    assert window.fresh(12)
    window.note([("a", 12), ("b", 13)], now=0.0)
    assert not window.fresh(12)
    assert window.fresh(11)
    assert window.newest == {"a": 12, "b": 13}


def test_nothing_is_looked_for_behind_what_was_seen_long_ago() -> None:
    window = Window(settled=0, seconds=5.0)
    window.note([("a", 3)], now=0.0)
    window.note([("b", 9)], now=4.0)
    window.settle(4.9)
    assert window.settled == 0
    window.settle(5.0)
    assert window.settled == 3
    assert window.newest == {"b": 9}
    assert not window.fresh(2)
    assert window.fresh(8)
    window.settle(9.0)
    assert window.settled == 9
    assert window.newest == {}


def test_each_entry_is_taken_once_however_transactions_overtake_each_other() -> None:
    chance = random.Random(5)
    # Each becomes visible at most 5 after its number was given, in whatever order.
    visible_at = {number: number * 0.1 + chance.uniform(0, 4.9) for number in range(1, 500)}
    window = Window(settled=0, seconds=5.0)
    taken: list[int] = []
    for step in range(1200):
        now = step * 0.1
        found = [number for number, moment in visible_at.items() if moment <= now and number > window.settled]
        taken += [number for number in found if window.fresh(number)]
        window.note(((str(number % 3), number) for number in found), now)
        window.settle(now)
    assert sorted(taken) == list(visible_at)
