"""What has to be known and done before an attempt's program is started on this worker."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import trio

from dffmpeg.actors.runtime import ActorError, ActorRef
from dffmpeg.actors.worker.attempts.commands import Machine, NotRunnable, prepare
from dffmpeg.actors.worker.attempts.leftovers import CannotRemove, Outputs
from dffmpeg.actors.worker.attempts.path_threads import PathThreads
from dffmpeg.actors.worker.capabilities import Describe, Description
from dffmpeg.actors.worker.mounts.messages import UsablePaths
from dffmpeg.actors.worker.processes.actor import Processes
from dffmpeg.actors.worker.processes.launches import CannotStart, Command
from dffmpeg.actors.worker.sandbox import limits_of, policy_of
from dffmpeg.configuration.worker import WorkerConfig
from dffmpeg.wire.bytestring import from_wire
from dffmpeg.wire.workers import JobRequest

PREPARE_SECONDS = 10.0
"""How long the file system may take to answer before a job is rejected."""

_ASK_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """What can be run here.

    Attributes:
        new: see `Outputs.new`.
    """

    command: Command
    outputs: Outputs
    new: tuple[bytes, ...]


class Preparation:
    """Not an actor: the actor of the attempts owns it.

    Args:
        processes: asked for the views.
        mounts: asked for the directories that are there.
        capabilities: asked for the programs and what they can do.
    """

    def __init__(
        self,
        config: WorkerConfig,
        processes: Processes,
        mounts: ActorRef[UsablePaths],
        capabilities: ActorRef[Describe],
    ) -> None:
        self._config = config
        self._processes = processes
        self._mounts = mounts
        self._capabilities = capabilities
        self._policy = policy_of(config)
        self._threads = PathThreads(len(config.paths), config.slots)

    async def prepare(self, request: JobRequest) -> Prepared:
        """What is to be started for a job.

        Raises:
            NotRunnable: this worker cannot run it; the text says why.
        """
        try:
            names = self._names(request)
            present = await self._mounts.ask(UsablePaths(names), _ASK_SECONDS)
            offered = await self._capabilities.ask(Describe(request.binary_name), _ASK_SECONDS)
            work = partial(_prepared, request, self._machine(offered, present))
            prepared = await self._threads.run(names & present.keys(), work, PREPARE_SECONDS)
            if prepared.command.view is not None:
                # Now, while another worker may still get the job if it cannot be made.
                await self._processes.namespaces.have(prepared.command.view)
        except CannotStart as reason:
            raise NotRunnable(str(reason)) from reason
        except trio.TooSlowError:
            raise NotRunnable("the worker's directories do not answer", fault=True) from None
        except ActorError as error:
            raise NotRunnable("the worker is restarting", passing=True) from error
        return prepared

    async def clear(self, request: JobRequest, prepared: Prepared) -> None:
        """Remove what earlier attempts began."""
        begun = begun_by(request)
        if not begun:
            return
        given_up = threading.Event()
        try:
            work = partial(prepared.outputs.remove, begun, given_up)
            await self._threads.run(frozenset(request.paths), work, PREPARE_SECONDS)
        except CannotRemove as reason:
            raise NotRunnable(str(reason)) from reason
        except trio.TooSlowError:
            raise NotRunnable("the worker's directories do not answer", fault=True) from None
        finally:
            # The thread may hang, and come to itself when the next attempt has begun to write.
            given_up.set()

    def _names(self, request: JobRequest) -> frozenset[str]:
        """The path variables whose directories a job asks for; in a view there are all of its client's."""
        others = request.client_paths if self._processes.namespaces.available else ()
        return frozenset((*request.paths, *others))

    def _machine(self, offered: Description, present: Mapping[str, bytes]) -> Machine:
        return Machine(
            programs=offered.programs,
            present=present,
            abilities=offered.abilities,
            substitutions=self._config.stand_ins,
            environment=self._config.environment,
            as_caller=self._config.run_as == "caller",
            kept=self._processes.tools.folders if self._processes.namespaces.available else None,
            read_only=self._config.read_only,
            policy=self._policy,
            refused=frozenset(self._config.confines.refuse_options),
            scratch_folder=self._processes.scratch_folder,
            limits=limits_of(self._config),
        )


def _prepared(request: JobRequest, machine: Machine) -> Prepared:
    """Everything about a job that the file system has to be asked for."""
    command = prepare(request, machine)
    owner = None if command.credentials is None else command.credentials.uid
    outputs = Outputs(request, machine.present, owner)
    return Prepared(command, outputs, outputs.new(begun_by(request)))


def begun_by(request: JobRequest) -> dict[bytes, int]:
    """What earlier attempts made: paths in the `$Name` form, and inodes."""
    return {from_wire(one.path, "begun"): one.inode for one in request.begun}
