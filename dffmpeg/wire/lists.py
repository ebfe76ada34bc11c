"""Lists below /api/v1: a page, and how to go on."""

from __future__ import annotations

import base64
import binascii
import math

import msgspec

from dffmpeg.errors import BadInput
from dffmpeg.model.pages import Key, PageRequest, Place
from dffmpeg.wire.jobs import JobRecord
from dffmpeg.wire.workers import WorkerRecord


class JobList(msgspec.Struct, kw_only=True):
    """GET /api/v1/jobs.

    Attributes:
        items: the page.
        next: the `cursor` of the next page; None at the end of the list. A page may be shorter than its
            limit, or empty, and have one all the same.
        searched_until: all jobs up to that time were looked at, in the list's order and by what it is sorted
            by, ISO 8601 UTC; null at the end of the list.
    """

    items: list[JobRecord]
    next: str | None
    searched_until: str | None = None


class WorkerList(msgspec.Struct, kw_only=True):
    """GET /api/v1/workers, as a JobList."""

    items: list[WorkerRecord]
    next: str | None


class _Cursor(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    key: Key
    descending: bool
    at: float
    job_id: str
    skip: int


def cursor(request: PageRequest, place: Place, skip: int) -> str:
    """Where the next page of a list begins, as a text that says nothing to anybody else."""
    content = _Cursor(request.key, request.descending, place.at, place.job_id, skip)
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(content)).decode().rstrip("=")


def continued(request: PageRequest, text: str) -> PageRequest:
    """The request for the page that a cursor leads to.

    Raises:
        BadInput: it is no cursor, or of a list in another order.
    """
    try:
        content = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        found = msgspec.msgpack.decode(content, type=_Cursor)
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise BadInput("cursor: expected the `next` of an earlier page") from None
    if (found.key, found.descending) != (request.key, request.descending):
        raise BadInput("cursor: it is of a list in another order; the other parameters have to stay the same")
    if not math.isfinite(found.at) or found.skip < 0 or not found.job_id.isprintable():
        raise BadInput("cursor: expected the `next` of an earlier page")
    place = Place(found.at, found.job_id)
    return PageRequest(
        filter=request.filter,
        key=request.key,
        descending=request.descending,
        limit=request.limit,
        after=place,
        offset=found.skip,
    )
