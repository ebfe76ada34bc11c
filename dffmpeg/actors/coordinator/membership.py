"""Which coordinators share the database, which of them leads, and which one looks after a worker.

The home of a worker is the coordinator that has its actor, and those of its live jobs. A pending job has
none: whoever is asked serves it out of the rows.
"""

from __future__ import annotations

from collections.abc import Mapping

from ulid import ULID

from dffmpeg.model.membership import Member, MemberState, leader

__all__ = ["Member", "MemberState", "Membership"]


class Membership:
    """This coordinator among those that share its database.

    The only one of them, or one on a database that nobody shares, is home to all, and answers every question
    without a query.

    Args:
        address: `http://host:port` at which the others reach this one; None where there are none.
    """

    def __init__(self, address: str | None = None) -> None:
        self.me = str(ULID())
        self._members = {self.me: Member(self.me, address, MemberState.ACTIVE)}

    def members(self) -> Mapping[str, Member]:
        """Those that share the database, this one among them, by id; those that are gone are not in it."""
        return self._members

    def leading(self) -> bool:
        """Whether this one decides for all: gives jobs to workers, does what is nobody's in particular."""
        return leader(self._members.values()) == self.me

    def draining(self) -> bool:
        """Whether this one gives its workers away, and is about to leave."""
        return self._members[self.me].state == MemberState.DRAINING

    async def drain(self) -> None:
        """Give the workers away and take no others; returns when they have homes elsewhere, or nobody is left
        to take them. Harmless to repeat."""
        own = self._members[self.me]
        self._members[self.me] = Member(self.me, own.address, MemberState.DRAINING)

    async def home_of_worker(self, worker_id: str, *, claim: bool) -> Member | None:
        """Who looks after a worker.

        Args:
            claim: whether to become its home, where it has none that is active.

        Returns:
            None where this one may serve it: it is the worker's home, or nobody is.
        """
        del worker_id, claim
        return None

    async def home_of_job(self, job_id: str) -> Member | None:
        """Who has the actor of a live job.

        Returns:
            None where this one may serve it: it has the actor, or nobody has, as the job is not live.
        """
        del job_id
        return None
