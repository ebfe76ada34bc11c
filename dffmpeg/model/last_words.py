"""What a program said last: the one line by which a person knows why it failed."""

from __future__ import annotations

import re

MOST = 200
"""Characters of a line that are kept."""

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colors, the cursor
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC and other strings: titles, links
    r"|\x1b[ -/]*[0-~]"
)
"""Sequences of a terminal, by ECMA-48. Each alternative reads on from where it began, without going back."""

_ENDS = re.compile(r"[\r\n]+")

_EMPTY_WORDS = frozenset({"Conversion failed!"})
"""What ffmpeg says behind the line that tells why."""


def last_line(end: bytes) -> str | None:
    """The last line of an output that says something, for people.

    Args:
        end: the output's last bytes; where they begin within a line, that part of it is a line.

    Returns:
        At most `MOST` characters of one line without control characters: what would set colors or move the
        cursor is left out, any other stands as an escape. None where nothing was said.
    """
    text = _ESCAPES.sub("", end.decode("utf-8", "replace"))
    said = [line.strip() for line in _ENDS.split(text)]
    lines = [line for line in said if line]
    if not lines:
        return None
    line = next((one for one in reversed(lines) if one not in _EMPTY_WORDS), lines[-1])
    shown = _escaped(line[: MOST + 1])
    return shown if len(shown) <= MOST else shown[: MOST - 1] + "…"


def _escaped(line: str) -> str:
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in line
    )
