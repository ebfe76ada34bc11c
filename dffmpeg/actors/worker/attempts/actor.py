"""Which attempts this worker holds: accepts up to its slots, starts and ends the small tree of each.

An attempt is held from the moment it was offered until its tree has ended. It is
started only after the coordinator confirmed the acceptance; until then a stop or
a cancelation is only noted.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import trio

from dffmpeg import logs
from dffmpeg.actors.runtime import Actor, ActorRef, Down, Reply
from dffmpeg.actors.worker.attempts.chronicle import Chronicle
from dffmpeg.actors.worker.attempts.commands import NotRunnable
from dffmpeg.actors.worker.attempts.messages import (
    Assign,
    AttemptsMessage,
    BeginRegistration,
    Cancel,
    CancelAttempt,
    Drain,
    EndRegistration,
    Exited,
    Finishing,
    GiveBack,
    StopAll,
    StopAttempt,
    StopJob,
    Withdraw,
)
from dffmpeg.actors.worker.attempts.preparation import Preparation, Prepared
from dffmpeg.actors.worker.occupancy import Occupancy
from dffmpeg.actors.worker.uplink import Uplink, gone
from dffmpeg.configuration.worker import WorkerConfig
from dffmpeg.errors import Refused
from dffmpeg.model.scheduling.capacity import short_of, taken
from dffmpeg.supervisors import (
    ChildSpec,
    ChildStartFailed,
    NotFound,
    SupervisorError,
    SupervisorNotRunning,
    SupervisorRef,
)
from dffmpeg.telemetry import OFF, Telemetry
from dffmpeg.wire.jobs import FinishReport
from dffmpeg.wire.trace import trace_of
from dffmpeg.wire.workers import AttemptRef, JobRequest, RegisterReply

logger = logging.getLogger("dffmpeg.worker.attempts")

_MAX_REPORTS = 64


@dataclass(frozen=True, slots=True)
class JobTree:
    """What is needed to start an attempt's tree and to reach into it.

    Attributes:
        spec: for the `jobs` supervisor; its id is the attempt's.
        supervisor: the handle of the tree, which `spec` binds.
        process: the actor that takes `Cancel`.
    """

    spec: ChildSpec
    supervisor: SupervisorRef
    process: ActorRef[Cancel]


TreeFactory = Callable[[JobRequest, Prepared, ActorRef[AttemptsMessage]], JobTree]


@dataclass(slots=True)
class _Held:
    request: JobRequest
    chronicle: Chronicle
    tree: JobTree | None = None
    canceled: bool = False
    killed: bool = False
    stopped: bool = False
    exited: bool = False
    finishing: bool = False
    lost: str | None = None
    """Why it is given back although nothing here broke."""


class AttemptsActor(Actor[AttemptsMessage | BeginRegistration | Drain | Down]):
    """Holds attempts, at most as many as the configuration has slots, in all and of each resource.

    Args:
        preparation: makes the commands.
        jobs: the supervisor under which each attempt's tree runs.
        make_tree: what such a tree is made of.
        occupancy: told how many attempts are held.
        telemetry: told of each attempt that is over.
    """

    def __init__(
        self,
        uplink: Uplink,
        *,
        config: WorkerConfig,
        preparation: Preparation,
        jobs: SupervisorRef,
        make_tree: TreeFactory,
        occupancy: Occupancy,
        telemetry: Telemetry = OFF,
    ) -> None:
        self._uplink = uplink
        self._slots = config.slots
        self._resources = config.resources
        self._preparation = preparation
        self._jobs = jobs
        self._make_tree = make_tree
        self._occupancy = occupancy
        self._telemetry = telemetry
        occupancy.set(0)
        self._held: dict[AttemptRef, _Held] = {}
        self._draining = False
        self._drained: list[Reply[None]] = []
        self._open = trio.Event()
        self._open.set()
        self._reports = 0

    async def handle(self, message: AttemptsMessage | BeginRegistration | Drain | Down) -> object:
        match message:
            case Assign(request):
                self._assign(request)
            case CancelAttempt(attempt, kill):
                self._cancel(attempt, kill=kill)
            case StopAttempt() | StopJob() | StopAll() | GiveBack() | Withdraw():
                self._end(message)
            case Exited() | Finishing():
                self._note_end(message)
            case BeginRegistration():
                return self._begin_registration()
            case EndRegistration(reply):
                self._end_registration(reply)
            case Drain():
                self._draining = True
                self._drained.append(self.context.defer())
                self._note_idle()
            case Down():
                self._tree_ended(message)
        return None

    def _end(self, message: StopAttempt | StopJob | StopAll | GiveBack | Withdraw) -> None:
        if isinstance(message, GiveBack):
            self._lose(message.attempt, message.reason)
        elif isinstance(message, Withdraw):
            self._withdraw(message.reasons)
        else:
            for attempt in self._meant(message):
                self._stop(attempt)

    def _meant(self, message: StopAttempt | StopJob | StopAll) -> list[AttemptRef]:
        match message:
            case StopAttempt(attempt):
                return [attempt]
            case StopJob(job_id):
                return [attempt for attempt in self._held if attempt.job_id == job_id]
            case StopAll():
                return [attempt for attempt, held in self._held.items() if not held.exited]

    def _lacking(self, request: JobRequest) -> str | None:
        """What there is not enough of for one more attempt."""
        running = [held.request for held in self._held.values() if not (held.finishing or held.stopped)]
        used, taken_now = len(running), taken(one.resources for one in running)
        lack = short_of(self._slots, self._resources, used, taken_now, request.resources)
        if lack is None:
            return None
        return f"all {lack} of the worker are in use" if lack else "all slots of the worker are in use"

    def _note_end(self, message: Exited | Finishing) -> None:
        held = self._held.get(message.attempt)
        if held is not None:
            held.exited = True
            held.finishing = held.finishing or isinstance(message, Finishing)

    # What the coordinator wants

    def _begin_registration(self) -> list[AttemptRef]:
        self._open = trio.Event()
        return list(self._held)

    def _end_registration(self, reply: RegisterReply | None) -> None:
        self._open.set()
        if reply is None:
            return
        for attempt in reply.stop:
            self._stop(attempt)
        for attempt in reply.cancel:
            self._cancel(attempt)
        for request in reply.assigned:
            self._assign(request)

    def _assign(self, request: JobRequest) -> None:
        attempt = AttemptRef(job_id=request.job_id, attempt=request.attempt)
        if attempt in self._held:
            return
        refusal = "the worker is draining" if self._draining else self._lacking(request)
        if refusal is not None:
            self._report(partial(self._uplink.reject, attempt, refusal))
            return
        self._held[attempt] = _Held(request, Chronicle(self._telemetry, request))
        self._occupancy.set(len(self._held))
        self.context.nursery.start_soon(self._begin, attempt)

    def _cancel(self, attempt: AttemptRef, *, kill: bool = False) -> None:
        held = self._held.get(attempt)
        if held is None:
            self._report(partial(self._confirm_canceled, attempt))
        elif not held.canceled or (kill and not held.killed):
            held.canceled, held.killed = True, kill
            if held.tree is not None:
                # Not waited for here: its mailbox may be full of what its caller did. Twice at most.
                self.context.nursery.start_soon(held.tree.process.tell, Cancel(kill))

    def _stop(self, attempt: AttemptRef) -> None:
        held = self._held.get(attempt)
        if held is None or held.stopped:
            return
        logger.info("job %s, attempt %d, is not ours any more", attempt.job_id, attempt.attempt)
        self._stop_held(held)

    def _stop_held(self, held: _Held) -> None:
        held.stopped = True
        if held.tree is not None:
            self.context.nursery.start_soon(self._terminate, held.tree)

    def _withdraw(self, reasons: Mapping[str, str]) -> None:
        """Give back what needs paths that are lost; the programs themselves cannot know."""
        for attempt, held in self._held.items():
            for reason in [reasons[name] for name in held.request.paths if name in reasons]:
                self._lose(attempt, reason)

    def _lose(self, attempt: AttemptRef, reason: str) -> None:
        """Kill it, and give it back."""
        held = self._held.get(attempt)
        if held is None or held.stopped or held.finishing:
            return
        logger.warning("job %s, attempt %d, is given back: %s", attempt.job_id, attempt.attempt, reason)
        held.lost = reason
        self._stop_held(held)

    async def _terminate(self, tree: JobTree) -> None:
        with suppress(NotFound, SupervisorNotRunning):
            await self._jobs.terminate_child(tree.spec.id)

    # An attempt's life

    async def _begin(self, attempt: AttemptRef) -> None:
        held = self._held[attempt]
        # The attempt's tree is started by this task.
        logs.begin(job=attempt.job_id, attempt=attempt.attempt, trace=trace_of(held.request.traceparent))
        try:
            prepared = await self._preparation.prepare(held.request)
        except NotRunnable as reason:
            self._forget(attempt, str(reason))
            said = partial(self._uplink.reject, fault=reason.fault, unfit=reason.unfit)
            await self._send_report(partial(said, attempt, str(reason)))
            return
        await self._open.wait()
        if held.lost is not None:
            self._forget(attempt)
            await self._give_back(attempt, held)
            return
        if held.stopped or not await self._accepted(attempt, prepared):
            self._forget(attempt)
            return
        try:
            await self._preparation.clear(held.request, prepared)
        except NotRunnable as reason:
            self._forget(attempt, str(reason))
            await self._send_report(partial(self._uplink.reject, attempt, str(reason)))
            return
        await self._start(attempt, held, prepared)

    async def _start(self, attempt: AttemptRef, held: _Held, prepared: Prepared) -> None:
        if held.lost is not None:
            self._forget(attempt)
            await self._give_back(attempt, held)
        elif held.stopped:
            self._forget(attempt)
        elif held.canceled:
            self._forget(attempt)
            await self._send_report(partial(self._confirm_canceled, attempt))
        else:
            await self._start_tree(attempt, held, prepared)

    async def _accepted(self, attempt: AttemptRef, prepared: Prepared) -> bool:
        try:
            command = prepared.command
            await self._uplink.accept(attempt, command.substitutions, command.executed())
        except Refused as refusal:
            logger.info("job %s was not accepted: %s", attempt.job_id, refusal)
            return False
        return True

    async def _start_tree(self, attempt: AttemptRef, held: _Held, prepared: Prepared) -> None:
        tree = self._make_tree(held.request, prepared, self.context.ref)
        logger.info("%s is started", held.request.binary_name)
        try:
            await self._jobs.start_child(tree.spec)
        except (ChildStartFailed, SupervisorError) as error:
            self._forget(attempt, "a fault in the worker")
            await self._report_lost(attempt, error)
            return
        held.tree = tree
        self.context.watch(tree.supervisor.ref)
        if held.stopped:
            await self._terminate(tree)
        elif held.canceled:
            await tree.process.tell(Cancel(held.killed))

    def _tree_ended(self, down: Down) -> None:
        for attempt, held in self._held.items():
            if held.tree is not None and held.tree.supervisor.ref == down.ref:
                self._forget(attempt, None if down.reason is None else "a fault in the worker")
                if held.lost is not None:
                    self.context.nursery.start_soon(self._give_back, attempt, held)
                elif down.reason is not None and not held.stopped:
                    self.context.nursery.start_soon(self._report_lost, attempt, down.reason)
                return

    def _forget(self, attempt: AttemptRef, error: str | None = None) -> None:
        held = self._held.pop(attempt)
        held.chronicle.ended(held.lost or error)
        self._occupancy.set(len(self._held))
        self._note_idle()

    def _note_idle(self) -> None:
        if self._draining and not self._held:
            for reply in self._drained:
                reply.send(None)
            self._drained.clear()

    # Reports about attempts that have no tree

    def _report(self, call: Callable[[], Awaitable[None]]) -> None:
        """Send a report in the background; while too many wait, the next registration reconciles instead."""
        if self._reports < _MAX_REPORTS:
            self.context.nursery.start_soon(self._send_report, call)

    async def _send_report(self, call: Callable[[], Awaitable[None]]) -> None:
        self._reports += 1
        try:
            await call()
        except Refused as refusal:
            if not gone(refusal):
                raise
        finally:
            self._reports -= 1

    async def _report_lost(self, attempt: AttemptRef, error: BaseException) -> None:
        """Give a running attempt back: what broke was ours, not the command, so it may run again."""
        reason = f"lost: a fault in the worker ended it ({type(error).__name__})"
        await self._send_report(partial(self._uplink.reject, attempt, reason))

    async def _give_back(self, attempt: AttemptRef, held: _Held) -> None:
        if held.canceled:
            await self._send_report(partial(self._confirm_canceled, attempt))
        else:
            await self._send_report(partial(self._uplink.reject, attempt, held.lost or "lost"))

    async def _confirm_canceled(self, attempt: AttemptRef) -> None:
        await self._uplink.finish(attempt.job_id, FinishReport(status="canceled", attempt=attempt.attempt))
