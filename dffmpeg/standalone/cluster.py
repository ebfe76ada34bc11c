"""A whole cluster on one machine: coordinator and workers as processes below one supervisor.

```
standalone             one_for_one
├── coordinator        ChildProcess
└── workers            dynamic: a ChildProcess each
```
"""

from __future__ import annotations

import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import trio

from dffmpeg.configuration.writing import write_file
from dffmpeg.standalone.child import SHUTDOWN, ChildProcess, StartFailed
from dffmpeg.standalone.options import Options
from dffmpeg.standalone.prepare import Plan
from dffmpeg.standalone.processes import Processes, Program
from dffmpeg.standalone.readiness import wait_healthy, wait_online
from dffmpeg.supervisors import (
    Backoff,
    ChildSpec,
    DynamicSupervisor,
    Restart,
    Supervisor,
    SupervisorRef,
    open_tree,
)

BACKOFF = Backoff(minimum=0.5, maximum=10.0, reset_after=30.0)

# The backoff paces restarts; a process that is killed again and again is no reason to stop the others.
INTENSITY = 1000

Say = Callable[[str], None]


class _Children:
    """Makes the children's specs."""

    def __init__(self, plan: Plan, options: Options, say: Say) -> None:
        self._plan = plan
        self._restart = Restart.PERMANENT if options.restart else Restart.TEMPORARY
        self._say = say
        self.processes = Processes(plan.layout.cluster, plan.url)

    def coordinator(self) -> ChildSpec:
        layout, admin = self._plan.layout, self._plan.admin
        command = (sys.executable, "-m", "dffmpeg.coordinator", "--config", str(layout.coordinator))
        program = Program("coordinator", command, layout.coordinator, layout.log("coordinator"))
        return self._spec(program, lambda: wait_healthy(admin))

    def worker(self, name: str) -> ChildSpec:
        config = self._plan.layout.worker(name)
        command = (sys.executable, "-m", "dffmpeg.worker", "--config", str(config))
        return self._spec(Program(name, command, config, self._plan.layout.log(name)), None)

    def _spec(self, program: Program, serves: Callable[[], Awaitable[None]] | None) -> ChildSpec:
        return ChildSpec(
            program.name,
            lambda: ChildProcess(program, self.processes, serves, self._say_end),
            restart=self._restart,
            shutdown=SHUTDOWN,
            backoff=BACKOFF if self._restart is Restart.PERMANENT else None,
        )

    def _say_end(self, line: str) -> None:
        what = "starting it again" if self._restart is Restart.PERMANENT else "not started again (--restart)"
        self._say(f"{line}; {what}")


@asynccontextmanager
async def open_cluster(plan: Plan, options: Options, say: Say) -> AsyncIterator[None]:
    """Run the cluster around a block, which is entered when a job can be submitted.

    Args:
        say: takes one line for each process that ends by itself.

    Raises:
        StartFailed: a process ended before that; or an exception group that holds it.
    """
    children = _Children(plan, options, say)
    workers = SupervisorRef.unbound("workers")
    dynamic = ChildSpec("workers", lambda: DynamicSupervisor(intensity=INTENSITY), ref=workers)
    root = Supervisor([children.coordinator(), dynamic], intensity=INTENSITY)
    try:
        async with open_tree(root, name="standalone"):
            for name in plan.workers:
                await workers.start_child(children.worker(name))
            await _until_online(plan, children.processes)
            yield
    finally:
        children.processes.remove()


async def _until_online(plan: Plan, processes: Processes) -> None:
    async with trio.open_nursery() as nursery:

        async def watch() -> None:
            await processes.first_end.wait()
            nursery.cancel_scope.cancel()

        nursery.start_soon(watch)
        await wait_online(plan.admin, plan.workers)
        nursery.cancel_scope.cancel()
    if processes.ended is not None:
        raise StartFailed(processes.ended)


async def serve(plan: Plan, options: Options, say: Say, announce: Callable[[Plan], None]) -> None:
    """Run the cluster until a signal asks for its end; a second one does not wait for anything.

    Args:
        announce: called when a job can be submitted.

    Raises:
        ExceptionGroup: holds StartFailed if it did not come up.
    """
    stopped = _Stop()
    async with trio.open_nursery() as nursery:
        await nursery.start(stopped.listen)
        with stopped.at_once:
            async with open_cluster(plan, options, say):
                with stopped.gracefully as stopped.scope:
                    if options.ready_file is not None:
                        write_file(options.ready_file, plan.url + "\n", mode=0o644, overwrite=True)
                    announce(plan)
                    await trio.sleep_forever()
        nursery.cancel_scope.cancel()


class _Stop:
    """Turns signals into cancellation: first of what runs inside the cluster, then of the cluster."""

    def __init__(self) -> None:
        self.at_once = trio.CancelScope()
        self.gracefully = trio.CancelScope()
        self.scope: trio.CancelScope | None = None

    async def listen(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
            task_status.started()
            async for _ in signals:
                if self.scope is None or self.gracefully.cancel_called:
                    self.at_once.cancel()
                else:
                    self.gracefully.cancel()
