"""Cursors of lists that say what the list is sorted by.

What a list is sorted by is written as its `sort` is: a field, with a minus for the last one first. A cursor
of the list's first order is a place alone, as it always was.
"""

from __future__ import annotations

import math

from dffmpeg.errors import BadInput
from dffmpeg.model.workers import Worker, WorkerKey, WorkerOrder, WorkerPlace

USERS, AUDIT, WORKERS = "id", "-at", "worker_id"
"""Each list's first order."""

_MARK = "~"
"""It stands in no name, and in no address has to be written otherwise."""


def written(key: str, *, descending: bool) -> str:
    """An order as `sort` has it."""
    return f"-{key}" if descending else key


def marked(sort: str, first: str, place: str) -> str:
    """A cursor: a place in a list in that order."""
    return place if sort == first else f"{sort}{_MARK}{place}"


def unmarked(sort: str, first: str, cursor: str) -> str:
    """The place that a cursor leads to.

    Raises:
        BadInput: it is of a list in another order.
    """
    order, mark, place = cursor.partition(_MARK)
    if (order if mark else first) != sort:
        raise BadInput("cursor: it is of a list in another order; the other parameters have to stay the same")
    return place if mark else cursor


def worker_cursor(order: WorkerOrder, worker: Worker) -> str:
    """Where a list of workers goes on behind one of them."""
    seen = f"{worker.last_seen!r}{_MARK}" if order.key is WorkerKey.LAST_SEEN else ""
    return marked(order.sort, WORKERS, seen + worker.worker_id)


def worker_place(order: WorkerOrder, cursor: str) -> WorkerPlace:
    """Where a cursor leads to.

    Raises:
        BadInput: it is none, or of a list in another order.
    """
    place = unmarked(order.sort, WORKERS, cursor)
    if order.key is not WorkerKey.LAST_SEEN:
        return WorkerPlace(place)
    seen, mark, worker_id = place.partition(_MARK)
    try:
        at = float(seen)
    except ValueError:
        at = math.nan
    if not (mark and math.isfinite(at)):
        raise BadInput("cursor: expected the `next` of an earlier page")
    return WorkerPlace(worker_id, at)
