"""Which coordinators share the database, which of them leads, and which one looks after a worker.

The home of a worker is the coordinator that has its actor, and those of its live jobs. A pending job has
none: whoever is asked serves it out of the rows.

What is remembered here are copies of rows, and may be a moment old. Nothing goes wrong by that: what is
written is fenced, and a home is claimed by a compare-and-set.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import trio
from ulid import ULID

from dffmpeg import __version__
from dffmpeg.model.membership import Member, MemberState, leader
from dffmpeg.store import Store
from dffmpeg.store.workers import Move
from dffmpeg.transports.bell import Bell

__all__ = ["Member", "MemberState", "Membership"]

_CHANGED = ""

_REMEMBERED = 86_400.0
"""Seconds for which it is known that one went without a word."""


class Membership:
    """This coordinator among those that share its database.

    On a database that nobody shares it is the only one: home to all, and without a query to any question.

    Args:
        address: `http://host:port` at which the others reach this one; None where it names none.
        here: whether a job's actor lives here.
    """

    def __init__(self, address: str | None, here: Callable[[str], bool]) -> None:
        self._address = address
        self._here = here
        self._store: Store | None = None
        self._draining = False
        self._bell = Bell()
        self._homes: dict[str, str | None] = {}
        self._claimed: set[str] = set()
        self._silent: dict[Member, float] = {}
        self._become(str(ULID()))

    def _become(self, coordinator_id: str) -> None:
        self.me = coordinator_id
        state = MemberState.DRAINING if self._draining else MemberState.ACTIVE
        own = Member(coordinator_id, self._address, state, version=__version__, started_at=time.time())
        self._members: Mapping[str, Member] = {coordinator_id: own}

    # Looking

    def members(self) -> Mapping[str, Member]:
        """Those that share the database, this one among them, by id; those that are gone are not in it."""
        return self._members

    def silent(self) -> Mapping[str, float]:
        """Those that went without having said so, and have not come back since: when that was noticed, Unix
        seconds."""
        addresses = {one.address for one in self._members.values()}
        recent = time.time() - _REMEMBERED
        self._silent = {
            one: at for one, at in self._silent.items() if at > recent and one.address not in addresses
        }
        return {one.coordinator_id: at for one, at in self._silent.items()}

    def leading(self) -> bool:
        """Whether this one decides for all: gives jobs to workers, and does what nobody else has to."""
        return leader(self._members.values()) == self.me

    def draining(self) -> bool:
        """Whether this one gives its workers away, and is about to leave."""
        return self._draining

    @property
    def shared(self) -> bool:
        """Whether there may be others."""
        return self._store is not None

    @property
    def home(self) -> str | None:
        """What stands as its home in the row of a worker that is new here."""
        return self.me if self.shared else None

    def minds(self, worker_id: str | None) -> bool:
        """Whether this one is the home of a worker, as far as it has heard; on a database that nobody shares
        it is that of all."""
        return self._store is None or (worker_id is not None and self._homes.get(worker_id) == self.me)

    def minds_any(self) -> bool:
        """Whether this one is the home of any worker."""
        return self._store is None or self.me in self._homes.values()

    async def home_of_worker(self, worker_id: str, *, claim: bool) -> Member | None:
        """Who looks after a worker.

        Args:
            claim: whether to become its home, where it has none that is active. One that is draining leaves
                that to another, where there is one.

        Returns:
            None where this one may serve it: it is the worker's home, or nobody is.
        """
        while self._store is not None:
            home = self._homes.get(worker_id)
            if home == self.me:
                return None
            member = self._members.get(home) if home is not None else None
            if member is not None and member.active:
                # An earlier process in this one's place; nobody is there until its lease has ended.
                return replace(member, address=None) if member.address == self._address else member
            if not claim:
                return None
            successor = self._successor() if self._draining else None
            if successor is not None:
                return successor
            if await self._claim(self._store, worker_id):
                return None
        return None

    async def _claim(self, store: Store, worker_id: str) -> bool:
        """Become a worker's home; False if that has to be looked at anew."""
        rows = await store.workers.homes([worker_id])
        if worker_id not in rows:
            # Its row is about to be made, with its home in it.
            return True
        if rows[worker_id] == self._homes.get(worker_id):
            move = Move(rows[worker_id], self.me)
            if worker_id in await store.workers.move({worker_id: move}):
                rows = {worker_id: self.me}
                self._claimed.add(worker_id)
        self.note_homes(rows)
        return False

    def _successor(self) -> Member | None:
        others = [one for one in self._members.values() if one.active]
        return min(others, key=lambda one: one.coordinator_id) if others else None

    async def home_of_job(self, job_id: str) -> Member | None:
        """Who has the actor of a live job.

        Returns:
            None where this one may serve it: it has the actor, or nobody has, as the job is not live.
        """
        if self._store is None or self._here(job_id):
            return None
        worker_id = await self._store.jobs.worker_of(job_id)
        return None if worker_id is None else await self.home_of_worker(worker_id, claim=False)

    # Being one of them

    async def join(self, store: Store) -> None:
        """Become a member under a new id; where the database is not shared this is nothing.

        Raises:
            StoreUnavailable: the database failed.
        """
        if not store.members.shared:
            return
        before = self.me if self._store is not None else None
        self._become(str(ULID()))
        await store.members.join(self._members[self.me])
        if before is not None:
            # The same process under an earlier id, which has crashed and need not be waited for.
            await store.members.leave(before)
        self._store = store
        self._claimed = set()
        self._homes = dict(await store.workers.homes())
        self.take(await store.members.list())

    async def leave(self, store: Store) -> None:
        """The end of the membership; afterwards nothing can be written."""
        if store.members.shared:
            await store.members.leave(self.me)

    async def drain(self) -> None:
        """Give the workers away and take no others; returns when they have homes elsewhere, or nobody is left
        to take them. Harmless to repeat.

        Raises:
            StoreUnavailable: the database failed; the others take the workers once the membership has ended.
        """
        self._draining = True
        own = self._members[self.me]
        self._members = {**self._members, self.me: replace(own, state=MemberState.DRAINING)}
        self._bell.ring(_CHANGED)
        if self._store is None:
            return
        await self._store.members.drain(self.me)
        while self._successor() is not None:
            changed = self.changed()
            looked_after = await self._store.workers.looked_after()
            if self.me not in looked_after.values():
                return
            await changed.wait()

    # What is heard

    def changed(self) -> trio.Event:
        """An event that the next change of members or homes sets."""
        return self._bell.listen(_CHANGED)

    def take(self, members: Iterable[Member]) -> None:
        """The members as their rows have them."""
        found = {one.coordinator_id: one for one in members}
        own = self._members[self.me]
        if self._draining:
            found[self.me] = replace(found.get(self.me, own), state=MemberState.DRAINING)
        # That its own is not there any more it hears from the writer.
        found.setdefault(self.me, own)
        for name, before in self._members.items():
            # One that leaves is draining first.
            if before.active and (name not in found or found[name].state == MemberState.GONE):
                self._silent[before] = time.time()
        self._members = found
        self._bell.ring(_CHANGED)

    def note_homes(self, homes: Mapping[str, str | None]) -> None:
        """Workers' homes as their rows have them."""
        self._homes.update(homes)
        self._bell.ring(_CHANGED)

    def known_homes(self) -> Mapping[str, str | None]:
        """By worker, its home, as far as it was heard of."""
        return self._homes

    def claimed(self) -> set[str]:
        """Workers whose home was claimed since the last time: there may be jobs of theirs to drive."""
        claimed, self._claimed = self._claimed, set()
        return claimed

    def forget_home(self, worker_id: str) -> None:
        """There is no such worker any more."""
        self._homes.pop(worker_id, None)

    async def look_up_home(self, worker_id: str) -> None:
        """Read a worker's home out of its row.

        Raises:
            StoreUnavailable: the database failed.
        """
        if self._store is not None:
            self.note_homes(await self._store.workers.homes([worker_id]))
