"""Lists of jobs, page by page: what is asked for, and where a page ends. Pure.

A page looks at a bounded number of jobs. Where few of them fit its filters it may be short, or empty, and
there may be more behind it all the same: its end says from where to go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from dffmpeg.model.jobs import Job, JobState


class Key(StrEnum):
    """What a list is sorted by; jobs with the same are sorted by their ids."""

    CREATED_AT = "created_at"
    LAST_UPDATE = "last_update"


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a sorted list: behind the job with this key (Unix seconds) and this id."""

    at: float
    job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """None and nothing fit every job.

    Attributes:
        labels: a job has to have all of them.
        name: a `*` is anything.
        text: stands in one of the arguments.
        created_from, created_before: Unix seconds; the first is included.
    """

    states: frozenset[JobState] | None = None
    requester_id: str | None = None
    worker_id: str | None = None
    binary_name: str | None = None
    labels: tuple[str, ...] = ()
    name: str | None = None
    text: bytes | None = None
    created_from: float | None = None
    created_before: float | None = None


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
        fitting: the places of the jobs that fit.
        reached: the last place that was looked at, where there may be more behind it.
    """

    fitting: Sequence[Place]
    reached: Place | None


def merged(parts: Sequence[Looked], request: PageRequest) -> tuple[list[Place], Place | None, int]:
    """The page that parts of a list make, each of them sorted; where it ends, and what to leave out there.

    Beyond the nearest place that some part has reached it is not known what comes next.
    """

    def order(place: Place) -> tuple[float, str]:
        return place.at, place.job_id

    backwards = request.descending
    ends = sorted((part.reached for part in parts if part.reached is not None), key=order, reverse=backwards)
    end = ends[0] if ends else None
    places = sorted((place for part in parts for place in part.fitting), key=order, reverse=backwards)
    if end is not None:
        places = [place for place in places if (order(place) >= order(end)) is backwards or place == end]
    page = places[request.offset : request.offset + request.limit]
    if len(places) > request.offset + request.limit:
        return page, page[-1], 0
    return page, end, max(0, request.offset - len(places)) if end is not None else 0
