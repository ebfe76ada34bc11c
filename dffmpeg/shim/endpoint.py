"""The caller's end of one job: its descriptors, its signals, its terminal; and how far each of them is.

It speaks with an engine over a socket. The engine may die at any time: everything that another
one needs to go on is here.
"""

from __future__ import annotations

import select
from struct import pack

from dffmpeg.shim import signals, wire
from dffmpeg.shim.ending import LOST, Ending
from dffmpeg.shim.inputs import Gone, Input
from dffmpeg.shim.outputs import Output, OutputFailed
from dffmpeg.shim.progress import Differs, Missing
from dffmpeg.shim.wire import Part, Reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket

    from dffmpeg.shim.call import Call
    from dffmpeg.shim.signals import Signals

RUNNING = (b"running", b"canceling")
SIGNAL, CLOSED, SIZE = 1, 2, 3
"""Types of control records, docs/protocol.md."""
READ_LIMIT = 16 << 20
"""Bytes that may wait for the caller's descriptors; windows keep it far below."""


class Refused(Exception):
    """The engine does not take the call."""


class EngineLost(Exception):
    """The engine died, or what it says makes no sense: another one has to go on."""


class Failed(Exception):
    """This call cannot go on; the text is one line."""


class Local(Exception):
    """The local program is to be run instead."""

    def __init__(self, path: bytes) -> None:
        super().__init__(path)
        self.path = path


