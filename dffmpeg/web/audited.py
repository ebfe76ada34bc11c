"""Which requests leave an entry in the audit trail: the one table of it.

It is about every route that changes something and lets in administrators, or somebody who is yet to say who
it is. A route without an entry keeps the application from starting.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dffmpeg.model.identities import Role
from dffmpeg.web import access

if TYPE_CHECKING:
    from werkzeug.routing import Map

Said = Mapping[str, Any]
"""A request's body, as far as it is an object."""


def _nothing(body: Said) -> Said:
    del body
    return {}


def _only(*names: str) -> Callable[[Said], Said]:
    """Some fields of a body: what is not named here is not kept, so that nothing secret ever is."""
    return lambda body: {name: body.get(name) for name in names}


def _way_in(body: Said) -> Said:
    return {"by": "key" if body.get("link") is None else "link"}


@dataclass(frozen=True, slots=True)
class Audited:
    """What is kept of a request.

    Attributes:
        action: its area and its verb.
        subject: which part of the path it is about; None where it is about the cluster.
        details: what is kept of its body.
        of_others: only where the job is another's: what one does with one's own is no administration.
    """

    action: str
    subject: str | None = None
    details: Callable[[Said], Said] = _nothing
    of_others: bool = False


def _job(verb: str, *fields: str, of_others: bool = True) -> Audited:
    return Audited(f"job.{verb}", "job_id", _only(*fields), of_others)


def _worker(verb: str, *fields: str) -> Audited:
    return Audited(f"worker.{verb}", "worker_id", _only(*fields))


AUDITED: Mapping[str, Audited | None] = {
    # Submitting, following and feeding are its requester's own business, whoever that is.
    "POST /jobs/submit": None,
    "POST /jobs/<job_id>/client_heartbeat": None,
    "POST /jobs/<job_id>/follow": None,
    "POST /jobs/<job_id>/input": None,
    "POST /jobs/<job_id>/cancel": _job("cancel"),
    "POST /jobs/<job_id>/retry": _job("retry", "job_id"),
    "POST /jobs/<job_id>/priority": _job("priority", "priority"),
    "DELETE /jobs/<job_id>": _job("purge", of_others=False),
    "POST /workers/<worker_id>/pause": _worker("pause", "reason", "seconds"),
    "POST /workers/<worker_id>/drain": _worker("drain", "reason", "seconds"),
    "POST /workers/<worker_id>/quarantine": _worker("quarantine", "reason", "seconds"),
    "POST /workers/<worker_id>/resume": _worker("resume"),
    "POST /workers/<worker_id>/probe": _worker("probe", "benchmark"),
    "DELETE /workers/<worker_id>": _worker("remove"),
    "POST /queue/pause": Audited("queue.pause", details=_only("reason")),
    "POST /queue/resume": Audited("queue.resume"),
    "POST /admin/janitor": Audited("janitor.run", details=_only("action")),
    "POST /debug/crash": Audited("debug.crash", details=_only("path")),
    "POST /api/v1/join": Audited("user.join"),
    "POST /api/v1/session": Audited("session.sign_in", details=_way_in),
    "DELETE /api/v1/session": Audited("session.sign_out"),
    "POST /api/v1/users/<client_id>/networks": Audited("user.networks", "client_id", _only("networks")),
    "DELETE /api/v1/users/<client_id>": Audited("user.delete", "client_id"),
}


def concerns(route: str) -> bool:
    """Whether the table has to say something of a route of the table of access."""
    roles = access.ACCESS[route]
    changes = not route.startswith(("GET ", "WEBSOCKET "))
    return changes and (roles is access.OPEN or Role.ADMIN in roles)


def check_complete(routes: Map) -> None:
    """Raises RuntimeError, which names them, if there are such routes without an entry."""
    missing = {route for route in access.keys(routes) if concerns(route)} - AUDITED.keys()
    if missing:
        raise RuntimeError(f"it is not said what the audit trail keeps of {', '.join(sorted(missing))}")
