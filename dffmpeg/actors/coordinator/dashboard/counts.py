"""How many jobs there are in each state, without counting rows whenever somebody asks.

Pending and live jobs stand on the scheduler's board. Those that have ended are counted in the database now
and then; what ends in between is added.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import trio

from dffmpeg.model.jobs import TERMINAL, Job, JobState, Transition
from dffmpeg.store.journal import JobChanged, Missing

if TYPE_CHECKING:
    from dffmpeg.store import Store
    from dffmpeg.store.journal import Change

RECOUNT = 15.0
"""Seconds between two counts in the database, at least."""

SHARE = 0.02
"""Of the time that may be spent with counting, at most."""


class EndedJobs:
    """Those in a final state."""

    def __init__(self) -> None:
        self._counts: Counter[JobState] = Counter()
        self._changes = 0
        self._doubtful = True
        self._next = 0.0
        self._known = trio.Event()
        self._wanted = trio.Event()

    def take(self, changes: Sequence[Change | Missing]) -> None:
        """Count what was committed; a `Listener` of journals."""
        for change in changes:
            if isinstance(change, Transition) and change.target in TERMINAL:
                self._add(change.target)
            elif isinstance(change, Job) and change.state in TERMINAL:
                self._add(change.state)
            elif isinstance(change, JobChanged | Missing):
                # It was removed, or another coordinator changed it: that does not say how.
                self._changes += 1
                self._doubtful = True

    def _add(self, state: JobState) -> None:
        self._counts[state] += 1
        self._changes += 1

    async def counts(self) -> Mapping[JobState, int]:
        """As far as is known; waits only until they were counted once. What is in doubt is counted soon."""
        self.want()
        await self._known.wait()
        return self.now()

    def want(self) -> None:
        """Somebody looks: have what is in doubt counted."""
        if self._doubtful:
            self._wanted.set()

    def now(self) -> Mapping[JobState, int]:
        """As far as is known."""
        return {state: self._counts[state] for state in TERMINAL}

    async def keep_true(self, store: Store) -> None:
        """Count once, as soon as that is due and wanted.

        Raises:
            StoreUnavailable: rows cannot be read.
        """
        await trio.sleep_until(self._next)
        if self._known.is_set():
            await self._wanted.wait()
        self._wanted = trio.Event()
        began, changes = time.monotonic(), self._changes
        found = await store.jobs.counts(TERMINAL)
        self._counts = Counter({state: found.get(state, 0) for state in TERMINAL})
        # What changed while it was counted may be in it or not: then it is only nearly right.
        self._doubtful = changes != self._changes
        self._known.set()
        self._next = trio.current_time() + max(RECOUNT, (time.monotonic() - began) / SHARE)
