"""Reading a page of jobs along an index, whatever the number of rows.

Two steps: first the places of the jobs on the page, out of an index and `LOOK` rows at a time; then these
jobs. A list of all states is as many lists, each along the index that begins with the state, put together.
Where few jobs fit, it looks on for a moment, and leaves the rest to the next page.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from dffmpeg.model.jobs import Job, JobState
from dffmpeg.model.pages import JobFilter, JobPage, Key, Looked, PageRequest, Place, merged, shares, used
from dffmpeg.store import schema
from dffmpeg.store.jobs.rows import to_job
from dffmpeg.store.results import by_name

FIRST, LOOK = 700, 3000
"""Rows that are looked at at once where a filter is not the index's own, at first and at most."""

AT_ONCE = 500
"""Ids in one question."""

LEAST = 20
"""Rows of a state that are, however rare it was before."""

PATIENCE = 0.03
"""Seconds after which a page that is not full is all the same, so that a page takes less than 100 ms. How
long rows take shows from those before: so a busy machine looks at fewer, and not for longer."""

ESCAPE = "/"

_j = schema.jobs.c
_BY_ID = sa.select(schema.jobs).where(_j.job_id.in_(sa.bindparam("ids", expanding=True)))


def labelled(label: str) -> sa.ColumnElement[bool]:
    """Whether a job has the label: as text, where each stands in quotation marks; none can hold one."""
    return sa.type_coerce(_j.labels, sa.Text).icontains(f'"{label}"', autoescape=True)


def named(name: str) -> sa.ColumnElement[bool]:
    """Whether a job has the name, in which a `*` is anything."""
    for special in (ESCAPE, "%", "_"):
        name = name.replace(special, ESCAPE + special)
    return _j.name.ilike(name.replace("*", "%"), escape=ESCAPE)


def page(connection: sa.Connection, request: PageRequest) -> JobPage:
    """One page."""
    found, end, skip = places(connection, request, PATIENCE)
    return JobPage(jobs(connection, found), end, skip)


def jobs(connection: sa.Connection, found: Sequence[Place]) -> list[Job]:
    """The jobs at these places, in their order, but for those that were removed meanwhile."""
    there: dict[str, Job] = {}
    for start in range(0, len(found), AT_ONCE):
        ids = [place.job_id for place in found[start : start + AT_ONCE]]
        rows = by_name(connection.execute(_BY_ID, {"ids": ids}))
        there |= {row["job_id"]: to_job(row) for row in rows}
    return [there[place.job_id] for place in found if place.job_id in there]


def places(
    connection: sa.Connection, request: PageRequest, patience: float
) -> tuple[list[Place], Place | None, int]:
    """The places of those on a page, and the page's end, as `merged` has them.

    Args:
        patience: seconds after which a page that is not full is all the same.
    """
    found: list[Place] = []
    began, looked, shared = time.monotonic(), 0, None
    while True:
        parts = [_look(connection, query, rows, request.filter) for query, rows in _looks(request, shared)]
        fitting, end, skip = merged(parts, request)
        found += fitting
        looked += sum(len(part.seen) for part in parts)
        spent = time.monotonic() - began
        most = int(min(LOOK, looked * (patience / max(spent, 1e-6) - 1)))
        if end is None or len(fitting) == request.limit or most < LEAST:
            return found, end, skip
        request, shared = _further(request, parts, end, most)
        request = replace(request, after=end, offset=skip, limit=request.limit - len(fitting))


def _further(
    request: PageRequest, parts: Sequence[Looked], end: Place, most: int
) -> tuple[PageRequest, Sequence[int]]:
    """The request without the states that have nothing behind the end, and how many rows of each other to
    look at."""
    counts = used(parts, request, end)
    if not _by_state(request):
        return request, shares(counts, most, LEAST)
    left = [
        (state, count)
        for state, part, count in zip(_states(request), parts, counts, strict=True)
        if part.reached is not None or count < len(part.seen)
    ]
    wanted = replace(request.filter, states=frozenset(state for state, _ in left))
    return replace(request, filter=wanted), shares([count for _, count in left], most, LEAST)


def _by_state(request: PageRequest) -> bool:
    return request.key is Key.CREATED_AT and request.filter.requester_id is None


