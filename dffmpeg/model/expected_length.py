"""How many seconds of output a command line of ffmpeg promises, as far as that is simple to tell."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dffmpeg.model.paths import options

_TIME = re.compile(
    rb"(?:(?:([0-9]{1,9}):)?([0-5]?[0-9]):([0-5]?[0-9](?:\.[0-9]{1,9})?)|([0-9]{1,12}(?:\.[0-9]{1,9})?)(us|ms|s)?)"
)
_UNITS = {b"": 1.0, b"s": 1.0, b"ms": 1e-3, b"us": 1e-6}
_UNCERTAIN = frozenset((b"sseof", b"stream_loop", b"itsscale", b"loop", b"copyts"))
"""With these the length is another, and not worth the guessing."""


@dataclass(slots=True)
class _Cut:
    """The options of one file, an input or an output, that say how much of it is wanted."""

    values: dict[bytes, float] = field(default_factory=dict)
    uncertain: bool = False

    def note(self, name: bytes, value: bytes) -> None:
        if name in _UNCERTAIN:
            self.uncertain = True
        elif name in (b"ss", b"t", b"to"):
            seconds = parse_time(value)
            if seconds is None:
                self.uncertain = True
            else:
                self.values[name] = seconds

    def length(self, whole: float | None) -> float | None:
        """What is left of a length."""
        if self.uncertain:
            return None
        start = self.values.get(b"ss", 0.0)
        left = None if whole is None else max(0.0, whole - start)
        limit = self.values.get(b"t")
        if limit is None and b"to" in self.values:
            limit = max(0.0, self.values[b"to"] - start)
        if limit is None:
            return left
        return limit if left is None else min(left, limit)


def expected_length(arguments: Sequence[bytes], inputs: Mapping[int, float | None]) -> float | None:
    """Seconds of output, or None where that cannot be told.

    The longest input counts, and of several outputs the longest. What filters do to time is not looked at.

    Args:
        arguments: without the program's name.
        inputs: by number, seconds as the header says, None for unknown.
    """
    of_inputs, of_outputs = _cuts(arguments)
    if any(cut.uncertain for cut in (*of_inputs, *of_outputs)):
        return None
    lengths = [cut.length(inputs.get(number)) for number, cut in enumerate(of_inputs)]
    known = [length for length in lengths if length is not None]
    whole = max(known, default=None)
    outputs = [cut.length(whole) for cut in of_outputs]
    found = max((length for length in outputs if length is not None), default=None)
    return found if found else None


def _cuts(arguments: Sequence[bytes]) -> tuple[list[_Cut], list[_Cut]]:
    of_inputs: list[_Cut] = []
    of_outputs: list[_Cut] = []
    current = _Cut()
    index = 0
    while index < len(arguments):
        argument = arguments[index]
        if not argument.startswith(b"-") or argument == b"-":
            of_outputs.append(current)
            current = _Cut()
        else:
            name = options.name_of(argument)
            takes = not options.is_flag(name)
            value = arguments[index + 1] if takes and index + 1 < len(arguments) else b""
            index += takes
            if name == b"i":
                of_inputs.append(current)
                current = _Cut()
            else:
                current.note(name, value)
        index += 1
    return of_inputs, of_outputs


def parse_time(text: bytes) -> float | None:
    """A duration as ffmpeg takes it, ffmpeg-utils(1), in seconds; None for what is none, or negative."""
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    hours, minutes, seconds, plain, unit = found.groups()
    if plain is not None:
        return float(plain) * _UNITS[unit or b""]
    return int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds)
