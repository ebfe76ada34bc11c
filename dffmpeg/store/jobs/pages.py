"""Reading a page of jobs along an index, whatever the number of rows.

Two steps: first the places of the jobs on the page, out of an index and at most `LOOK` rows; then these
jobs. A list of all states is as many lists, each along the index that begins with the state, put together.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from dffmpeg.model.jobs import JobState
from dffmpeg.model.pages import JobFilter, JobPage, Key, Looked, PageRequest, Place, merged
from dffmpeg.store import schema
from dffmpeg.store.jobs.rows import to_job

LOOK = 3000
"""Rows that are looked at for one page where a filter is not the index's own."""

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
    looks = list(_looks(request))
    parts = [_look(connection, query, most, request.filter.text) for query, most in looks]
    places, end, skip = merged(parts, request)
    ids = [place.job_id for place in places]
    rows = connection.execute(_BY_ID, {"ids": ids}).mappings() if ids else ()
    found = {row["job_id"]: to_job(row) for row in rows}
    # One may have been removed between the two.
    return JobPage([found[job_id] for job_id in ids if job_id in found], end, skip)


def _looks(request: PageRequest) -> Iterator[tuple[sa.Select[Any], int]]:
    """The queries, each of which follows an index, and how many rows each may give."""
    wanted = request.filter
    if request.key is Key.CREATED_AT and wanted.requester_id is None:
        states = sorted(JobState if wanted.states is None else wanted.states)
        conditions, rest = [[_j.state == state.value] for state in states], _rest(wanted, states=False)
    elif request.key is Key.CREATED_AT:
        conditions, rest = [[_j.requester_id == wanted.requester_id]], _rest(wanted, requester=False)
    else:
        conditions, rest = [[]], [*_rest(wanted), *_created(wanted)]
    most = request.offset + request.limit + 1
    if rest or wanted.text is not None:
        most = max(1, LOOK // max(1, len(conditions)))
    for condition in conditions:
        created = _created(wanted) if request.key is Key.CREATED_AT else []
        yield _query(request, [*condition, *created, *_behind(request)], rest, most), most


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
    if request.filter.text is not None:
        columns.append(_j.arguments)
    return sa.select(*columns).where(*conditions).order_by(*order).limit(most)


def _look(connection: sa.Connection, query: sa.Select[Any], most: int, text: bytes | None) -> Looked:
    rows = connection.execute(query).all()
    fitting = [Place(row[0], row[1]) for row in rows if row[2] and (text is None or text in row[3])]
    reached = Place(rows[-1][0], rows[-1][1]) if len(rows) == most else None
    return Looked(fitting, reached)
