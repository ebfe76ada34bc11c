"""Lists by pages."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from dffmpeg.actors.coordinator import lookups
from dffmpeg.actors.coordinator.operations.base import READERS, Base, require
from dffmpeg.actors.coordinator.refusals import Forbidden
from dffmpeg.model import access
from dffmpeg.model.identities import Identity
from dffmpeg.model.pages import PageRequest
from dffmpeg.model.workers import WorkerFilter, WorkerOrder, WorkerPlace
from dffmpeg.wire import times
from dffmpeg.wire.lists import JobList, WorkerList, cursor
from dffmpeg.wire.orders import worker_cursor
from dffmpeg.wire.records import job_record


class ListOperations(Base):
    """Each may raise `Forbidden`."""

    async def job_page(self, who: Identity, request: PageRequest) -> JobList:
        """A page of the caller's jobs, of everybody's for who sees all."""
        require(who, *READERS)
        requester = request.filter.requester_id
        if not access.sees_all(who):
            if requester not in (None, who.client_id):
                raise Forbidden(f"{requester}'s jobs are not yours")
            request = replace(request, filter=replace(request.filter, requester_id=who.client_id))
        page = await self._services.store.jobs.page(request)
        following = None if page.next is None else cursor(request, page.next, page.skip)
        return JobList(
            items=[job_record(job) for job in page.jobs],
            next=following,
            searched_until=None if page.next is None else times.to_wire(page.next.at),
        )

    async def worker_page(
        self,
        who: Identity,
        *,
        limit: int,
        offset: int,
        after: WorkerPlace | None,
        statuses: Collection[str] | None = None,
        labels: Collection[str] = (),
        order: WorkerOrder = WorkerOrder(),  # noqa: B008 - it is frozen
    ) -> WorkerList:
        """A page of all workers that are known.

        Args:
            after: only those behind it, in that order.
            statuses: only those with one of these.
            labels: only those that have each of them.
        """
        require(who, *READERS)
        store = self._services.store
        end = offset + limit
        wanted = WorkerFilter(statuses=statuses, labels=labels)
        fitting = await store.workers.page(wanted, after=after, most=end + 1, order=order)
        page = fitting[offset:end]
        following = worker_cursor(order, page[-1]) if len(fitting) > end else None
        return WorkerList(items=await lookups.shown(store, page), next=following)