class Endpoint:
    """One call from its beginning to its end, over as many engines as it takes.

    Args:
        call: what is called.
        caught: the caller's signals.
        cancels: whether the first signal that would end a program cancels the job, and the second one ends
            us at once; otherwise signals are the program's business.
    """

    def __init__(self, call: Call, caught: Signals, *, cancels: bool = False) -> None:
        self._call = call
        self._caught = caught
        self._cancels = cancels
        self._outputs = {
            number: Output(number, repeats=repeats) for number, repeats in call.outputs().items()
        }
        self._inputs = {number: Input(number, reads=reads) for number, reads in call.inputs().items()}
        self._attempt = 0
        self._status = b""
        # Records that stand in the control stream for certain, and those that we do not know it of.
        self._appended = bytearray()
        self._records: list[bytes] = []
        self._signal = 0
        self._told_broken: set[int] = set()
        self._ending: Ending | None = None
        self._told = False
        self._unsent: list[bytes] = []

    @property
    def told(self) -> bool:
        """Whether the engine has said how the call ends."""
        return self._told

    def run(self, engine: socket) -> Ending:
        """Go on with this engine until the job has ended.

        Raises:
            Refused: it does not take the call; nothing was done.
            EngineLost: it died; call again with another.
            Local: run this program instead.
        """
        engine.setblocking(False)
        self._unsent = []
        self._introduce()
        reader = Reader()
        try:
            while True:
                self._deliver_input()
                self._wait_and_work(engine, reader)
                if self._ending is not None and not self._busy():
                    self._leave(engine)
                    return self._checked(self._ending)
        except (Failed, OutputFailed) as error:
            self._send(wire.CANCEL)
            self._leave(engine)
            return Ending(LOST, line=str(error))

    def put_back(self) -> None:
        """What was read of the caller's files and not taken by the program is left unread."""
        for each in self._inputs.values():
            each.put_back()

    # What the engine is told

    def _introduce(self) -> None:
        state = [(b"s", self._status)] if self._status else []
        state += [(b"p", b"%d" % self._attempt), (b"x", self._appended.hex().encode())]
        state += [(b"o", b"%d %d" % (output.number, output.written)) for output in self._outputs.values()]
        self._send(wire.CALL, wire.pack_fields(self._call.fields() + state))
        if self._status:
            for each in self._inputs.values():
                each.doubt()
        for output in self._outputs.values():
            output.acked = -1
        for record in self._records:
            self._send(wire.RECORD, record)

    def _send(self, kind: int, payload: bytes = b"") -> None:
        self._unsent.append(wire.frame(kind, payload))

    def _record(self, kind: int, value: int, first: int = 0, second: int = 0) -> None:
        record = pack("!BBHH2x", kind, value, first, second)
        self._records.append(record)
        self._send(wire.RECORD, record)

    def _deliver_input(self) -> None:
        if self._status not in RUNNING:
            return
        for each in self._inputs.values():
            self._unsent += each.frames(self._attempt)

    def _acknowledge(self) -> None:
        for output in self._outputs.values():
            if output.due and self._attempt:
                output.acked = output.written
                self._unsent.append(
                    wire.frame(
                        wire.ACK, descriptor=output.number, attempt=self._attempt, offset=output.written
                    )
                )

    # What is waited for

    def _wait_and_work(self, engine: socket, reader: Reader) -> None:
        self._acknowledge()
        self._flush(engine)
        poll = select.poll()
        waiting = sum([output.written < output.progress.taken for output in self._outputs.values()])
        held = waiting and self._held() > READ_LIMIT
        poll.register(
            engine.fileno(), (0 if held else select.POLLIN) | (select.POLLOUT if self._unsent else 0)
        )
        poll.register(self._caught.readable, select.POLLIN)
        outputs = {output.target: output for output in self._outputs.values() if output.waiting}
        for target in outputs:
            poll.register(target, select.POLLOUT)
        inputs: dict[int, Input] = {}
        if self._status in RUNNING and self._ending is None:
            inputs = {each.number: each for each in self._inputs.values() if each.wants}
        for number in inputs:
            poll.register(number, select.POLLIN)
        for descriptor, _ in poll.poll():
            if descriptor == engine.fileno():
                self._receive(engine, reader)
            elif descriptor == self._caught.readable:
                self._handle_signals(engine, self._caught.take())
            elif descriptor in outputs:
                self._write(outputs[descriptor])
            else:
                inputs[descriptor].read()

    def _held(self) -> int:
        return sum([output.progress.taken - output.written for output in self._outputs.values()])

    def _busy(self) -> bool:
        return any(output.waiting for output in self._outputs.values())

    def _flush(self, engine: socket) -> None:
        while self._unsent:
            data = self._unsent[0]
            try:
                sent = engine.send(data)
            except BlockingIOError:
                return
            except OSError:
                # What it said before is still to be read; the end of that says that it is gone.
                self._unsent.clear()
                return
            if sent < len(data):
                self._unsent[0] = data[sent:]
                return
            del self._unsent[0]

    def _receive(self, engine: socket, reader: Reader) -> None:
        try:
            got = reader.fill(engine)
        except BlockingIOError:
            return
        except OSError as error:
            raise EngineLost from error
        if not got:
            if self._ending is None:
                raise EngineLost
            return
        for part in reader.parts():
            self._handle(part)

    def _write(self, output: Output) -> None:
        output.flush()
        self._tell_broken(output)

    # What the engine says

    def _handle(self, part: Part) -> None:
        if part.kind in (wire.STDOUT, wire.STDERR, wire.OUTPUT):
            self._take(part)
        elif part.kind == wire.JOB:
            self._reach(part.attempt)
            self._see(bytes(part.payload))
        elif part.kind in (wire.ACK, wire.APPENDED, wire.PIPE, wire.ANEW):
            self._handle_input(part)
        else:
            self._handle_end(part)

    def _handle_input(self, part: Part) -> None:
        source = self._inputs.get(part.descriptor)
        if part.kind == wire.ANEW:
            for each in self._inputs.values():
                each.doubt()
        elif part.kind == wire.APPENDED:
            record = bytes(part.payload)
            if part.offset == len(self._appended):
                self._appended += record
            if record in self._records:
                self._records.remove(record)
        elif source is not None and part.kind == wire.PIPE:
            source.reads = True
        elif source is not None and part.attempt == self._attempt:
            source.acknowledge(part.offset, part.floor, part.flags)

    def _handle_end(self, part: Part) -> None:
        if part.kind == wire.NOTE:
            from dffmpeg.shim.ending import say

            say(bytes(part.payload).decode("utf-8", "replace"))
        elif part.kind == wire.END:
            self._told = True
            fields = dict(wire.unpack_fields(bytes(part.payload)))
            self._ending = Ending(
                int(fields.get(b"c", b"0")),
                signal=int(fields.get(b"s", b"0")),
                line=fields.get(b"l", b"").decode("utf-8", "replace"),
                completed=b"k" in fields,
            )
        elif part.kind == wire.REFUSED:
            raise Refused
        elif part.kind == wire.FALLBACK:
            raise Local(bytes(part.payload))

    def _take(self, part: Part) -> None:
        output = self._outputs.get(part.output)
        if output is None or part.attempt < self._attempt:
            return
        self._reach(part.attempt)
        if self._status not in RUNNING and len(part.payload):
            # It is told behind the bytes that came with it.
            self._see(RUNNING[0])
        try:
            output.take(part)
        except Missing as error:
            raise EngineLost from error
        except Differs as error:
            raise Failed(self._differs(output)) from error
        self._tell_broken(output)

    def _tell_broken(self, output: Output) -> None:
        if output.broken and output.number not in self._told_broken:
            self._told_broken.add(output.number)
            self._record(CLOSED, 0, output.number)

    def _reach(self, attempt: int) -> None:
        if attempt <= self._attempt:
            return
        self._attempt = attempt
        for output in self._outputs.values():
            output.begin(attempt)
        try:
            for each in self._inputs.values():
                each.begin()
        except Gone as error:
            raise Failed(
                f"job {self._call.job_id.decode()} has to be run again (attempt {attempt}), and the "
                "beginning of its input is not kept any more"
            ) from error

    def _see(self, status: bytes) -> None:
        before, self._status = self._status, status
        if status in RUNNING and before not in RUNNING and self._call.terminal is not None:
            self._call.terminal.open()

    # What the caller does

    def _handle_signals(self, engine: socket, numbers: bytes) -> None:
        for number in numbers:
            if number == signals.WINCH:
                if self._call.terminal is not None:
                    self._record(SIZE, 0, *self._call.terminal.size())
            elif self._cancels and number in (signals.HUP, signals.INT, signals.TERM):
                self._cancel(number)
            elif number in (signals.TSTP, signals.CONT):
                self._stop_or_continue(engine, number)
            elif self._status in RUNNING:
                self._record(SIGNAL, number)
            else:
                self._cancel(number)

    def _cancel(self, number: int) -> None:
        if self._signal:
            # Nothing is waited for any more; the engine sees that the job is not wanted.
            self._ending = Ending(128 + number) if self._cancels else Ending(signal=number)
            for output in self._outputs.values():
                output.give_up()
            return
        self._signal = number
        self._send(wire.CANCEL)

    def _stop_or_continue(self, engine: socket, number: int) -> None:
        if self._status in RUNNING:
            self._record(SIGNAL, number)
        if number == signals.TSTP:
            self._stop(engine)

    def _stop(self, engine: socket) -> None:
        """Stop as we were told to; the engine is not, and sees to it that the program does the same."""
        self._flush(engine)
        if self._call.terminal is not None:
            self._call.terminal.close()
        self._caught.stop_ourselves(signals.TSTP)
        numbers = self._caught.take()
        if self._status in RUNNING:
            if signals.CONT not in numbers:
                # We did not stop: in a group without a parent in its session the kernel lets nobody.
                self._record(SIGNAL, signals.CONT)
            if self._call.terminal is not None:
                self._call.terminal.open()
        self._handle_signals(engine, numbers)

    # The end

    def _leave(self, engine: socket) -> None:
        self._send(wire.GOODBYE)
        # It is the last that we say: there is room for it, or the engine does not listen any more.
        engine.settimeout(1.0)
        self._flush_all(engine)
        engine.close()

    def _flush_all(self, engine: socket) -> None:
        try:
            engine.sendall(b"".join(self._unsent))
        except OSError:
            return

    def _checked(self, ending: Ending) -> Ending:
        for output in self._outputs.values():
            if ending.completed and not output.progress.whole:
                return Ending(LOST, line=self._differs(output))
        if self._signal and ending.line:
            # It never ran: the signal did what it does to a program that has just begun.
            return Ending(128 + self._signal) if self._cancels else Ending(signal=self._signal)
        return ending

    def _differs(self, output: Output) -> str:
        name = {1: "stdout", 2: "stderr"}.get(output.number, f"descriptor {output.number}")
        return (
            f"the job was run again (attempt {self._attempt}) and its {name} differs from "
            f"the {output.progress.shown} bytes that were already delivered"
        )
