"""Who may call what: the table of routes from which the checks come, their tests, and `docs/access.md`.

A route without an entry keeps the application from starting.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from dffmpeg.model import access as model
from dffmpeg.model.access import Dealing, Reach
from dffmpeg.model.identities import Role
from dffmpeg.web.versions import Alias

if TYPE_CHECKING:
    from werkzeug.routing import Map, Rule

Roles = frozenset[Role]

CLIENTS = frozenset({Role.CLIENT, Role.ADMIN})
READERS = CLIENTS | {Role.VIEWER}
"""Where everybody's data are read; a client is shown its own jobs only."""

OVERSEERS = frozenset({Role.ADMIN, Role.VIEWER})
"""Where what is read is the cluster's own."""

WORKERS = frozenset({Role.WORKER})
ADMINS = frozenset({Role.ADMIN})
EVERYONE = frozenset(Role)
"""Everyone with a key."""

OPEN = None
"""Nobody is asked who it is; the dashboard's pages, signing in and metrics look at the source address
themselves, and joining at a token."""

DASHBOARD = OPEN

ACCESS: Mapping[str, Roles | None] = {
    "GET /": DASHBOARD,
    "GET /status": DASHBOARD,
    "GET /status/data": OVERSEERS,
    "GET /status/<name>": DASHBOARD,
    "GET /openapi.json": OPEN,
    "GET /docs": OPEN,
    "GET /docs/<name>": OPEN,
    "GET /redoc": OPEN,
    "GET /health": OPEN,
    "GET /ready": OPEN,
    "GET /stats": READERS,
    "GET /metrics": OPEN,
    "GET /metrics.json": EVERYONE,
    "POST /jobs/submit": CLIENTS,
    "GET /jobs": READERS,
    "GET /api/v1/jobs": READERS,
    "GET /api/v1/jobs/<job_id>": READERS,
    "WEBSOCKET /api/v1/jobs/<job_id>/log": READERS,
    "GET /api/v1/jobs/<job_id>/log/download": READERS,
    "GET /api/v1/workers": READERS,
    "GET /api/v1/overview": READERS,
    "GET /api/v1/history": READERS,
    "GET /api/v1/alerts": READERS,
    "GET /api/v1/events": EVERYONE,
    "WEBSOCKET /api/v1/events": EVERYONE,
    "GET /api/v1/audit": ADMINS,
    "GET /api/v1/users": ADMINS,
    "POST /api/v1/users/<client_id>/networks": ADMINS,
    "DELETE /api/v1/users/<client_id>": ADMINS,
    "GET /api/v1/session": EVERYONE,
    "POST /api/v1/session": OPEN,
    "DELETE /api/v1/session": EVERYONE,
    "POST /api/v1/join": OPEN,
    "GET /jobs/<job_id>/status": EVERYONE,
    "GET /jobs/<job_id>/attempts": READERS,
    "POST /jobs/<job_id>/cancel": CLIENTS,
    "POST /jobs/<job_id>/retry": CLIENTS,
    "POST /jobs/<job_id>/priority": CLIENTS,
    "GET /jobs/<job_id>/why": READERS,
    "DELETE /jobs/<job_id>": ADMINS,
    "POST /jobs/<job_id>/client_heartbeat": CLIENTS,
    "POST /jobs/<job_id>/follow": CLIENTS,
    "POST /jobs/<job_id>/input": CLIENTS,
    "WEBSOCKET /jobs/<job_id>/follow": CLIENTS,
    "WEBSOCKET /jobs/run": CLIENTS,
    "GET /jobs/<job_id>/logs": EVERYONE,
    "GET /poll/jobs/<job_id>": CLIENTS,
    "POST /jobs/<job_id>/accept": WORKERS,
    "POST /jobs/<job_id>/reject": WORKERS,
    "POST /jobs/<job_id>/worker_heartbeat": WORKERS,
    "POST /jobs/<job_id>/output": WORKERS,
    "POST /jobs/<job_id>/attend": WORKERS,
    "POST /jobs/<job_id>/status": WORKERS,
    "POST /jobs/<job_id>/logs": WORKERS,
    "POST /worker/register": WORKERS,
    "POST /worker/<worker_id>/verify": WORKERS,
    "POST /worker/deregister": WORKERS,
    "WEBSOCKET /worker/<worker_id>/downlink": WORKERS,
    "WEBSOCKET /worker/<worker_id>/downlink/<instance>": WORKERS,
    "GET /poll/worker": WORKERS,
    "GET /poll/worker/<instance>": WORKERS,
    "GET /workers": READERS,
    "GET /workers/<worker_id>": EVERYONE,
    "POST /workers/<worker_id>/pause": ADMINS,
    "POST /workers/<worker_id>/drain": ADMINS,
    "POST /workers/<worker_id>/quarantine": ADMINS,
    "POST /workers/<worker_id>/resume": ADMINS,
    "POST /workers/<worker_id>/probe": ADMINS,
    "DELETE /workers/<worker_id>": ADMINS,
    "GET /queue": READERS,
    "POST /queue/pause": ADMINS,
    "POST /queue/resume": ADMINS,
    "GET /admin/overview": OVERSEERS,
    "GET /admin/tree": OVERSEERS,
    "GET /api/v1/tree": OVERSEERS,
    "GET /admin/janitor": OVERSEERS,
    "POST /admin/janitor": ADMINS,
    "POST /debug/crash": ADMINS,
}

