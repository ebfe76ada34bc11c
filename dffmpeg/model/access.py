"""Who may do what with a job or a worker: ownership, beside the roles that each route names.

One table for each way of dealing with them. What a route, or a kind of event, needs names its row; the
checks, the tests of every cell and `docs/access.md` come from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from dffmpeg.model.identities import Identity, Role
from dffmpeg.model.jobs import Job


class Reach(StrEnum):
    """What of all that there is somebody gets at."""

    NONE = "none"
    OWN = "own"
    """A client the jobs that it submitted, a worker those that it has, and itself."""
    ALL = "all"


class Dealing(StrEnum):
    """Ways of dealing with jobs, workers and the cluster."""

    READ = "read"
    """A job's record, its output, its progress."""
    COMMAND = "command"
    """A job: cancel it, follow it as whoever it belongs to."""
    OWN = "own"
    """A job: write into it. Its pace and its caller's presence count."""
    REPORT = "report"
    """An attempt, as the worker that has it."""
    BE = "be"
    """A worker: register as it, listen as it, read its record."""
    KNOW = "know"
    """How the cluster is: its workers, its load."""
    OVERSEE = "oversee"
    """How the coordinator and its queue are."""
    ANY = "any"
    """What is about none of them."""


RULES: Mapping[Dealing, Mapping[Role, Reach]] = {
    Dealing.READ: {
        Role.CLIENT: Reach.OWN,
        Role.WORKER: Reach.OWN,
        Role.ADMIN: Reach.ALL,
        Role.VIEWER: Reach.ALL,
    },
    Dealing.COMMAND: {Role.CLIENT: Reach.OWN, Role.ADMIN: Reach.ALL},
    Dealing.OWN: {Role.CLIENT: Reach.OWN, Role.ADMIN: Reach.OWN},
    Dealing.REPORT: {Role.WORKER: Reach.OWN},
    Dealing.BE: {
        Role.CLIENT: Reach.ALL,
        Role.WORKER: Reach.OWN,
        Role.ADMIN: Reach.ALL,
        Role.VIEWER: Reach.ALL,
    },
    Dealing.KNOW: dict.fromkeys((Role.CLIENT, Role.ADMIN, Role.VIEWER), Reach.ALL),
    Dealing.OVERSEE: dict.fromkeys((Role.ADMIN, Role.VIEWER), Reach.ALL),
    Dealing.ANY: dict.fromkeys(Role, Reach.ALL),
}
"""Roles that are not named get at nothing."""

EVENTS: Mapping[str, Dealing] = {
    "here": Dealing.ANY,
    "missed": Dealing.ANY,
    "job": Dealing.READ,
    "worker": Dealing.BE,
    "queue": Dealing.OVERSEE,
    "overview": Dealing.KNOW,
    "alerts": Dealing.KNOW,
    "progress": Dealing.READ,
    "tree": Dealing.OVERSEE,
}
"""Of the change feed, by the kind of its events."""


def reach(dealing: Dealing, role: Role) -> Reach:
    """What a role gets at."""
    return RULES[dealing].get(role, Reach.NONE)


def roles_of(kind: str) -> frozenset[Role]:
    """Who may follow a kind of event at all."""
    return frozenset(role for role in Role if reach(EVENTS[kind], role) is not Reach.NONE)


def may(dealing: Dealing, who: Identity, *, requester: str | None, worker: str | None) -> bool:
    """Whether somebody may deal so with what belongs to these.

    Args:
        requester: whose job it is.
        worker: which worker it is, or has it.
    """
    match reach(dealing, who.role):
        case Reach.ALL:
            return True
        case Reach.OWN:
            return who.client_id == (worker if who.role is Role.WORKER else requester)
        case Reach.NONE:
            return False


def sees_all(who: Identity) -> bool:
    """Whether everybody's jobs are its business, to read."""
    return reach(Dealing.READ, who.role) is Reach.ALL


def may_command(who: Identity, job: Job) -> bool:
    """Cancel it, take its output as its owner: the requester, or an administrator."""
    return may(Dealing.COMMAND, who, requester=job.requester_id, worker=job.worker_id)


def may_see(who: Identity, job: Job) -> bool:
    """Read its record and its log: its requester, who sees all, and the worker that has it."""
    return may(Dealing.READ, who, requester=job.requester_id, worker=job.worker_id)


def is_owner(who: Identity, job: Job) -> bool:
    """Whether the job belongs to this identity, so that its pace and its presence count."""
    return may(Dealing.OWN, who, requester=job.requester_id, worker=job.worker_id)
