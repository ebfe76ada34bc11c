"""How far the jobs are that other coordinators look after: what these write into the jobs' rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dffmpeg.actors.coordinator.backlog import Backlog
    from dffmpeg.actors.coordinator.membership import Membership
    from dffmpeg.actors.coordinator.services import OpenStore
    from dffmpeg.model.briefs import ProgressBrief

LOOK = 2.5
"""Seconds between two looks, at least: half of what lies between two that are written."""

SHARE = 0.02
"""Of the time that may be spent with looking, at most."""


class Elsewhere:
    """Reads rows, and only where there are jobs of others, and somebody looks."""

    def __init__(self, backlog: Backlog, membership: Membership, opened: OpenStore) -> None:
        self._backlog = backlog
        self._membership = membership
        self._opened = opened
        self._next = 0.0

    async def look(self) -> Sequence[ProgressBrief] | None:
        """Those of them that have said how far they are; None where it is too early for another look.

        Raises:
            StoreUnavailable: rows cannot be read.
        """
        if trio.current_time() < self._next:
            return None
        jobs = [
            job_id
            for worker_id, node in self._backlog.board.pool.nodes.items()
            if not self._membership.minds(worker_id)
            for job_id in node.load.jobs
        ]
        began = trio.current_time()
        self._next = began + LOOK
        if not jobs:
            return []
        found = await self._opened.current.jobs.progress(jobs)
        now = trio.current_time()
        self._next = now + max(LOOK, (now - began) / SHARE)
        return found
