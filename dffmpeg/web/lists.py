"""Lists of the versioned API: filters, orders, and pages by cursor or by offset; and a job in full."""

from __future__ import annotations

from urllib.parse import urlencode

from quart import Blueprint, Response, request

from dffmpeg.actors.coordinator.operations import Operations
from dffmpeg.errors import BadInput
from dffmpeg.model.jobs import JobState
from dffmpeg.model.pages import JobFilter, Key, PageRequest
from dffmpeg.model.workers import STATUSES, WorkerKey, WorkerOrder
from dffmpeg.web import requests
from dffmpeg.web.answers import json_answer
from dffmpeg.web.requests import caller
from dffmpeg.web.versions import PREFIX
from dffmpeg.wire.audit import AuditList
from dffmpeg.wire.lists import JobList, WorkerList, continued
from dffmpeg.wire.orders import WORKERS, worker_place
from dffmpeg.wire.users import UserList

LIMIT, MAX_LIMIT = 100, 500

MAX_OFFSET = 2000
"""Beyond it only cursors go on: leaving out costs as much as showing."""

MAX_CURSOR = 256
"""Characters. An order and a worker's id stand in one."""

DEFAULT_SORT = "-created_at"


def blueprint(operations: Operations) -> Blueprint:
    """The routes /api/v1/jobs, that of one job, and /api/v1/workers."""
    routes = Blueprint("lists", __name__, url_prefix=PREFIX)

    @routes.get("/jobs")
    async def jobs() -> Response:
        key, descending = sort(DEFAULT_SORT, *Key)
        wanted = PageRequest(
            filter=_filter(), key=Key(key), descending=descending, limit=limit(), offset=offset()
        )
        place = cursor()
        if place is not None:
            wanted = continued(wanted, place)
            if wanted.offset > MAX_OFFSET:
                # Ours only lead to less: with any number each page could have all jobs read.
                raise BadInput("cursor: expected the `next` of an earlier page")
        return linked(await operations.job_page(caller(), wanted))

    @routes.get("/jobs/<job_id>")
    async def job_in_full(job_id: str) -> Response:
        return json_answer(await operations.job_in_full(caller(), job_id))

    @routes.get("/workers")
    async def workers() -> Response:
        key, descending = sort(WORKERS, *WorkerKey)
        order = WorkerOrder(WorkerKey(key), descending)
        place = cursor()
        found = await operations.worker_page(
            caller(),
            limit=limit(),
            offset=offset(),
            after=None if place is None else worker_place(order, place),
            statuses=_worker_statuses(),
            labels=requests.names("label"),
            order=order,
        )
        return linked(found)

    return routes


def limit() -> int:
    """How many entries a page may have."""
    return requests.whole_number("limit", LIMIT, maximum=MAX_LIMIT)


def offset() -> int:
    """How many entries to leave out."""
    asked = requests.whole_number("offset", 0, minimum=0, maximum=MAX_OFFSET)
    if asked and "cursor" in request.args:
        raise BadInput("offset: not together with cursor, which says already where the page begins")
    return asked


def cursor() -> str | None:
    """From where a page goes on; None for the first one."""
    return requests.text("cursor", longest=MAX_CURSOR)


def sort(default: str, *keys: str) -> tuple[str, bool]:
    """By which of the keys a list is sorted, and whether the last one comes first.

    Args:
        default: what is meant where nothing is said, with a minus for the last one first.
    """
    text = requests.text("sort") or default
    key = text.removeprefix("-")
    if key not in keys:
        raise BadInput(f"sort: expected one of {', '.join(f'{one}, -{one}' for one in keys)}")
    return key, text.startswith("-")


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
        words=tuple((requests.text("search") or "").encode().split()),
        created_from=requests.moment("created_from"),
        created_before=requests.moment("created_before"),
    )


def _states() -> frozenset[JobState] | None:
    name = "state" if "state" in request.args else "status"
    if {"state", "status"} <= request.args.keys():
        raise BadInput("state: not together with status, which is its older name")
    try:
        return frozenset(JobState(one) for one in requests.names(name)) or None
    except ValueError:
        raise BadInput(f"{name}: expected some of {', '.join(JobState)}, with commas between") from None


def _worker_statuses() -> list[str] | None:
    asked = requests.names("status")
    if not set(asked) <= set(STATUSES):
        raise BadInput(f"status: expected some of {', '.join(STATUSES)}, with commas between")
    return asked or None


def linked(page: JobList | WorkerList | AuditList | UserList) -> Response:
    """The page; its `Link` header (RFC 8288) leads to the next one, relative to this one."""
    reply = json_answer(page)
    if page.next is not None:
        query = [(name, value) for name, value in request.args.items(multi=True)]
        kept = [(name, value) for name, value in query if name not in ("cursor", "offset")]
        reply.headers["Link"] = f'<?{urlencode([*kept, ("cursor", page.next)])}>; rel="next"'
    return reply
