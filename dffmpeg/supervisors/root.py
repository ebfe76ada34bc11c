"""Running a whole tree."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

from dffmpeg.actors.runtime import DeadLetters

from .child import one_line
from .core import SupervisorCore, bind_root, logger, unbind_root
from .errors import NotFound
from .observers import Observers
from .tree import ChildState, LastCrash, TreeNode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .dynamic import DynamicSupervisor
    from .reference import SupervisorRef
    from .supervisor import Supervisor


class TreeHandle:
    """What the owner of a running tree holds."""

    def __init__(self, root: SupervisorCore, name: str) -> None:
        self.name = name
        self.dead_letters = DeadLetters()
        """The undeliverable messages of the whole tree."""
        self.observers = Observers()
        """Told of each change of the tree's children."""
        self._root = root
        self._state = ChildState.STARTING
        self._ready_at = 0.0
        self._last_crash: LastCrash | None = None
        self._ended = trio.Event()

    def stop(self) -> None:
        """Ask the tree to stop; `wait()` returns when it has."""
        if self._state is ChildState.RUNNING:
            self._state = ChildState.STOPPING
            self.dead_letters.stopping = True
            self._root.request_stop()

    async def wait(self) -> None:
        """Return when the tree is down: stopped, shut down by itself, or crashed."""
        await self._ended.wait()

    def tree(self, limit: int | None = None) -> TreeNode:
        """The tree as it is now.

        Args:
            limit: children that are shown of each supervisor at most; None shows all.
        """
        children = self._root.nodes(limit)
        up = self._state in (ChildState.RUNNING, ChildState.STOPPING)
        return TreeNode(
            id=self.name,
            kind=self._root.kind,
            state=self._state,
            restarts=0,
            last_crash=self._last_crash,
            mailbox_depth=0,
            mailbox_capacity=0,
            uptime=trio.current_time() - self._ready_at if up else 0.0,
            children=children,
            hidden=self._root.number - len(children),
        )

    def crash_child(self, path: str) -> None:
        """Debug facility: crash what runs at `path`, such as "coordinator/jobs/01H…".

        Raises NotFound if nothing runs there.
        """
        head, _, rest = path.partition("/")
        if head != self.name or not rest:
            raise NotFound(f"nothing runs at {path}")
        self._root.crash(rest)

    async def run(
        self, ref: SupervisorRef | None, task_status: trio.TaskStatus[TreeHandle] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Run the root to its end; `run_tree` and `open_tree` do it."""

        def report_ready() -> None:
            self._state = ChildState.RUNNING
            self._ready_at = trio.current_time()
            task_status.started(self)

        self._root.place(self.name, self.dead_letters, report_ready, self.observers)
        if ref is not None:
            bind_root(ref, self.dead_letters, self._root)
        crash: Exception | None = None
        try:
            await self._root.run()
        except Exception as error:
            crash = error
            self._last_crash = LastCrash(one_line(error), time.time())
            logger.error("%s crashed: %s", self.name, one_line(error), exc_info=error)
            raise
        finally:
            self._state = ChildState.STOPPED
            self._ended.set()
            if ref is not None:
                unbind_root(ref, crash)
            del crash


async def run_tree(
    root: Supervisor | DynamicSupervisor,
    *,
    name: str,
    ref: SupervisorRef | None = None,
    task_status: trio.TaskStatus[TreeHandle] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run `root` and all below it until it is stopped; `nursery.start` gives its TreeHandle.

    Started when the whole tree is ready. `ref` becomes a handle of the root, for actors that need one.
    Raises what crashed the root: an exception group that holds the crashes behind it.
    """
    await TreeHandle(root, name).run(ref, task_status)


@asynccontextmanager
async def open_tree(
    root: Supervisor | DynamicSupervisor, *, name: str, ref: SupervisorRef | None = None
) -> AsyncIterator[TreeHandle]:
    """Run a tree around a block: `async with open_tree(root, name="coordinator") as tree:`.

    The block is entered when the whole tree is ready; at its end, also by an exception, the tree is
    stopped gracefully. If the root crashes the block is cancelled, and the crash is raised out of it
    as an exception group that holds the crashes behind it. The tree may also end by itself
    (auto_shutdown); wait for that with `tree.wait()`.
    """
    failure: BaseException | None = None
    try:
        async with trio.open_nursery() as nursery:
            handle = await nursery.start(TreeHandle(root, name).run, ref)
            try:
                yield handle
            finally:
                handle.stop()
                await handle.wait()
    except BaseExceptionGroup as group:
        failure = group.exceptions[0] if len(group.exceptions) == 1 else group
    if failure is not None:
        try:
            raise failure
        finally:
            del failure
