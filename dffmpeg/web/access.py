"""Who may call what: the one table from which the checks come.

A route without an entry keeps the application from starting.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dffmpeg.model.identities import Role
from dffmpeg.web.versions import Alias

if TYPE_CHECKING:
    from werkzeug.routing import Map, Rule

Roles = frozenset[Role]

CLIENTS = frozenset({Role.CLIENT, Role.ADMIN})
WORKERS = frozenset({Role.WORKER})
ADMINS = frozenset({Role.ADMIN})
EVERYONE = frozenset(Role)
"""Everyone with a key."""

OPEN = None
"""No signature; the dashboard's routes and those of metrics look at the source address themselves."""

DASHBOARD = OPEN

ACCESS: Mapping[str, Roles | None] = {
    "GET /": DASHBOARD,
    "GET /status": DASHBOARD,
    "GET /status/data": DASHBOARD,
    "GET /status/<name>": DASHBOARD,
    "GET /openapi.json": OPEN,
    "GET /docs": OPEN,
    "GET /docs/<name>": OPEN,
    "GET /redoc": OPEN,
    "GET /health": OPEN,
    "GET /ready": OPEN,
    "GET /stats": CLIENTS,
    "GET /metrics": OPEN,
    "GET /metrics.json": EVERYONE,
    "POST /jobs/submit": CLIENTS,
    "GET /jobs": CLIENTS,
    "GET /api/v1/jobs": CLIENTS,
    "GET /api/v1/workers": CLIENTS,
    "GET /api/v1/events": EVERYONE,
    "WEBSOCKET /api/v1/events": EVERYONE,
    "GET /jobs/<job_id>/status": EVERYONE,
    "GET /jobs/<job_id>/attempts": CLIENTS,
    "POST /jobs/<job_id>/cancel": CLIENTS,
    "POST /jobs/<job_id>/retry": CLIENTS,
    "POST /jobs/<job_id>/priority": CLIENTS,
    "GET /jobs/<job_id>/why": CLIENTS,
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
    "GET /workers": CLIENTS,
    "GET /workers/<worker_id>": EVERYONE,
    "POST /workers/<worker_id>/pause": ADMINS,
    "POST /workers/<worker_id>/drain": ADMINS,
    "POST /workers/<worker_id>/quarantine": ADMINS,
    "POST /workers/<worker_id>/resume": ADMINS,
    "POST /workers/<worker_id>/probe": ADMINS,
    "DELETE /workers/<worker_id>": ADMINS,
    "GET /queue": CLIENTS,
    "POST /queue/pause": ADMINS,
    "POST /queue/resume": ADMINS,
    "GET /admin/overview": ADMINS,
    "GET /admin/tree": ADMINS,
    "GET /admin/janitor": ADMINS,
    "POST /admin/janitor": ADMINS,
    "POST /debug/crash": ADMINS,
}

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


def check_complete(routes: Map) -> None:
    """Raises RuntimeError, which names them, if there are routes without an entry."""
    missing = keys(routes) - ACCESS.keys()
    if missing:
        raise RuntimeError(f"no access is defined for {', '.join(sorted(missing))}")
