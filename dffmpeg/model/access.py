"""Who may do what with a job or a worker: ownership, beside the roles that each route names."""

from __future__ import annotations

from dffmpeg.model.identities import Identity, Role
from dffmpeg.model.jobs import Job


def may_command(who: Identity, job: Job) -> bool:
    """Cancel it, take its output as its owner: the requester, or an administrator."""
    return who.role is Role.ADMIN or (who.role is Role.CLIENT and who.client_id == job.requester_id)


def may_see(who: Identity, job: Job) -> bool:
    """Read its record and its log: who may command it, and the worker that has it."""
    return may_command(who, job) or (who.role is Role.WORKER and who.client_id == job.worker_id)


def is_owner(who: Identity, job: Job) -> bool:
    """Whether the job belongs to this identity, so that its pace and its presence count."""
    return who.role is not Role.WORKER and who.client_id == job.requester_id
