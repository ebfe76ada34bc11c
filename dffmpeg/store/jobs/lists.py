"""A list of jobs that is read at once: those that have not ended, or changed since a time.

A job that was submitted since then has changed since then. So the newest are read along the index of a page,
and what is older only where these do not fill the list: the unfinished along the same index, the ended along
that of the last change.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from dffmpeg.model.jobs import TERMINAL, Job, JobState
from dffmpeg.model.pages import JobFilter, PageRequest, Place
from dffmpeg.store import schema
from dffmpeg.store.jobs import pages

_j = schema.jobs.c
_PLACE = sa.select(_j.created_at, _j.job_id).where(_j.job_id == sa.bindparam("the_job"))


def newest(
    connection: sa.Connection, wanted: JobFilter, *, since: float | None, limit: int, before_id: str | None
) -> list[Job]:
    """As `JobRepository.list`.

    Args:
        wanted: without times.
    """
    states = frozenset(JobState) if wanted.states is None else wanted.states
    request = PageRequest(filter=replace(wanted, created_from=since), limit=limit)
    if before_id is not None:
        row = connection.execute(_PLACE, {"the_job": before_id}).one_or_none()
        if row is None:
            return []
        request = replace(request, after=Place(*row))
    places, _, _ = pages.places(connection, request, math.inf)
    if since is not None and len(places) < limit:
        older = replace(request, filter=replace(wanted, created_before=since), limit=limit - len(places))
        unfinished = _older(connection, older, states - TERMINAL, _j.state.in_(sorted(states - TERMINAL)))
        ended = _older(connection, older, states & TERMINAL, _j.last_update >= since)
        places += sorted([*unfinished, *ended], reverse=True)[: older.limit]
    # One may have gone on since its place was read.
    return [job for job in pages.jobs(connection, places) if job.state in states]


def _older(
    connection: sa.Connection,
    request: PageRequest,
    states: frozenset[JobState],
    *indexed: sa.ColumnElement[bool],
) -> list[Place]:
    """Those in one of these states, by conditions of which an index finds the few that there are."""
    if not states:
        return []
    rest = pages.conditions(replace(request, filter=replace(request.filter, states=states)))
    # As one expression, or an engine without statistics would take another index, and read all that ended.
    fits: sa.ColumnElement[Any] = sa.case((sa.and_(*rest), 1), else_=0) == 1
    query = sa.select(_j.created_at, _j.job_id).where(*indexed, fits)
    rows = connection.execute(query.order_by(_j.created_at.desc(), _j.job_id.desc()).limit(request.limit))
    return [Place(*row) for row in rows]
