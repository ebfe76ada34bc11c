"""What is said of every route, by the names that the table of access has."""

from __future__ import annotations

from collections.abc import Mapping

from dffmpeg.web.openapi.administration import ADMINISTRATION
from dffmpeg.web.openapi.dashboard import DASHBOARD
from dffmpeg.web.openapi.description import Described
from dffmpeg.web.openapi.events import FEED
from dffmpeg.web.openapi.job_pages import JOB_PAGES
from dffmpeg.web.openapi.jobs import JOBS
from dffmpeg.web.openapi.joining import JOINING
from dffmpeg.web.openapi.lists import LISTS
from dffmpeg.web.openapi.people import PEOPLE
from dffmpeg.web.openapi.sessions import SESSIONS
from dffmpeg.web.openapi.sockets import SOCKETS
from dffmpeg.web.openapi.workers import WORKERS
from dffmpeg.web.versions import UNVERSIONED

ROUTES: Mapping[str, Described] = {
    **JOBS,
    **JOB_PAGES,
    **LISTS,
    **WORKERS,
    **ADMINISTRATION,
    **SOCKETS,
    **FEED,
    **DASHBOARD,
    **SESSIONS,
    **PEOPLE,
    **JOINING,
}

PAGES = frozenset(f"GET {path}" for path in UNVERSIONED)
"""For people, and what their browsers load: not part of the API."""

PLACES: Mapping[str, str] = {
    "job_id": "the job, a ULID",
    "worker_id": "the worker's user",
    "client_id": "the user",
    "instance": "the worker's process, as it named itself when it registered",
}
"""What stands in paths."""