OWNERSHIP: Mapping[str, Dealing] = {
    "GET /jobs": Dealing.READ,
    "GET /api/v1/jobs": Dealing.READ,
    "GET /api/v1/jobs/<job_id>": Dealing.READ,
    "WEBSOCKET /api/v1/jobs/<job_id>/log": Dealing.READ,
    "GET /api/v1/jobs/<job_id>/log/download": Dealing.READ,
    "GET /jobs/<job_id>/status": Dealing.READ,
    "GET /jobs/<job_id>/attempts": Dealing.READ,
    "GET /jobs/<job_id>/why": Dealing.READ,
    "GET /jobs/<job_id>/logs": Dealing.READ,
    "POST /jobs/<job_id>/cancel": Dealing.COMMAND,
    "POST /jobs/<job_id>/retry": Dealing.COMMAND,
    "POST /jobs/<job_id>/priority": Dealing.COMMAND,
    "DELETE /jobs/<job_id>": Dealing.COMMAND,
    "POST /jobs/<job_id>/client_heartbeat": Dealing.COMMAND,
    "POST /jobs/<job_id>/follow": Dealing.COMMAND,
    "WEBSOCKET /jobs/<job_id>/follow": Dealing.COMMAND,
    "GET /poll/jobs/<job_id>": Dealing.COMMAND,
    "POST /jobs/<job_id>/input": Dealing.OWN,
    "POST /jobs/<job_id>/accept": Dealing.REPORT,
    "POST /jobs/<job_id>/reject": Dealing.REPORT,
    "POST /jobs/<job_id>/worker_heartbeat": Dealing.REPORT,
    "POST /jobs/<job_id>/output": Dealing.REPORT,
    "POST /jobs/<job_id>/attend": Dealing.REPORT,
    "POST /jobs/<job_id>/status": Dealing.REPORT,
    "POST /jobs/<job_id>/logs": Dealing.REPORT,
    "POST /worker/register": Dealing.BE,
    "POST /worker/<worker_id>/verify": Dealing.BE,
    "POST /worker/deregister": Dealing.BE,
    "WEBSOCKET /worker/<worker_id>/downlink": Dealing.BE,
    "WEBSOCKET /worker/<worker_id>/downlink/<instance>": Dealing.BE,
    "GET /poll/worker": Dealing.BE,
    "GET /poll/worker/<instance>": Dealing.BE,
    "GET /workers/<worker_id>": Dealing.BE,
    **dict.fromkeys(
        (
            "POST /workers/<worker_id>/pause",
            "POST /workers/<worker_id>/drain",
            "POST /workers/<worker_id>/quarantine",
            "POST /workers/<worker_id>/resume",
            "POST /workers/<worker_id>/probe",
            "DELETE /workers/<worker_id>",
        ),
        Dealing.ANY,
    ),
}
"""How those routes deal with a job or a worker that are about one, or about those that somebody may see; the
change feed's kinds of events have `dffmpeg.model.access.EVENTS`."""


