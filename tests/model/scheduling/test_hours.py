"""When a worker takes jobs."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dffmpeg.model.scheduling.hours import BadHours, has_zone, parse


def at(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


# 2026-11-21 is a Saturday.
OPEN = [
    ("22:00-06:00", "2026-11-21T21:59:59", False, "2026-11-21T22:00:00"),
    ("22:00-06:00", "2026-11-21T22:00:00", True, "2026-11-22T06:00:00"),
    ("22:00-06:00", "2026-11-22T05:59:59", True, "2026-11-22T06:00:00"),
    ("22:00-06:00", "2026-11-22T06:00:00", False, "2026-11-22T22:00:00"),
    ("mon-fri 22:00-06:00", "2026-11-21T05:00:00", True, "2026-11-21T06:00:00"),
    ("mon-fri 22:00-06:00", "2026-11-21T23:00:00", False, "2026-11-23T22:00:00"),
    ("mon-fri 22:00-06:00; sat,sun 00:00-24:00", "2026-11-21T05:00:00", True, "2026-11-23T00:00:00"),
    ("fri-mon 9:30-10:00", "2026-11-24T09:45:00", False, "2026-11-27T09:30:00"),
    ("sun 00:00-24:00", "2026-11-21T12:00:00", False, "2026-11-22T00:00:00"),
    ("12:00-13:00; 13:00-14:00", "2026-11-21T12:30:00", True, "2026-11-21T14:00:00"),
    ("00:00-24:00", "2026-11-21T12:30:00", True, None),
]


@pytest.mark.parametrize(("text", "moment", "is_open", "change"), OPEN)
def test_open_and_until_when(text: str, moment: str, is_open: bool, change: str | None) -> None:
    schedule = parse(text)
    assert schedule.open(at(moment)) is is_open
    assert schedule.next_change(at(moment)) == (None if change is None else at(change))


def test_times_are_those_of_the_zone_also_when_clocks_change() -> None:
    berlin = parse("22:00-06:00 Europe/Berlin")
    assert berlin.open(at("2026-11-21T22:30", "Europe/Berlin"))
    assert not berlin.open(at("2026-11-21T05:30"))
    assert parse("22:00-06:00").open(at("2026-11-21T05:30"))
    # In the night of the 29th of March there is no 2:30, and in that of the 25th of October there are two.
    for night, length in (("2026-03-28", 7), ("2026-10-24", 9), ("2026-11-21", 8)):
        begin = at(f"{night}T22:00", "Europe/Berlin")
        assert berlin.next_change(begin) == begin + length * 3600


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "expected times such as"),
        ("night", 'expected times such as "22:00-06:00", got'),
        ("22-6", "expected times such as"),
        ("25:00-06:00", "there is no time of day 25:00"),
        ("22:60-06:00", "there is no time of day 22:60"),
        ("24:00-06:00", "a day's last beginning is 23:59"),
        ("08:00-08:00", 'a whole day is "00:00-24:00"'),
        ("mo 22:00-06:00", "expected a day of mon, tue, wed, thu, fri, sat, sun, got 'mo'"),
        ("mon tue 22:00-06:00", "expected days and times"),
        ("22:00-06:00;", "expected times such as"),
        ("22:00-06:00 Europe/Atlantis", "there is no time zone 'Europe/Atlantis'"),
        ("22:00-06:00 ../etc/passwd", "expected"),
    ],
)
def test_what_is_no_schedule(text: str, says: str) -> None:
    with pytest.raises(BadHours) as raised:
        parse(text)
    assert says in str(raised.value)


def test_whether_the_zone_is_named() -> None:
    assert has_zone("mon 22:00-06:00 Europe/Berlin")
    assert not has_zone("mon 22:00-06:00")


@given(
    st.sampled_from(
        [text for text, *_ in OPEN] + ["22:00-06:00 America/Santiago", "sat 23:00-01:00 Asia/Tokyo"]
    ),
    st.integers(min_value=0, max_value=2_000_000_000),
)
def test_between_two_changes_nothing_changes(text: str, now: int) -> None:
    schedule = parse(text)
    change = schedule.next_change(now)
    if change is None:
        assert schedule.open(now)
        return
    assert now < change
    assert schedule.open(change) is not schedule.open(now)
    for part in (0.25, 0.5, 0.75, 0.999):
        assert schedule.open(now + (change - now) * part) is schedule.open(now)
