"""What has to be known and done before an attempt's program is started on this worker."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

import trio

from dffmpeg.actors.capabilities import Describe, Description
from dffmpeg.actors.commands import Machine, NotRunnable, prepare
from dffmpeg.actors.launches import CannotStart, Command
from dffmpeg.actors.leftovers import CannotRemove, Outputs
from dffmpeg.actors.mounts import PresentPaths
from dffmpeg.actors.processes import Processes
from dffmpeg.actors.runtime import ActorError, ActorRef
from dffmpeg.configuration.worker import WorkerConfig
from dffmpeg.wire.bytestring import list_from_wire
from dffmpeg.wire.workers import JobRequest

_ASK_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """What can be run here.

    Attributes:
        new_outputs: see `Outputs.new`; None where an earlier attempt said it.
    """

    command: Command
    outputs: Outputs
    new_outputs: tuple[bytes, ...] | None


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
        mounts: ActorRef[PresentPaths],
        capabilities: ActorRef[Describe],
    ) -> None:
        self._config = config
        self._processes = processes
        self._mounts = mounts
        self._capabilities = capabilities
        # Its own, because a thread that hangs on a dead mount keeps its token.
        self._threads = trio.CapacityLimiter(4 * config.slots)

    async def prepare(self, request: JobRequest) -> Prepared:
        try:
            present = await self._mounts.ask(PresentPaths(), _ASK_SECONDS)
            offered = await self._capabilities.ask(Describe(request.binary_name), _ASK_SECONDS)
            machine = self._machine(offered, present)
            with trio.fail_after(_ASK_SECONDS):
                prepared = await trio.to_thread.run_sync(
                    _prepared, request, machine, abandon_on_cancel=True, limiter=self._threads
                )
            if prepared.command.view is not None:
                # Now, while another worker may still get the job if it cannot be made.
                await self._processes.namespaces.have(prepared.command.view)
        except CannotStart as reason:
            raise NotRunnable(str(reason)) from reason
        except trio.TooSlowError:
            raise NotRunnable("the worker's directories do not answer") from None
        except ActorError as error:
            raise NotRunnable("the worker is restarting") from error
        return prepared

    async def clear(self, request: JobRequest, prepared: Prepared) -> None:
        """Remove what earlier attempts began."""
        if not request.new_outputs:
            return
        begun = list_from_wire(request.new_outputs, "new_outputs")
        given_up = threading.Event()
        try:
            with trio.fail_after(_ASK_SECONDS):
                await trio.to_thread.run_sync(
                    prepared.outputs.remove, begun, given_up, abandon_on_cancel=True, limiter=self._threads
                )
        except CannotRemove as reason:
            raise NotRunnable(str(reason)) from reason
        except trio.TooSlowError:
            raise NotRunnable("the worker's directories do not answer") from None
        finally:
            # The thread may hang, and come to itself when the next attempt has begun to write.
            given_up.set()

    def _machine(self, offered: Description, present: Mapping[str, bytes]) -> Machine:
        return Machine(
            programs=offered.programs,
            present=present,
            abilities=offered.abilities,
            substitutions=self._config.stand_ins,
            environment=self._config.environment,
            as_caller=self._config.run_as == "caller",
            kept=self._processes.tools.folders if self._processes.namespaces.available else None,
        )


def _prepared(request: JobRequest, machine: Machine) -> Prepared:
    """Everything about a job that the file system has to be asked for."""
    command = prepare(request, machine)
    owner = None if command.credentials is None else command.credentials.uid
    outputs = Outputs(request, machine.present, owner)
    return Prepared(command, outputs, outputs.new() if request.new_outputs is None else None)