class Refusal(StrEnum):
    """What becomes of a message about what is not its sender's; the rest of the connection lives on, unless
    it is closed."""

    ERROR = "answered with an error of 409"
    REPLY = "409 in its reply"
    FENCED = "answered by `fenced`"
    CLOSED = "closes with 1003"
    IGNORED = "is not looked at"


@dataclass(frozen=True, slots=True)
class Message:
    """A kind of message on a WebSocket.

    Attributes:
        dealing: how it deals with what it is about.
        refusal: of one about another's; None where it cannot be about another's.
    """

    dealing: Dealing
    refusal: Refusal | None = None


_FROM_WORKERS: Mapping[str, Message] = {
    "ping": Message(Dealing.ANY),
    **dict.fromkeys(("accept", "reject", "heartbeat", "finish"), Message(Dealing.REPORT, Refusal.REPLY)),
    **dict.fromkeys(("outputs", "acknowledgements"), Message(Dealing.REPORT, Refusal.FENCED)),
}

MESSAGES: Mapping[str, Mapping[str, Message]] = {
    "WEBSOCKET /jobs/run": {
        "submit": Message(Dealing.OWN, Refusal.ERROR),
        "position": Message(Dealing.OWN),
        "inputs": Message(Dealing.OWN),
    },
    "WEBSOCKET /jobs/<job_id>/follow": {
        "position": Message(Dealing.OWN, Refusal.IGNORED),
        "inputs": Message(Dealing.OWN, Refusal.CLOSED),
    },
    "WEBSOCKET /worker/<worker_id>/downlink": _FROM_WORKERS,
    "WEBSOCKET /worker/<worker_id>/downlink/<instance>": _FROM_WORKERS,
    "WEBSOCKET /api/v1/events": {},
    "WEBSOCKET /api/v1/jobs/<job_id>/log": {},
}
"""What may be said on each WebSocket, by whoever its handshake let in. Where it is nothing, whatever is said
is not looked at."""

OUTPUT_ROUTE = "POST /jobs/<job_id>/output"
"""The route whose body may have `limits.output_body`."""


def key(rule: Rule, method: str) -> str:
    """A route's name in the table. HEAD is what GET is, and an alias what it stands for."""
    path = rule.original if isinstance(rule, Alias) else rule.rule
    if rule.websocket:
        return f"WEBSOCKET {path}"
    return f"{'GET' if method == 'HEAD' else method} {path}"


def keys(routes: Map) -> set[str]:
    """The names of all routes of an application."""
    return {key(rule, method) for rule in routes.iter_rules() for method in rule.methods or ()}


def reach(route: str, role: Role) -> Reach:
    """What of the jobs and workers somebody with this role gets at by a route."""
    roles = ACCESS[route]
    if roles is not OPEN and role not in roles:
        return Reach.NONE
    return model.reach(OWNERSHIP.get(route, Dealing.ANY), role)


def reach_of_message(route: str, name: str, role: Role) -> Reach:
    """About what of the jobs and workers somebody with this role may say such a message on a WebSocket."""
    if reach(route, role) is Reach.NONE:
        return Reach.NONE
    return model.reach(MESSAGES[route][name].dealing, role)


def check_complete(routes: Map) -> None:
    """Raises RuntimeError, which names them, if there are routes without an entry.

    One that names a job or a worker needs one in two tables, and so does a WebSocket.
    """
    there = keys(routes)
    owned = {route for route in there if "<job_id>" in route or "<worker_id>" in route}
    spoken = {route for route in there if route.startswith("WEBSOCKET ")}
    missing = (there - ACCESS.keys()) | (owned - OWNERSHIP.keys()) | (spoken - MESSAGES.keys())
    if missing:
        raise RuntimeError(f"no access is defined for {', '.join(sorted(missing))}")
