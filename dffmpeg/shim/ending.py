"""How the stand-in ends: with the program's code, by the program's signal, or with one line of ours."""

from __future__ import annotations

import os

from dffmpeg.shim import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

CONFIGURATION = 120
UNREACHABLE = 121
REFUSED = 122
LOST = 124
"""Exit codes for failures of ours: above those that ffmpeg uses, below those that shells give a meaning."""


class Ending:
    """What the process does at last.

    Attributes:
        code: the exit code.
        signal: the signal to die of instead, as the job's program did; 0 for none.
        line: what is said on stderr before, after `dffmpeg: `; empty for nothing.
        completed: whether the job did, so that its output must be whole.
    """

    def __init__(self, code: int = 0, *, signal: int = 0, line: str = "", completed: bool = False) -> None:
        self.code = code
        self.signal = signal
        self.line = line
        self.completed = completed


def say(line: str) -> None:
    """One line on stderr, whatever is in it, and whether or not anybody can read it."""
    printable = "".join(
        [
            character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
            for character in " ".join(line.split())
        ]
    )
    try:
        os.write(2, b"dffmpeg: " + printable.encode("utf-8", "backslashreplace") + b"\n")
    except OSError:
        # There is nowhere else to say it; the exit code remains.
        return


def finish(ending: Ending) -> NoReturn:
    """End the process so, at once: other threads and the interpreter's own farewell are not waited for."""
    if ending.line:
        say(ending.line)
    if ending.signal:
        signals.die_of(ending.signal)
    os._exit((128 + ending.signal if ending.signal else ending.code) & 0xFF)
