"""One attempt's process, from its start to the report of its end.

spawned -> runs -> ended (by itself, or by a cancelation's steps)
        -> the output actor delivers the rest -> finish is answered -> this actor ends, and with it its tree
"""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from dffmpeg.actors.runtime import Actor, ActorRef, Timer
from dffmpeg.actors.worker.attempts.chronicle import Chronicle
from dffmpeg.actors.worker.attempts.messages import (
    Cancel,
    Control,
    Delivered,
    Ended,
    Exceeded,
    Exited,
    Finishing,
    Opened,
    SendAgain,
)
from dffmpeg.actors.worker.processes.actor import Processes, RunningProcess
from dffmpeg.actors.worker.processes.launches import CannotStart, Command
from dffmpeg.actors.worker.uplink import Uplink, gone
from dffmpeg.configuration.worker import Cancel as CancelSteps
from dffmpeg.errors import Refused
from dffmpeg.model.retries import ended_with
from dffmpeg.wire.control import Closed, Record, Signal, Size
from dffmpeg.wire.jobs import FinishReport
from dffmpeg.wire.workers import AttemptRef

logger = logging.getLogger("dffmpeg.worker.ffmpeg")

_CANCELED_OUTPUT_SECONDS = 10.0
"""How long the output of a canceled process may take to be delivered: its reader may be gone for good."""

_MAX_RESENDS = 10

_SIGNAL_SECONDS = 0.1
"""How long the program may take for a signal before the same one is sent again."""


@dataclass(frozen=True, slots=True)
class Escalate:
    """The last signal did not end the process: send the next one."""

    number: int


@dataclass(frozen=True, slots=True)
class GiveUpOutput:
    """A canceled process's output was not taken in time: report its end without it."""


@dataclass(frozen=True, slots=True)
class RunDue:
    """It has run for as long as it may."""


FFmpegMessage = RunDue | Cancel | Control | Delivered | Ended | Escalate | Exceeded | GiveUpOutput


