"""Which requests have to be answered at the home of a worker or of a job: the one table of it.

An actor lives at one coordinator, and what needs it is passed on to there. What stands in rows, or is
about a pending job, any of them answers. A route without an entry keeps the application from starting.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

from dffmpeg.model.identities import Identity
from dffmpeg.model.membership import Member, leader
from dffmpeg.web import access

if TYPE_CHECKING:
    from werkzeug.routing import Map


class Home(Enum):
    """Where a request is answered."""

    HERE = "whoever is asked"
    JOB = "the home of the job in the path"
    WORKER = "the home of the worker in the path"
    CALLER = "the home of the worker that asks"
    CLAIMED = "the same; where there is none, whoever is asked becomes it"
    LEADER = "the coordinator that decides for all"


HOMES: Mapping[str, Home] = {
    "GET /": Home.HERE,
    "GET /status": Home.HERE,
    "GET /status/data": Home.HERE,
    "GET /status/<name>": Home.HERE,
    "GET /health": Home.HERE,
    "GET /ready": Home.HERE,
    "GET /stats": Home.HERE,
    "GET /metrics": Home.HERE,
    "GET /metrics.json": Home.HERE,
    "GET /openapi.json": Home.HERE,
    "GET /docs": Home.HERE,
    "GET /docs/<name>": Home.HERE,
    "GET /redoc": Home.HERE,
    "POST /jobs/submit": Home.HERE,
    "GET /jobs": Home.HERE,
    "GET /api/v1/jobs": Home.HERE,
    "GET /api/v1/jobs/<job_id>": Home.HERE,
    "WEBSOCKET /api/v1/jobs/<job_id>/log": Home.JOB,
    "GET /api/v1/jobs/<job_id>/log/download": Home.HERE,
    "GET /api/v1/workers": Home.HERE,
    "GET /api/v1/overview": Home.HERE,
    "GET /api/v1/history": Home.HERE,
    "GET /api/v1/alerts": Home.HERE,
    "GET /api/v1/events": Home.HERE,
    "WEBSOCKET /api/v1/events": Home.HERE,
    "GET /api/v1/audit": Home.HERE,
    "GET /api/v1/users": Home.HERE,
    "POST /api/v1/users/<client_id>/networks": Home.HERE,
    "DELETE /api/v1/users/<client_id>": Home.HERE,
    "GET /api/v1/session": Home.HERE,
    "POST /api/v1/session": Home.HERE,
    "DELETE /api/v1/session": Home.HERE,
    "POST /api/v1/join": Home.HERE,
    "GET /jobs/<job_id>/status": Home.HERE,
    "GET /jobs/<job_id>/attempts": Home.HERE,
    "POST /jobs/<job_id>/cancel": Home.JOB,
    "POST /jobs/<job_id>/retry": Home.HERE,
    "POST /jobs/<job_id>/priority": Home.HERE,
    "GET /jobs/<job_id>/why": Home.HERE,
    "DELETE /jobs/<job_id>": Home.HERE,
    "POST /jobs/<job_id>/client_heartbeat": Home.JOB,
    "POST /jobs/<job_id>/follow": Home.JOB,
    "POST /jobs/<job_id>/input": Home.JOB,
    "WEBSOCKET /jobs/<job_id>/follow": Home.JOB,
    # It begins before there is a job.
    "WEBSOCKET /jobs/run": Home.HERE,
    "GET /jobs/<job_id>/logs": Home.HERE,
    "GET /poll/jobs/<job_id>": Home.HERE,
    "POST /jobs/<job_id>/accept": Home.JOB,
    "POST /jobs/<job_id>/reject": Home.JOB,
    "POST /jobs/<job_id>/worker_heartbeat": Home.JOB,
    "POST /jobs/<job_id>/output": Home.JOB,
    "POST /jobs/<job_id>/attend": Home.JOB,
    "POST /jobs/<job_id>/status": Home.JOB,
    "POST /jobs/<job_id>/logs": Home.JOB,
    "POST /worker/register": Home.CLAIMED,
    "POST /worker/<worker_id>/verify": Home.CALLER,
    "POST /worker/deregister": Home.CALLER,
    "WEBSOCKET /worker/<worker_id>/downlink": Home.CLAIMED,
    "WEBSOCKET /worker/<worker_id>/downlink/<instance>": Home.CLAIMED,
    "GET /poll/worker": Home.CALLER,
    "GET /poll/worker/<instance>": Home.CALLER,
    "GET /workers": Home.HERE,
    "GET /workers/<worker_id>": Home.HERE,
    "POST /workers/<worker_id>/pause": Home.WORKER,
    "POST /workers/<worker_id>/drain": Home.WORKER,
    "POST /workers/<worker_id>/quarantine": Home.WORKER,
    "POST /workers/<worker_id>/resume": Home.WORKER,
    "POST /workers/<worker_id>/probe": Home.WORKER,
    "DELETE /workers/<worker_id>": Home.HERE,
    "GET /queue": Home.HERE,
    "POST /queue/pause": Home.HERE,
    "POST /queue/resume": Home.HERE,
    "GET /admin/overview": Home.HERE,
    "GET /admin/tree": Home.HERE,
    "GET /api/v1/tree": Home.HERE,
    "GET /admin/janitor": Home.HERE,
    "POST /admin/janitor": Home.LEADER,
    "POST /debug/crash": Home.HERE,
}


class Neighbours(Protocol):
    """The coordinators, as `Membership` knows them."""

    me: str

    def members(self) -> Mapping[str, Member]: ...

    async def home_of_worker(self, worker_id: str, *, claim: bool) -> Member | None: ...

    async def home_of_job(self, job_id: str) -> Member | None: ...


def check_complete(routes: Map) -> None:
    """Raises RuntimeError, which names them, if there are routes without an entry."""
    missing = access.keys(routes) - HOMES.keys()
    if missing:
        raise RuntimeError(f"no home is defined for {', '.join(sorted(missing))}")


async def home(
    neighbours: Neighbours, route: str, who: Identity | None, values: Mapping[str, Any]
) -> Member | None:
    """Who else has to answer a request; None where this coordinator does.

    Args:
        route: its name in the table.
        who: who asks; None on an open route, which none but HERE are.
        values: what stands in its path.
    """
    match HOMES[route]:
        case Home.JOB:
            return await neighbours.home_of_job(str(values["job_id"]))
        case Home.WORKER:
            return await neighbours.home_of_worker(str(values["worker_id"]), claim=False)
        case Home.CALLER if who is not None:
            return await neighbours.home_of_worker(who.client_id, claim=False)
        case Home.CLAIMED if who is not None:
            return await neighbours.home_of_worker(who.client_id, claim=True)
        case Home.LEADER:
            return _leader(neighbours)
    return None


def _leader(neighbours: Neighbours) -> Member | None:
    members = neighbours.members()
    first = leader(members.values())
    return None if first is None or first == neighbours.me else members[first]
