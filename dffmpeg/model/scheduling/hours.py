"""When a worker takes jobs: "mon-fri 22:00-06:00; sat,sun 00:00-24:00 Europe/Berlin". Pure.

Windows are separated by `;`. Each has days on which it begins (none: every day) and two times of day; one
that ends before it begins ends on the next day. Behind them may stand a time zone for all; without it UTC.
"""

from __future__ import annotations

import re
import zoneinfo
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TIMES = re.compile(r"(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})")
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*")
_DAY = 24 * 60


class BadHours(ValueError):
    """The text is none; says what was expected."""


@dataclass(frozen=True, slots=True)
class Window:
    """Minutes from the midnight with which its day begins; `end` may lie in the next day."""

    days: frozenset[int]
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Hours:
    """A weekly schedule."""

    windows: tuple[Window, ...]
    zone: tzinfo

    def open(self, now: float) -> bool:
        """Whether it is open at that time, Unix seconds."""
        return any(begin <= now < end for begin, end in self._around(now))

    def next_change(self, now: float) -> float | None:
        """When it opens or closes next; None if it never does, being always open."""
        spans = self._around(now)
        if not self.open(now):
            return min((begin for begin, _ in spans if begin > now), default=None)
        end = now
        # Windows that touch or overlap close as one.
        for begin, until in spans:
            if begin <= end < until:
                end = until
        return end if end < now + 8 * 86_400 else None

    def _around(self, now: float) -> list[tuple[float, float]]:
        """The windows from yesterday's to those of the next nine days, as Unix seconds, in order."""
        today = datetime.fromtimestamp(now, self.zone).date()
        spans = [
            (self._moment(day, window.begin), self._moment(day, window.end))
            for day in (today + timedelta(days=offset) for offset in range(-1, 10))
            for window in self.windows
            if day.weekday() in window.days
        ]
        return sorted(spans)

    def _moment(self, day: date, minutes: int) -> float:
        day, minutes = day + timedelta(days=minutes // _DAY), minutes % _DAY
        return datetime.combine(day, time(minutes // 60, minutes % 60), self.zone).timestamp()


@lru_cache(maxsize=1024)
def parse(text: str) -> Hours:
    """A schedule out of its text.

    Raises:
        BadHours: it is none.
    """
    parts = [part.split() for part in text.lower().split(";")]
    if not text.strip() or not all(parts):
        raise BadHours('expected times such as "22:00-06:00" or "mon-fri 22:00-06:00 Europe/Berlin"')
    zone: tzinfo = UTC
    name = text.rsplit(maxsplit=1)[-1]
    if _ZONE.fullmatch(name) and ":" not in name and len(parts[-1]) > 1:
        zone = _zone(name)
        parts[-1].pop()
    return Hours(tuple(_window(words) for words in parts), zone)


def has_zone(text: str) -> bool:
    """Whether a schedule's text names its time zone."""
    return ":" not in text.rsplit(maxsplit=1)[-1]


def _zone(name: str) -> tzinfo:
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise BadHours(f"there is no time zone {name!r} on this machine") from None


def _window(words: list[str]) -> Window:
    shown = " ".join(words)
    if len(words) > 2:
        raise BadHours(f'expected days and times such as "mon-fri 22:00-06:00", got {shown!r}')
    match = _TIMES.fullmatch(words[-1])
    if match is None:
        raise BadHours(f'expected times such as "22:00-06:00", got {words[-1]!r}')
    begin, end = (_minutes(*pair) for pair in (match.groups()[:2], match.groups()[2:]))
    if begin == _DAY:
        raise BadHours(f"a day's last beginning is 23:59, got {words[-1]!r}")
    if begin == end:
        raise BadHours(f'a whole day is "00:00-24:00", got {words[-1]!r}')
    days = _days(words[0]) if len(words) == 2 else frozenset(range(7))
    return Window(days, begin, end if end > begin else end + _DAY)


def _minutes(hours: str, minutes: str) -> int:
    value = int(hours) * 60 + int(minutes)
    if int(minutes) > 59 or value > _DAY:
        raise BadHours(f"there is no time of day {hours}:{minutes}")
    return value


def _days(text: str) -> frozenset[int]:
    found: set[int] = set()
    for item in text.split(","):
        first, _, last = item.partition("-")
        begin, end = _day(first), _day(last or first)
        found |= {(begin + offset) % 7 for offset in range((end - begin) % 7 + 1)}
    return frozenset(found)


def _day(name: str) -> int:
    if name not in DAYS:
        raise BadHours(f"expected a day of {', '.join(DAYS)}, got {name!r}")
    return DAYS.index(name)