class FFmpegProcessActor(Actor[FFmpegMessage]):
    """Owns one real process and its pipes; reports its end to the coordinator.

    It ends normally once the report was answered, also when the program could
    not be started. Whatever ends it otherwise kills the process's group at once.

    Args:
        output: told when the pipes can be read, and when the process is gone.
        attempts: told when the program has ended, and when its slot may be used again.
        steps: how long each step of a cancelation may take.
        run_timeout: seconds after which the program is ended, by the same steps, as a failure.
        excuse: why a failure need not be the command's own, if that is so.
        chronicle: told when the program is over.
    """

    def __init__(
        self,
        attempt: AttemptRef,
        command: Command,
        uplink: Uplink,
        processes: Processes,
        *,
        output: ActorRef[Opened | Ended | SendAgain],
        attempts: ActorRef[Exited | Finishing],
        steps: CancelSteps,
        run_timeout: float | None = None,
        excuse: Callable[[], Awaitable[str | None]] | None = None,
        chronicle: Chronicle | None = None,
    ) -> None:
        self._attempt = attempt
        self._command = command
        self._uplink = uplink
        self._processes = processes
        self._output = output
        self._attempts = attempts
        self._steps = steps
        self._run_timeout = run_timeout
        self._overrun: str | None = None
        self._excuse = excuse
        self._chronicle = chronicle
        self._begin = 0.0
        self._process: RunningProcess | None = None
        self._canceled = False
        self._escalation: Timer | None = None
        self._delivered: Delivered | None = None
        self._resends = 0

    async def run(self) -> None:
        try:
            async with self._processes.running(self._command) as process:
                self._process, self._begin = process, time.time()
                self.context.nursery.start_soon(self._await_end, process)
                await self._output.tell(Opened(process))
                if self._run_timeout is not None:
                    self.context.tell_after(self._run_timeout, RunDue())
                await super().run()
        except CannotStart as reason:
            logger.warning("job %s: %s", self._attempt.job_id, reason)
            self.context.ready()
            await self._give_back(str(reason))

    async def _await_end(self, process: RunningProcess) -> None:
        await process.exited.wait()
        await self.context.ref.tell(Ended())

    async def handle(self, message: FFmpegMessage) -> None:
        process = self._process
        assert process is not None
        match message:
            case Cancel(kill):
                self._cancel(process, kill=kill)
            case Control(record):
                await self._control(process, record)
            case RunDue():
                self._end_overrun(process, f"it ran for longer than {self._run_timeout:g} s")
            case Exceeded(reason):
                self._end_overrun(process, reason)
            case Escalate(number):
                self._signal(process, signal.Signals(number))
            case Ended():
                await self._ended(process)
            case Delivered():
                self._delivered = message
                if not self._canceled:
                    # It may have ended before it was told to.
                    self._overrun = self._overrun or message.exceeded
                await self._finish_if_over(process)
            case GiveUpOutput():
                await self._finish(self._report(process, None))

    async def _ended(self, process: RunningProcess) -> None:
        if self._escalation is not None:
            self._escalation.cancel()
        self._tell_of_end(process)
        await self._output.tell(Ended())
        await self._attempts.tell(Exited(self._attempt))
        if self._canceled:
            self.context.tell_after(_CANCELED_OUTPUT_SECONDS, GiveUpOutput())
        await self._finish_if_over(process)

    def _end_overrun(self, process: RunningProcess, reason: str) -> None:
        if not (self._canceled or self._overrun or process.exited.is_set()):
            self._overrun = reason
            self._signal(process, signal.SIGINT)

    def _cancel(self, process: RunningProcess, *, kill: bool) -> None:
        first, self._canceled = not self._canceled, True
        if process.exited.is_set():
            if first:
                self.context.tell_after(_CANCELED_OUTPUT_SECONDS, GiveUpOutput())
        elif kill:
            self._signal(process, signal.SIGKILL)
        elif first:
            self._signal(process, signal.SIGINT)

    def _signal(self, process: RunningProcess, number: signal.Signals) -> None:
        logger.info("job %s: %s", self._attempt.job_id, number.name)
        if self._escalation is not None:
            self._escalation.cancel()
        process.send_signal(number)
        # What was stopped acts on it only when it goes on.
        process.send_signal(signal.SIGCONT)
        if number is signal.SIGINT:
            self._escalation = self.context.tell_after(self._steps.interrupt, Escalate(signal.SIGTERM))
        elif number is signal.SIGTERM:
            self._escalation = self.context.tell_after(self._steps.terminate, Escalate(signal.SIGKILL))

    async def _control(self, process: RunningProcess, record: Record) -> None:
        match record:
            case Signal(number):
                logger.debug("job %s: signal %d from its caller", self._attempt.job_id, number)
                await process.taken(number, _SIGNAL_SECONDS)
                process.pass_on(number)
            case Closed(descriptor):
                await process.close_output(descriptor)
            case Size(rows, columns):
                process.resize(rows, columns)

    async def _finish_if_over(self, process: RunningProcess) -> None:
        # In either order: a program may close its streams long before it ends.
        if process.exited.is_set() and self._delivered is not None:
            # What was delivered may be known before our own message of the end.
            self._tell_of_end(process)
            logger.info("its program has ended with %s", ended_with(process.exit.code, process.exit.signal))
            if process.failure is not None and not self._canceled:
                await self._give_back(process.failure)
            else:
                await self._finish(self._report(process, self._delivered))

    def _tell_of_end(self, process: RunningProcess) -> None:
        chronicle, self._chronicle = self._chronicle, None
        if chronicle is not None:
            arguments, end = self._command.arguments, process.exit
            chronicle.program_ended(arguments, self._begin, process.pid, end.code, end.signal)

    def _report(self, process: RunningProcess, delivered: Delivered | None) -> FinishReport:
        report = FinishReport(
            status="completed" if process.exit.code == 0 else "failed",
            exit_code=process.exit.code,
            signal=process.exit.signal,
            attempt=self._attempt.attempt,
        )
        if delivered is not None:
            others = dict(delivered.lengths)
            report.stdout, report.stderr = others.pop(1, 0), others.pop(2, 0)
            report.others = others
            report.progress = delivered.progress
        if self._overrun is not None:
            # How it ended then was our doing.
            report.status, report.exit_code, report.signal = "failed", None, None
            report.reason = self._overrun
        elif process.limit is not None and report.status == "failed":
            report.reason = process.limit
        if self._canceled:
            report.status = "canceled"
        return report

    async def _give_back(self, reason: str) -> None:
        """Report that it came to nothing through no fault of the command, so it may run again, and end."""
        logger.warning("job %s is given back: %s", self._attempt.job_id, reason)
        await self._attempts.tell(Finishing(self._attempt))
        try:
            await self._uplink.reject(self._attempt, reason)
        except Refused as refusal:
            if not gone(refusal):
                raise
        self.context.finish()

    async def _finish(self, report: FinishReport) -> None:
        """Report, and end; or have the output sent again if the coordinator lost some of it."""
        if report.status == "failed" and self._excuse is not None:
            excuse = await self._excuse()
            if excuse is not None:
                await self._give_back(excuse)
                return
        await self._attempts.tell(Finishing(self._attempt))
        try:
            await self._uplink.finish(self._attempt.job_id, report)
        except Refused as refusal:
            if not gone(refusal):
                raise
            if (
                refusal.status == 409
                and refusal.detail.startswith("output missing")
                and self._resends < _MAX_RESENDS
            ):
                self._resends += 1
                self._delivered = None
                await self._output.tell(SendAgain())
                return
            logger.warning("job %s: the report of its end was refused: %s", self._attempt.job_id, refusal)
        self.context.finish()
