"""What people read."""

from __future__ import annotations

import pytest

from dffmpeg import tables
from dffmpeg.wire import times


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-5, "0 s"), (89, "89 s"), (90, "2 min"), (5399, "90 min"), (5400, "2 h"), (129600, "2 d"),
    ],
)  # fmt: skip
def test_age(seconds: float, expected: str) -> None:
    now = 1_800_000_000.0
    assert tables.age(times.to_wire(now - seconds), now) == expected


def test_times_that_are_none_or_nonsense_are_shown_as_they_are() -> None:
    assert (tables.age(None, 0), tables.moment(None)) == (None, None)
    assert (tables.age("soon", 0), tables.moment("soon")) == ("soon", "soon")


def test_table() -> None:
    shown = tables.table(("A", "LONG"), [("xyz", None), ("x", "a\nb\x1b")], empty="nothing")
    assert shown == "A    LONG\nxyz  -\nx    a\\nb\\x1b"
    assert tables.table(("A",), [], empty="nothing") == "nothing"


def test_fields() -> None:
    assert tables.fields([("a", 1), ("none", None), ("long", "x")]) == "a     1\nlong  x"
