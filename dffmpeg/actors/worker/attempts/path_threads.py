"""Threads that ask file systems for a job, where any of them may hang for ever."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import trio

T = TypeVar("T")

MOST_HUNG = 4
"""Threads that hang for one path: with more, no further one is begun for it."""


@dataclass(slots=True, eq=False)
class _Thread:
    """One that asks for the paths of these names."""

    names: frozenset[str]
    ended: bool = False

    def is_related_to(self, names: frozenset[str]) -> bool:
        return bool(names & self.names) or not (names or self.names)


class PathThreads:
    """Bounds what hangs by path variable, so that it costs the jobs that use the same paths, and no others.

    Args:
        paths: how many path variables there are.
        at_once: how many jobs ask at once.
    """

    def __init__(self, paths: int, at_once: int) -> None:
        self._hung: set[_Thread] = set()
        # Never short of tokens: for each path there are at most those that hang, and those under way.
        self._threads = trio.CapacityLimiter((MOST_HUNG + at_once) * (paths + 2))

    async def run(self, names: frozenset[str], function: Callable[[], T], seconds: float) -> T:
        """Run a function in a thread that is left behind if it takes longer.

        Args:
            names: of the path variables that it asks for.

        Raises:
            trio.TooSlowError: it took longer, or too many hang for the same paths already.
        """
        if sum(hung.is_related_to(names) for hung in self._hung) >= MOST_HUNG:
            raise trio.TooSlowError
        thread = _Thread(names)
        token = trio.lowlevel.current_trio_token()

        def work() -> T:
            try:
                return function()
            finally:
                thread.ended = True
                # After the worker's own end there is nobody to be told.
                with contextlib.suppress(trio.RunFinishedError):
                    token.run_sync_soon(self._hung.discard, thread)

        try:
            with trio.fail_after(seconds):
                return await trio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=self._threads)
        except trio.TooSlowError:
            if not thread.ended:
                self._hung.add(thread)
            raise
