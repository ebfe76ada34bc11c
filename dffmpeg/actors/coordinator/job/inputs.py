"""The inputs of one attempt at the coordinator: taken from the owner, held in a window, handed to the worker.

Not an actor: the job's actor owns it and calls it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from dffmpeg.actors.coordinator.refusals import Unfit
from dffmpeg.model.relay import Relay
from dffmpeg.wire import frames
from dffmpeg.wire.frames import CONTROL, HEADER_BYTES, MAX_PAYLOAD, Frame, Kind
from dffmpeg.wire.jobs import InputPosition

WINDOW = 1 << 20
"""Bytes of one input that are on their way to the program at most."""

Reached = tuple[int, bool]
"""Up to where somebody has a stream, and whether its end has come."""


@dataclass(slots=True)
class _Line:
    """One input: what is held of it, and what the program was given.

    `missed`: the owner sent what could not be taken, and has to go back.
    """

    relay: Relay
    written: int = 0
    ended: bool = False
    missed: bool = False


class AttemptInputs:
    """All inputs of one attempt.

    The program's pace rules: what it has not read stays here and with the owner,
    who can send it again, so nothing of this is ever stored.

    Args:
        numbers: which inputs there are, by the program's descriptor.
        known: it is the beginning of the attempt. Otherwise only the worker knows how far
            each input is, and until it has said so nothing is taken and nothing acknowledged.
    """

    def __init__(self, attempt: int, numbers: Collection[int], *, known: bool) -> None:
        self._attempt = attempt
        self._numbers = frozenset(numbers)
        self._known = known
        self._lines = {number: _Line(Relay(), missed=not known) for number in sorted(numbers)}

    def take(self, frame: Frame) -> bool:
        """Take a frame from the owner; returns whether there is something new for the worker.

        Raises:
            Unfit: no piece of an input, or the job has no such input.
        """
        if frame.kind is not Kind.INPUT:
            raise Unfit(f"a frame of kind {frame.kind.name}, where a piece of an input is expected")
        line = self._line(frame.descriptor)
        if frame.attempt != self._attempt or not self._known:
            return False
        if frame.end > line.written + WINDOW:
            line.missed = True
            return False
        ended = line.relay.eof
        fresh = line.relay.offer(frame.offset, frame.payload, floor=0, eof=frame.eof)
        if fresh is None:
            line.missed = True
            return False
        return bool(fresh) or line.relay.eof != ended

    def _line(self, number: int) -> _Line:
        try:
            return self._lines[number]
        except KeyError:
            name = "control input" if number == CONTROL else f"input {number}"
            raise Unfit(f"frame: the job has no {name}") from None

    def learn(self, written: Mapping[int, Reached]) -> bool:
        """Begin where the program is, if that is not known yet; returns whether it was news."""
        if self._known:
            return False
        self._known = True
        for number, line in self._lines.items():
            line.written, line.ended = written.get(number, (0, False))
            line.relay = Relay(line.written)
            line.relay.eof = line.ended
        return True

    def acknowledge(self, frame: Frame) -> bool:
        """The program was given what is before the frame's offset; returns whether that is news.

        Raises:
            Unfit: the job has no such input.
        """
        line = self._line(frame.descriptor)
        if frame.attempt != self._attempt or not self._known:
            return False
        if frame.offset > line.relay.end:
            # An actor before this one handed it on.
            line.relay = Relay(frame.offset)
            line.missed = True
        news = frame.offset > line.written or frame.eof != line.ended
        line.written = max(line.written, frame.offset)
        line.ended = line.ended or frame.eof
        line.relay.release(line.written)
        return news

    def acks(self, heard: Mapping[int, Reached]) -> list[Frame]:
        """What an owner is told that stays connected: an acknowledgement of each input that has news.

        Args:
            heard: by number, what it was told over this connection in this attempt already.
        """
        if not self._known:
            return []
        found = []
        for number, line in self._lines.items():
            if line.missed or heard.get(number) != (line.written, line.ended):
                found.append(self._ack(number, line, resend=line.missed))
                line.missed = False
        return found

    def compared(self, told: Mapping[int, InputPosition]) -> list[Frame]:
        """What an owner is told that polls. An answer may be lost, so nothing counts as told by it.

        Args:
            told: by number, what it says that it was told in this attempt.
        """
        if not self._known:
            return []
        found = []
        for number, line in self._lines.items():
            one = told.get(number)
            lost = one is not None and one.received > line.relay.end
            if one is None or lost or (one.given, one.ended) != (line.written, line.ended):
                found.append(self._ack(number, line, resend=lost))
        return found

    def answer(self, pieces: Iterable[Frame]) -> list[Frame]:
        """What is said of pieces that were taken, or were not: an acknowledgement of each input."""
        if not self._known:
            return []
        reach: dict[int, int] = {}
        for piece in pieces:
            if piece.attempt == self._attempt:
                reach[piece.descriptor] = max(reach.get(piece.descriptor, 0), piece.end)
        return [
            self._ack(number, line, resend=reach.get(number, 0) > line.relay.end)
            for number, line in self._lines.items()
        ]

    def _ack(self, number: int, line: _Line, *, resend: bool) -> Frame:
        return frames.acknowledgement(
            number, self._attempt, line.relay.end, line.written, eof=line.ended, resend=resend
        )

    def frames(self, sent: Mapping[int, Reached]) -> list[Frame]:
        """What the worker has not been sent yet.

        Args:
            sent: by number, what it was.
        """
        found = []
        for number, line in self._lines.items():
            offset, ended = sent.get(number, (line.written, False))
            if ended or (offset >= line.relay.end and not line.relay.eof):
                continue
            piece = line.relay.read(offset, MAX_PAYLOAD - HEADER_BYTES)
            if piece.data or piece.eof:
                found.append(
                    Frame(
                        Kind.INPUT,
                        self._attempt,
                        piece.offset,
                        piece.data,
                        line.relay.base,
                        piece.eof,
                        number,
                    )
                )
        return found
