"""What has to be known before an attempt's program is started on this worker."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import trio

from dffmpeg.actors.capabilities import Programs
from dffmpeg.actors.commands import Machine, NotRunnable, prepare
from dffmpeg.actors.launches import CannotStart, Command
from dffmpeg.actors.mount_messages import UsablePaths
from dffmpeg.actors.path_threads import PathThreads
from dffmpeg.actors.processes import Processes
from dffmpeg.actors.runtime import ActorError, ActorRef
from dffmpeg.configuration.worker import WorkerConfig
from dffmpeg.wire.workers import JobRequest

PREPARE_SECONDS = 10.0
"""How long the file system may take to answer before a job is rejected."""

_ASK_SECONDS = 10.0


class Preparation:
    """Not an actor: the actor of the attempts owns it.

    Args:
        processes: asked for the views.
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
        self._threads = PathThreads(len(config.paths), config.slots)

    async def prepare(self, request: JobRequest) -> Command:
        """What is to be started for a job.

        Raises:
            NotRunnable: this worker cannot run it; the text says why.
        """
        try:
            names = self._names(request)
            present = await self._mounts.ask(UsablePaths(names), _ASK_SECONDS)
            programs = await self._capabilities.ask(Programs(), _ASK_SECONDS)
            work = partial(prepare, request, self._machine(programs, present))
            command = await self._threads.run(names & present.keys(), work, PREPARE_SECONDS)
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

    def _names(self, request: JobRequest) -> frozenset[str]:
        """The path variables whose directories a job asks for; in a view there are all of its client's."""
        others = request.client_paths if self._processes.namespaces.available else ()
        return frozenset((*request.paths, *others))

    def _machine(self, programs: Mapping[str, bytes], present: Mapping[str, bytes]) -> Machine:
        return Machine(
            programs=programs,
            present=present,
            environment=self._config.environment,
            as_caller=self._config.run_as == "caller",
            kept=self._processes.tools.folders if self._processes.namespaces.available else None,
        )
