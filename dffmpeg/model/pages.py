"""Lists of jobs, page by page: what is asked for, and where a page ends. Pure.

A page looks at a bounded number of jobs. Where few of them fit its filters it may be short, or empty, and
there may be more behind it all the same: its end says from where to go on.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from dffmpeg.model.jobs import Job, JobState


class Key(StrEnum):
    """What a list is sorted by; jobs with the same are sorted by their ids."""

    CREATED_AT = "created_at"
    LAST_UPDATE = "last_update"


class Place(NamedTuple):
    """A place in a sorted list: behind the job with this key (Unix seconds) and this id. There are thousands
    in a page's making, which are sorted by what they are."""

    at: float
    job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """None and nothing fit every job.

    Attributes:
        labels: a job has to have all of them.
        name: a `*` is anything.
        text: stands in one of the arguments.
        words: each stands in the arguments or in the name, whatever the case of ASCII's letters.
        created_from, created_before: Unix seconds; the first is included.
    """

    states: frozenset[JobState] | None = None
    requester_id: str | None = None
    worker_id: str | None = None
    binary_name: str | None = None
    labels: tuple[str, ...] = ()
    name: str | None = None
    text: bytes | None = None
    words: tuple[bytes, ...] = ()
    created_from: float | None = None
    created_before: float | None = None

    @property
    def reads_arguments(self) -> bool:
        """Whether a job's arguments have to be looked at, and its name."""
        return self.text is not None or bool(self.words)

    def finds(self, arguments: bytes, name: str | None) -> bool:
        """Whether a job's arguments, one behind the other, and its name have what is searched for."""
        if self.text is not None and self.text not in arguments:
            return False
        where = (arguments + b"\0" + (name or "").encode()).lower() if self.words else b""
        return all(word.lower() in where for word in self.words)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """Which jobs.

    Attributes:
        descending: the newest first.
        after: only what is behind this place.
        offset: how many jobs that fit to leave out.
    """

    filter: JobFilter = JobFilter()
    key: Key = Key.CREATED_AT
    descending: bool = True
    limit: int = 100
    after: Place | None = None
    offset: int = 0


@dataclass(frozen=True, slots=True)
class JobPage:
    """Jobs, and how to go on.

    Attributes:
        next: the place to go on from; None at the end of the list.
        skip: how many of those that fit are still to be left out there.
    """

    jobs: Sequence[Job]
    next: Place | None
    skip: int = 0


@dataclass(frozen=True, slots=True)
class Looked:
    """A part of the list that was looked at, in the list's order.

    Attributes:
        seen: the places of all that were.
        fitting: the places of the jobs that fit.
        reached: the last place that was looked at, where there may be more behind it.
    """

    fitting: Sequence[Place]
    reached: Place | None
    seen: Sequence[Place] = ()


def used(parts: Sequence[Looked], request: PageRequest, end: Place | None) -> list[int]:
    """How many of each part's places are not behind the end that the parts have together."""
    return [_until(end, part.seen, request) for part in parts]


def _until(end: Place | None, places: Sequence[Place], request: PageRequest) -> int:
    """How many of the places, which are in the list's order, are not behind the end."""
    if end is None:
        return len(places)
    behind = end.__gt__ if request.descending else end.__lt__
    return bisect_left(places, True, key=behind)


def shares(counts: Sequence[int], most: int, least: int) -> list[int]:
    """How many to look at in each part, where so many were of use in each before: in all about `most`."""
    total = max(1, sum(counts))
    return [max(least, most * count // total) for count in counts]


def merged(parts: Sequence[Looked], request: PageRequest) -> tuple[list[Place], Place | None, int]:
    """The page that parts of a list make, each of them sorted; where it ends, and what to leave out there.

    Beyond the nearest place that some part has reached it is not known what comes next.
    """

    ends = sorted((part.reached for part in parts if part.reached is not None), reverse=request.descending)
    end = ends[0] if ends else None
    places = sorted((place for part in parts for place in part.fitting), reverse=request.descending)
    places = places[: _until(end, places, request)]
    page = places[request.offset : request.offset + request.limit]
    if len(places) > request.offset + request.limit:
        return page, page[-1], 0
    return page, end, max(0, request.offset - len(places)) if end is not None else 0
