"""Lists of the versioned API: filters, orders, and pages by cursor or by offset."""

from __future__ import annotations

from urllib.parse import urlencode

from quart import Blueprint, Response, request

from dffmpeg.actors.coordinator.operations import Operations
from dffmpeg.errors import BadInput
from dffmpeg.model.jobs import JobState
from dffmpeg.model.pages import JobFilter, Key, PageRequest
from dffmpeg.web import requests
from dffmpeg.web.answers import json_answer
from dffmpeg.web.requests import caller
from dffmpeg.web.versions import PREFIX
from dffmpeg.wire import times
from dffmpeg.wire.lists import JobList, WorkerList, continued

LIMIT, MAX_LIMIT = 100, 500

MAX_OFFSET = 2000
"""Beyond it only cursors go on: leaving out costs as much as showing."""

DEFAULT_SORT = "-created_at"


def blueprint(operations: Operations) -> Blueprint:
    """The routes /api/v1/jobs and /api/v1/workers."""
    routes = Blueprint("lists", __name__, url_prefix=PREFIX)

    @routes.get("/jobs")
    async def jobs() -> Response:
        key, descending = _sort()
        wanted = PageRequest(
            filter=_filter(), key=key, descending=descending, limit=_limit(), offset=_offset()
        )
        cursor = requests.text("cursor")
        if cursor is not None:
            wanted = continued(wanted, cursor)
        return _linked(await operations.job_page(caller(), wanted))

    @routes.get("/workers")
    async def workers() -> Response:
        found = await operations.worker_page(
            caller(),
            limit=_limit(),
            offset=_offset(),
            after=requests.text("cursor"),
            statuses=requests.names("status") or None,
            labels=requests.names("label"),
        )
        return _linked(found)

    return routes


def _limit() -> int:
    return requests.whole_number("limit", LIMIT, maximum=MAX_LIMIT)


def _offset() -> int:
    offset = requests.whole_number("offset", 0, minimum=0, maximum=MAX_OFFSET)
    if offset and "cursor" in request.args:
        raise BadInput("offset: not together with cursor, which says already where the page begins")
    return offset


def _sort() -> tuple[Key, bool]:
    text = requests.text("sort") or DEFAULT_SORT
    try:
        return Key(text.removeprefix("-")), text.startswith("-")
    except ValueError:
        known = ", ".join(f"{key}, -{key}" for key in Key)
        raise BadInput(f"sort: expected one of {known}") from None


def _filter() -> JobFilter:
    text = requests.text("text")
    return JobFilter(
        states=_states(),
        requester_id=requests.text("requester"),
        worker_id=requests.text("worker"),
        binary_name=requests.text("binary"),
        labels=tuple(requests.names("label")),
        name=requests.text("name"),
        text=None if text is None else text.encode(),
        created_from=_moment("created_from"),
        created_before=_moment("created_before"),
    )


def _states() -> frozenset[JobState] | None:
    names = requests.names("status")
    try:
        return frozenset(JobState(name) for name in names) or None
    except ValueError:
        raise BadInput(f"status: expected some of {', '.join(JobState)}, with commas between") from None


def _moment(name: str) -> float | None:
    text = requests.text(name)
    if text is None:
        return None
    try:
        return times.from_wire(text)
    except (ValueError, OverflowError):
        raise BadInput(f"{name}: expected a time such as 2026-01-31T12:00:00Z") from None


def _linked(page: JobList | WorkerList) -> Response:
    """The page; its `Link` header (RFC 8288) leads to the next one, relative to this one."""
    reply = json_answer(page)
    if page.next is not None:
        query = [(name, value) for name, value in request.args.items(multi=True)]
        kept = [(name, value) for name, value in query if name not in ("cursor", "offset")]
        reply.headers["Link"] = f'<?{urlencode([*kept, ("cursor", page.next)])}>; rel="next"'
    return reply
