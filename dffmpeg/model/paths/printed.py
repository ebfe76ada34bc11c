"""What a program prints on a worker, with the directories as its caller knows them."""

from __future__ import annotations

import re
from collections.abc import Mapping

# A byte in front of which a path has begun before, and those behind which a directory's name is over.
_INSIDE = rb"[A-Za-z0-9_.~+%@/\\\x80-\xff-]"
_COLOUR = rb"(?<=;[0-9]m/)|(?<=;[0-9]{2}m/)|(?<=;[0-9]{3}m/)|(?<=\[0m/)"
"""The ends of what ffmpeg sends a terminal for a colour: what comes behind is a beginning."""
_BEFORE = 6
"""Bytes in front of a path that tell whether it is one."""
_BEHIND = rb"[/\s'\":;,|)\]>}\0\x1b]"


class PrintedPaths:
    """A stream of bytes in which one machine's directories are replaced by another's.

    Whole path components only, and the longest directory first. Holds back no more than what may be the
    beginning of a directory's name: at most the longest name's length.

    Args:
        here: variable to directory of the machine where the program runs.
        there: the same of the machine where its output is read. Variables that only one of them
            has are left alone; of two with the same directory the first by name counts.
    """

    def __init__(self, here: Mapping[str, bytes], there: Mapping[str, bytes]) -> None:
        self._replacements: dict[bytes, bytes] = {}
        for name in sorted(here.keys() & there.keys()):
            if here[name] not in self._replacements:
                self._replacements[here[name]] = there[name]
        self._longest_first = sorted(self._replacements, key=len, reverse=True)
        # The slash comes first, since a literal at the front makes the search many times faster.
        slash = rb"/(?:(?<!" + _INSIDE + rb"/)|" + _COLOUR + rb")"
        names = b"|".join(re.escape(name[1:]) for name in self._longest_first)
        self._open = re.compile(slash + rb"(?:" + names + rb")(?=" + _BEHIND + rb")")
        self._closed = re.compile(slash + rb"(?:" + names + rb")(?=" + _BEHIND + rb"|\Z)")
        self._beginning = re.compile(slash)
        self._before = b""
        self._held = b""

    @property
    def changes_nothing(self) -> bool:
        """Whether every directory has the same name on both machines."""
        return all(here == there for here, there in self._replacements.items())

    @property
    def held(self) -> int:
        """How many bytes wait for what comes behind them."""
        return len(self._held)

    def feed(self, data: bytes) -> bytes:
        """Take what was printed next; returns what is certain by now."""
        return self._pass(data, self._open, hold=True)

    def flush(self) -> bytes:
        """What was held back, when the stream has ended or paused: a name at its end counts as over."""
        return self._pass(b"", self._closed, hold=False)

    def _pass(self, data: bytes, pattern: re.Pattern[bytes], *, hold: bool) -> bytes:
        # What is in front is kept to know whether a path begins; it has been given out before.
        start = len(self._before)
        text = self._before + self._held + data
        if not self._replacements or not text[start:]:
            self._held = b""
            return text[start:]
        pieces: list[bytes] = []
        end = self._uncertain(text, start) if hold else len(text)
        while found := pattern.search(text, start):
            if found.start() >= end:
                break
            pieces += (text[start : found.start()], self._replacements[found[0]])
            start = found.end()
            # A name that is complete may have looked like the beginning of another one.
            end = max(end, self._uncertain(text, start)) if hold else end
        pieces.append(text[start:end])
        self._held = text[end:]
        self._before = text[max(0, end - _BEFORE) : end]
        return b"".join(pieces)

    def _uncertain(self, text: bytes, start: int) -> int:
        """Where the last bytes begin that may become a directory's name, or a longer one."""
        first = max(start, len(text) - len(self._longest_first[0]))
        for found in self._beginning.finditer(text, first):
            rest = text[found.start() :]
            if any(name.startswith(rest) for name in self._longest_first):
                return found.start()
        return len(text)
