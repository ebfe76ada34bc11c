"""From an offered job to its command, in threads that may hang with a file system."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

import trio

from dffmpeg.actors.capabilities import Programs
from dffmpeg.actors.commands import Machine, NotRunnable, prepare
from dffmpeg.actors.launches import CannotStart, Command
from dffmpeg.actors.mount_messages import UsablePaths
from dffmpeg.actors.processes import Processes
from dffmpeg.actors.runtime import ActorError, ActorRef
from dffmpeg.configuration.worker import WorkerConfig
from dffmpeg.wire.workers import JobRequest

MOST_HUNG = 4
"""Threads that hang for one path: with more, its jobs are rejected at once."""

PREPARE_SECONDS = 10.0
"""How long the file system may take to answer before a job is rejected."""

_ASK_SECONDS = 10.0


class Preparation:
    """Makes commands. What hangs meanwhile costs the jobs that use the same paths, and no others.

    Args:
        mounts: asked for the directories that are there.
        capabilities: asked for the programs.
    """

    def __init__(
        self,
        config: WorkerConfig,
        processes: Processes,
        mounts: ActorRef[UsablePaths],
        capabilities: ActorRef[Programs],
    ) -> None:
        self._config = config
        self._processes = processes
        self._mounts = mounts
        self._capabilities = capabilities
        self._hung: set[_Thread] = set()
        # Never short of tokens: for each path there are at most those that hang, and those under way.
        self._threads = trio.CapacityLimiter((MOST_HUNG + config.slots) * (len(config.paths) + 2))

    async def command(self, request: JobRequest) -> Command:
        """What is to be started for a job.

        Raises:
            NotRunnable: this worker cannot run it; the text says why.
        """
        names = frozenset(request.paths)
        if self._processes.namespaces.available:
            # In a view there are all of its client's directories.
            names |= request.client_paths.keys()
        try:
            present = await self._mounts.ask(UsablePaths(names), _ASK_SECONDS)
            programs = await self._capabilities.ask(Programs(), _ASK_SECONDS)
            command = await self._prepare(request, self._machine(programs, present), names & present.keys())
            if command.view is not None:
                # Now, while another worker may still get the job if it cannot be made.
                await self._processes.namespaces.have(command.view)
        except CannotStart as reason:
            raise NotRunnable(str(reason)) from reason
        except trio.TooSlowError:
            raise NotRunnable("the worker's directories do not answer") from None
        except ActorError as error:
            raise NotRunnable("the worker is restarting") from error
        return command

    def _machine(self, programs: Mapping[str, bytes], present: Mapping[str, bytes]) -> Machine:
        return Machine(
            programs=programs,
            present=present,
            environment=self._config.environment,
            as_caller=self._config.run_as == "caller",
            kept=self._processes.tools.folders if self._processes.namespaces.available else None,
        )

    async def _prepare(self, request: JobRequest, machine: Machine, names: frozenset[str]) -> Command:
        if sum(hung.is_related_to(names) for hung in self._hung) >= MOST_HUNG:
            raise trio.TooSlowError
        thread = _Thread(names)
        token = trio.lowlevel.current_trio_token()

        def work() -> Command:
            try:
                return prepare(request, machine)
            finally:
                # After the worker's own end there is nobody to be told.
                with contextlib.suppress(trio.RunFinishedError):
                    token.run_sync_soon(self._hung.discard, thread)

        try:
            with trio.fail_after(PREPARE_SECONDS):
                return await trio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=self._threads)
        except trio.TooSlowError:
            self._hung.add(thread)
            raise


@dataclass(frozen=True, slots=True, eq=False)
class _Thread:
    """One that prepares a job which uses the paths of these names."""

    names: frozenset[str]

    def is_related_to(self, names: frozenset[str]) -> bool:
        return bool(names & self.names) or not (names or self.names)
