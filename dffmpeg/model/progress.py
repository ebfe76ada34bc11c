"""How far an encode is, as ffmpeg's own status lines tell it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dffmpeg.model.expected_length import expected_length

RECENT = 8192
"""Bytes of the end of the output in which the last status line is looked for."""

MAX_LINE = 4096
"""Bytes that are kept of a line of the header that was begun."""

_TRIES = 8
"""Lines that look like one at first and are none, before it is given up for this time."""

MAX_INPUTS = 256
"""Inputs whose durations are noted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What is known of a running attempt; None is what ffmpeg did not say (or said as N/A).

    Attributes:
        time: seconds of output that are done.
        speed: seconds of output for each second.
        size: bytes written.
        duration: seconds of output to come in all, as the inputs' headers and the arguments promise.
        fraction: done, 0 to 1.
        remaining: seconds.
        pixels: all that the inputs' pictures have, by their headers: how much work it is.
    """

    time: float | None = None
    frame: int | None = None
    fps: float | None = None
    speed: float | None = None
    size: int | None = None
    duration: float | None = None
    fraction: float | None = None
    remaining: float | None = None
    pixels: float | None = None


def completed(progress: Progress | None) -> Progress | None:
    """The progress of an attempt whose program has ended well: all is done, whatever was expected."""
    if progress is None or progress.fraction is None:
        return progress
    return replace(progress, fraction=1.0, remaining=0.0)


_NUMBER = rb"(-?[0-9]{1,15}(?:\.[0-9]{1,9})?(?:e[+-]?[0-9]{1,2})?)"
_FRAME = re.compile(rb"\bframe= *([0-9]{1,15})\b")
_FPS = re.compile(rb"\bfps= *" + _NUMBER)
_SIZE = re.compile(rb"\bL?size= *([0-9]{1,15})([kKMG]i?)?B")
_TIME = re.compile(rb"\btime=(-?)([0-9]{1,9}):([0-5][0-9]):([0-5][0-9](?:\.[0-9]{1,9})?)")
_SPEED = re.compile(rb"\bspeed= *" + _NUMBER + rb"x")
_STATUS = (b"frame=", b"size=", b"Lsize=")
_COLOR = re.compile(rb"\x1b\[[0-9;]{0,32}m")
_HEADER = re.compile(
    rb"^(?:Input #([0-9]{1,6}), |  Duration: (?:([0-9]{1,9}):([0-5][0-9]):([0-5][0-9](?:\.[0-9]{1,9})?)|N/A)|"
    rb"(Output #0, |Press \[q\]))",
    re.MULTILINE,
)
_PICTURES = re.compile(
    rb"^ +Stream #([0-9]{1,6}):[0-9]{1,6}[^\n:]{0,40}: Video: (?![^\n]{0,500}\(attached pic\))[^\n]{0,300}?"
    rb"\b([0-9]{2,5})x([0-9]{2,5})\b[^\n]{0,200}?, ([0-9]{1,4}(?:\.[0-9]{1,4})?) fps",
    re.MULTILINE,
)
_UNITS = {b"": 1, b"k": 1 << 10, b"K": 1 << 10, b"M": 1 << 20, b"G": 1 << 30}


class ProgressParser:
    """Reads what ffmpeg writes on stderr, in whatever pieces it comes; changes nothing of it.

    Taking a piece costs next to nothing, because output may come in floods; what it means is found out
    when somebody asks. What is kept is bounded: the end of the output, a line that was begun, and the
    inputs' durations.

    Args:
        arguments: the program's, which say how much of the inputs is wanted.
    """

    def __init__(self, arguments: Sequence[bytes]) -> None:
        self._arguments = arguments
        self._recent = b""
        self._begun = b""
        self._in_header = True
        self._input: int | None = None
        self._inputs: dict[int, float | None] = {}
        self._rates: dict[int, float] = {}
        self._progress = Progress()

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        if self._in_header:
            self._feed_header(data)
        self._recent = data[-RECENT:] if len(data) >= RECENT else (self._recent + data)[-RECENT:]

    def read(self) -> Progress | None:
        """How far it is; None as long as nothing was said."""
        self._read_status()
        return None if self._progress == Progress() else self._progress

    def _feed_header(self, data: bytes) -> None:
        lines, separator, rest = (self._begun + data).rpartition(b"\n")
        self._begun = rest[-MAX_LINE:]
        if separator:
            self._read_header(lines)

    def _read_header(self, lines: bytes) -> None:
        for found in _HEADER.finditer(lines):
            number, hours, minutes, seconds, over = found.groups()
            if over is not None:
                # From here on a line that looks like a header is something else's.
                self._in_header, self._begun = False, b""
                self._read_pictures(lines[: found.start()])
                length = expected_length(self._arguments, self._inputs)
                self._progress = replace(self._progress, duration=length, pixels=self._pixels())
                return
            if number is not None:
                self._input = int(number)
            elif self._input is not None and len(self._inputs) < MAX_INPUTS:
                length = None if hours is None else _seconds(hours, minutes, seconds)
                self._inputs.setdefault(self._input, length)
                self._input = None
        self._read_pictures(lines)

    def _read_pictures(self, lines: bytes) -> None:
        """Of each input the first stream with pictures: pixels a second."""
        for found in _PICTURES.finditer(lines):
            if len(self._rates) < MAX_INPUTS:
                self._rates.setdefault(int(found[1]), int(found[2]) * int(found[3]) * float(found[4]))

    def _pixels(self) -> float | None:
        return sum(rate * (self._inputs.get(number) or 0.0) for number, rate in self._rates.items()) or None

    def _read_status(self) -> None:
        lines = self._recent
        # Each ends in a carriage return, so that the next one covers it.
        end = 1 + max(lines.rfind(b"\r"), lines.rfind(b"\n"))
        for _ in range(_TRIES):
            place = lines.rfind(b"time=", 0, end)
            if place < 0:
                return
            start = 1 + max(lines.rfind(b"\r", 0, place), lines.rfind(b"\n", 0, place))
            line = _COLOR.sub(b"", lines[start : _line_end(lines, place)])
            if line.startswith(_STATUS):
                self._take(line)
                return
            end = start

    def _take(self, line: bytes) -> None:
        frame, fps, size = _FRAME.search(line), _FPS.search(line), _SIZE.search(line)
        time, speed = _TIME.search(line), _SPEED.search(line)
        done = None
        if time is not None:
            # Before the first frame it may be below 0.
            done = 0.0 if time[1] else _seconds(time[2], time[3], time[4])
        self._progress = _reckoned(
            Progress(
                time=done,
                frame=None if frame is None else int(frame[1]),
                fps=None if fps is None else float(fps[1]),
                speed=None if speed is None else float(speed[1]),
                size=None if size is None else int(size[1]) * _UNITS[(size[2] or b"")[:1]],
                duration=self._progress.duration,
                pixels=self._progress.pixels,
            )
        )


def _reckoned(progress: Progress) -> Progress:
    """With what follows from the rest."""
    time, duration, speed = progress.time, progress.duration, progress.speed
    if time is None or not duration:
        return progress
    remaining = max(0.0, duration - time) / speed if speed is not None and speed > 0 else None
    return replace(progress, fraction=min(1.0, time / duration), remaining=remaining)


def _line_end(lines: bytes, place: int) -> int:
    ends = [end for end in (lines.find(b"\r", place), lines.find(b"\n", place)) if end >= 0]
    return min(ends, default=len(lines))


def _seconds(hours: bytes, minutes: bytes, seconds: bytes) -> float:
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
