"""The streams between a process and the coordinator: bytes, offsets, resending, back-pressure.

Nothing is decoded or split. Each stream has a window; when an output's is full, its
pipe is not read, and the process waits as it would at any pipe. Latency comes
first: what is there is sent at once, and what is written meanwhile goes with the
next message.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import trio

from dffmpeg.actors.runtime import Actor, ActorRef, MailboxFull
from dffmpeg.actors.worker.attempts.attending import Attending
from dffmpeg.actors.worker.attempts.intakes import Intake
from dffmpeg.actors.worker.attempts.leftovers import Outputs
from dffmpeg.actors.worker.attempts.messages import (
    Arrived,
    Control,
    Delivered,
    Ended,
    Exceeded,
    GiveBack,
    Made,
    Moved,
    Opened,
    SendAgain,
    StopAttempt,
)
from dffmpeg.actors.worker.attempts.outlets import Allowance, Outlet
from dffmpeg.actors.worker.attempts.stalls import StallDetector
from dffmpeg.actors.worker.links import Links
from dffmpeg.actors.worker.processes.actor import RunningProcess
from dffmpeg.actors.worker.uplink import Uplink, gone
from dffmpeg.configuration.worker import Output
from dffmpeg.errors import Refused, Unreachable
from dffmpeg.model.progress import ProgressParser
from dffmpeg.supervisors import Backoff
from dffmpeg.transports.client import Link
from dffmpeg.wire import frames, link
from dffmpeg.wire.control import Record
from dffmpeg.wire.frames import CONTROL, HEADER_BYTES, Frame, Kind
from dffmpeg.wire.jobs import OutputReply, StreamAck
from dffmpeg.wire.workers import AttemptRef

_BODY_BYTES = 2 << 20
"""Payload of one request at most: half a window, so that reading goes on while it travels."""

_PACE = Backoff(minimum=0.02, maximum=1.0, jitter=0.0)
"""Between requests that brought a stream no further."""

_FILES_SECONDS = 0.02
"""Between two looks at what files the program has open, while it begins: what was not seen is not removed."""

_FILES_LOOKS = 250
"""So many of those; then once a second."""

_PROGRESS_SECONDS = 1.0
"""Between two that the coordinator is told."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What a program is watched for.

    Attributes:
        outputs: its output files on this machine.
        new: those that were not there before it.
        error_output: the output under which its stderr is found, which tells of its progress.
        stall_timeout: seconds without a sign of life after which it has stalled; None for never.
        keys: whether descriptor 0 is a keyboard for it, and no data.
        most: bytes that its outputs may bring together; None is no limit.
    """

    outputs: Outputs
    new: tuple[bytes, ...] = ()
    error_output: int | None = None
    stall_timeout: float | None = None
    keys: bool = False
    most: int | None = None


StreamsMessage = Opened | Ended | SendAgain | Arrived


class StreamsActor(Actor[StreamsMessage]):
    """Ships all streams of one attempt: over the worker's connection while that is open, else by requests.

    Args:
        links: where that connection is found.
        process: told `Delivered` when the coordinator has all outputs, each `Control`, and `Exceeded`.
        attempts: told `StopAttempt` when the coordinator says that the attempt is not ours, and `GiveBack`
            when the program has stalled.
        lease: told `Moved`, once a second at most, and `Made`.
        watch: what is looked at besides.
        settings: the size of the windows, and how much is read and put into one request's frame at once.
    """

    def __init__(
        self,
        attempt: AttemptRef,
        uplink: Uplink,
        links: Links,
        *,
        process: ActorRef[Delivered | Control | Exceeded],
        attempts: ActorRef[StopAttempt | GiveBack],
        lease: ActorRef[Made | Moved],
        settings: Output,
        watch: Watch,
    ) -> None:
        self._attempt = attempt
        self._uplink = uplink
        self._links = links
        self._process = process
        self._attempts = attempts
        self._lease = lease
        self._settings = settings
        self._watch = watch
        self._parser: ProgressParser | None = None
        self._said = trio.Event()
        self._stalls: StallDetector | None = None
        self._outlets: dict[int, Outlet] = {}
        self._intakes: dict[int, Intake] = {}
        self._attending = Attending(attempt, uplink, self._intakes, self._take)
        self._link: Link | None = None
        self._changed = trio.Event()
        self._told = False
        self._exceeded: str | None = None

    async def run(self) -> None:
        with self._links.listening(self._attempt, self.context.ref):
            await super().run()

    async def handle(self, message: StreamsMessage) -> None:
        match message:
            case Opened(process):
                self._open(process)
            case Ended():
                self._attending.end()
                for outlet in self._outlets.values():
                    outlet.process_ended()
            case SendAgain():
                for outlet in self._outlets.values():
                    outlet.window.doubt()
                    outlet.window.rewind(0)
                self._told = False
                self._note_change()
            case Arrived(pieces):
                for frame in pieces:
                    self._take(frame)

    def _open(self, process: RunningProcess) -> None:
        nursery, number = self.context.nursery, self._attempt.attempt
        window, chunk = self._settings.window, self._settings.chunk
        if self._watch.stall_timeout is not None:
            self._stalls = StallDetector(self._watch.stall_timeout, keys=self._watch.keys)
        allowance = None
        if self._watch.most is not None:
            allowance = Allowance(self._watch.most, self._exceed)
        for descriptor, pipe in process.outputs.items():
            tap = self._listen if descriptor == self._watch.error_output else None
            outlet = Outlet(descriptor, number, window, chunk, self._note_change, tap, allowance)
            self._outlets[descriptor] = outlet
            nursery.start_soon(outlet.pump, pipe)
        for descriptor in (*process.inputs, CONTROL):
            given = None if self._stalls is None else self._stalls.given
            intake = Intake(descriptor, number, self._note_change, given)
            self._intakes[descriptor] = intake
            if descriptor == CONTROL:
                nursery.start_soon(intake.control, self._control)
            else:
                nursery.start_soon(intake.feed, process)
        nursery.start_soon(self._watch_links)
        nursery.start_soon(self._ship)
        if self._watch.error_output in process.outputs:
            self._parser = ProgressParser(process.command.arguments)
            nursery.start_soon(self._tell_progress, self._parser)
        if self._stalls is not None:
            nursery.start_soon(self._watch_stalls, self._stalls, process)
        if self._watch.new:
            nursery.start_soon(self._watch_files, process)

    def _exceed(self) -> None:
        why = f"it wrote more than {self._watch.most} bytes to its caller (limits.output of the worker)"
        self._exceeded = why
        self.context.nursery.start_soon(self._process.tell, Exceeded(why))

    # What the program does

    def _listen(self, data: bytes) -> None:
        if self._parser is not None:
            self._parser.feed(data)
            self._said.set()

    async def _watch_files(self, process: RunningProcess) -> None:
        """Tell which files the program makes, soon after it has: later nobody could say that it did."""
        made: dict[bytes, int] = {}
        # Its own, because a thread that hangs on a dead mount keeps its token.
        limiter = trio.CapacityLimiter(1)
        looks = 0
        while made.keys() != set(self._watch.new) and not process.exited.is_set():
            await trio.sleep(_FILES_SECONDS if looks < _FILES_LOOKS else 1.0)
            look = partial(self._watch.outputs.made, self._watch.new, process.pid)
            found = await trio.to_thread.run_sync(look, abandon_on_cancel=True, limiter=limiter)
            looks += 1
            if not found.items() <= made.items():
                made |= found
                await self._lease.tell(Made(dict(made)))

    async def _tell_progress(self, parser: ProgressParser) -> None:
        told = None
        while True:
            await self._said.wait()
            self._said = trio.Event()
            progress = parser.read()
            if progress is not None and progress != told:
                told = progress
                # Where there is no room it has not said the last one yet.
                with suppress(MailboxFull):
                    self._lease.tell_nowait(Moved(progress))
            await trio.sleep(_PROGRESS_SECONDS)

    async def _watch_stalls(self, stalls: StallDetector, process: RunningProcess) -> None:
        reason = await stalls.stalled(process, self._outlets.values(), self._intakes.values())
        await self._attempts.tell(GiveBack(self._attempt, reason))

    async def _control(self, record: Record) -> None:
        if self._stalls is not None:
            self._stalls.noted(record)
        await self._process.tell(Control(record))

    def _take(self, frame: Frame) -> None:
        """What came from the coordinator, which knows the launch as we do: anything else is of no use."""
        if frame.kind is Kind.ACK and frame.descriptor in self._outlets:
            self._outlets[frame.descriptor].heed(frame)
        elif frame.kind is Kind.INPUT and frame.descriptor in self._intakes:
            self._intakes[frame.descriptor].take(frame)

    def _note_change(self) -> None:
        self._changed.set()

    async def _watch_links(self) -> None:
        while True:
            await self._links.changed.wait()
            self._note_change()

    async def _ship(self) -> None:
        while True:
            self._changed = trio.Event()
            self._follow_link()
            if self._link is None:
                self._ship_by_requests()
            elif not self._told:
                try:
                    await self._ship_over(self._link)
                except Unreachable:
                    # The downlink finds out as well, and there is another then, or none.
                    while self._links.current is self._link:
                        await self._links.changed.wait()
                    continue
            await self._tell_if_delivered()
            await self._changed.wait()

    async def _tell_if_delivered(self) -> None:
        if self._told:
            return
        windows = [outlet.window for outlet in self._outlets.values()]
        if self._link is None:
            done = all(window.delivered for window in windows)
        else:
            # The report goes the same way and comes behind; if it does not, it is refused.
            done = all(window.all_sent for window in windows)
        if done:
            self._told = True
            lengths = {number: outlet.window.end for number, outlet in self._outlets.items()}
            progress = None if self._parser is None else self._parser.read()
            await self._process.tell(Delivered(lengths, progress, self._exceeded))

    # Over the worker's connection

    def _follow_link(self) -> None:
        current = self._links.current
        if current is self._link:
            return
        self._link = current
        for outlet in self._outlets.values():
            # What was under way on the old one may be lost.
            outlet.window.rewind()
        for intake in self._intakes.values():
            # It is the first that the coordinator hears of us there, and says how far they are.
            intake.due = True

    async def _ship_over(self, connection: Link) -> None:
        while pieces := self._pieces():
            await connection.send(link.parts(self._attempt.job_id, pieces))

    def _pieces(self) -> list[Frame]:
        """The next message: acknowledgements of inputs, and its share of each output's window."""
        pieces = [intake.acknowledgement() for intake in self._intakes.values() if intake.due]
        limit = link.MAX_MESSAGE - link.JOB_ID_BYTES - len(pieces) * HEADER_BYTES
        waiting = [
            outlet for outlet in self._outlets.values() if outlet.window.pending and not outlet.under_way
        ]
        for left, outlet in zip(range(len(waiting), 0, -1), waiting, strict=True):
            piece = outlet.take(limit // left - HEADER_BYTES)
            limit -= HEADER_BYTES + len(piece.payload)
            pieces.append(piece)
        return pieces

    # By requests

    def _ship_by_requests(self) -> None:
        due = [outlet for outlet in self._outlets.values() if outlet.due]
        for outlet in due:
            outlet.under_way = True
        if due:
            self.context.nursery.start_soon(self._send, due)
        if self._attending.due:
            self._attending.begin()
            self.context.nursery.start_soon(self._attend)

    async def _attend(self) -> None:
        try:
            await self._attending.ask()
        except Refused as refusal:
            await self._refused(refusal)
        self._note_change()

    async def _refused(self, refusal: Refused) -> None:
        if not gone(refusal):
            raise refusal
        await self._attempts.tell(StopAttempt(self._attempt))

    async def _send(self, outlets: Sequence[Outlet]) -> None:
        share = _BODY_BYTES // len(outlets)
        taken = [frame for outlet in outlets for frame in outlet.take_all(self._settings.chunk, share)]
        try:
            reply = await self._uplink.output(self._attempt, b"".join(map(frames.encode, taken)))
        except Refused as refusal:
            # The streams stay under way: nothing more is sent for an attempt that is not ours.
            await self._refused(refusal)
            return
        for outlet in outlets:
            outlet.acknowledge(_answer_for(outlet.number, reply))
            if outlet.fruitless:
                self.context.nursery.start_soon(self._pace, outlet)
            else:
                outlet.under_way = False
        self._note_change()

    async def _pace(self, outlet: Outlet) -> None:
        """Hold a stream back for a moment: the last requests moved nothing."""
        await trio.sleep(_PACE.delay(outlet.fruitless, 0.0))
        outlet.under_way = False
        self._note_change()


def _answer_for(number: int, reply: OutputReply) -> StreamAck:
    return {1: reply.stdout, 2: reply.stderr, **reply.others}[number]