def _states(request: PageRequest) -> list[JobState]:
    return sorted(JobState if request.filter.states is None else request.filter.states)


def _looks(request: PageRequest, shared: Sequence[int] | None = None) -> Iterator[tuple[sa.Select[Any], int]]:
    """The queries, each of which follows an index, and how many rows each may give.

    Args:
        shared: how many of each, where that is known.
    """
    wanted = request.filter
    if _by_state(request):
        conditions = [[_j.state == state.value] for state in _states(request)]
        rest = _rest(wanted, states=False)
    elif request.key is Key.CREATED_AT:
        conditions, rest = [[_j.requester_id == wanted.requester_id]], _rest(wanted, requester=False)
    else:
        conditions, rest = [[]], [*_rest(wanted), *_created(wanted)]
    most = request.offset + request.limit + 1
    if rest or wanted.reads_arguments:
        most = max(1, min(FIRST, LOOK) // max(1, len(conditions)))
    for condition, rows in zip(conditions, shared or [most] * len(conditions), strict=True):
        created = _created(wanted) if request.key is Key.CREATED_AT else []
        yield _query(request, [*condition, *created, *_behind(request)], rest, rows), rows


def conditions(request: PageRequest) -> list[sa.ColumnElement[bool]]:
    """All that a job has to fit, but what stands in its arguments."""
    return [*_rest(request.filter), *_created(request.filter), *_behind(request)]


def _rest(wanted: JobFilter, *, states: bool = True, requester: bool = True) -> list[sa.ColumnElement[bool]]:
    """What a job has to fit besides."""
    rest: list[sa.ColumnElement[bool]] = [labelled(label) for label in wanted.labels]
    if states and wanted.states is not None:
        rest.append(_j.state.in_(sorted(wanted.states)))
    if requester and wanted.requester_id is not None:
        rest.append(_j.requester_id == wanted.requester_id)
    if wanted.worker_id is not None:
        rest.append(_j.worker_id == wanted.worker_id)
    if wanted.binary_name is not None:
        rest.append(_j.binary_name == wanted.binary_name)
    if wanted.name is not None:
        rest.append(named(wanted.name))
    return rest


def _behind(request: PageRequest) -> list[sa.ColumnElement[bool]]:
    """The part of the list behind a place. The first of the two conditions is what an index finds."""
    key, after = _key(request), request.after
    if after is None:
        return []
    if request.descending:
        return [key <= after.at, (key < after.at) | (_j.job_id < after.job_id)]
    return [key >= after.at, (key > after.at) | (_j.job_id > after.job_id)]


def _created(wanted: JobFilter) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.created_from is not None:
        conditions.append(_j.created_at >= wanted.created_from)
    if wanted.created_before is not None:
        conditions.append(_j.created_at < wanted.created_before)
    return conditions


def _key(request: PageRequest) -> sa.ColumnElement[float]:
    return _j.created_at if request.key is Key.CREATED_AT else _j.last_update


def _query(
    request: PageRequest,
    conditions: list[sa.ColumnElement[bool]],
    rest: list[sa.ColumnElement[bool]],
    most: int,
) -> sa.Select[Any]:
    key = _key(request)
    order = (key.desc(), _j.job_id.desc()) if request.descending else (key, _j.job_id)
    columns: list[sa.ColumnElement[Any]] = [key, _j.job_id]
    # As a column and not a condition: a row that does not fit counts as looked at.
    columns.append(sa.case((sa.and_(*rest), 1), else_=0) if rest else sa.literal(1))
    if request.filter.reads_arguments:
        columns += [_j.arguments, _j.name]
    return sa.select(*columns).where(*conditions).order_by(*order).limit(most)


def _look(connection: sa.Connection, query: sa.Select[Any], most: int, wanted: JobFilter) -> Looked:
    rows = connection.execute(query).all()
    seen = [Place(row[0], row[1]) for row in rows]
    reads = wanted.reads_arguments
    fitting = [
        place
        for place, row in zip(seen, rows, strict=True)
        if row[2] and (not reads or wanted.finds(row[3], row[4]))
    ]
    return Looked(fitting, seen[-1] if len(rows) == most else None, seen)
