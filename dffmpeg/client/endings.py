"""How a command of the client ends: with a code, by a signal, with one line where the fault is ours."""

from __future__ import annotations

import os
import resource
import signal
import sys
from dataclasses import dataclass
from typing import NoReturn

from dffmpeg.errors import BadInput, ConfigurationError, DffmpegError, Refused, Unreachable
from dffmpeg.model.paths import PathError

CONFIGURATION = 120
UNREACHABLE = 121
REFUSED = 122
LOST = 124
"""Exit codes for failures of ours: above those that ffmpeg uses, below those that shells give a meaning."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What the process does at last.

    Attributes:
        code: the exit code.
        signal: the signal to die of instead, as the job's program did.
        line: what is said on stderr before, after `dffmpeg: `.
    """

    code: int = 0
    signal: int | None = None
    line: str | None = None


def of_error(error: DffmpegError) -> Ending:
    """The ending for an error of ours."""
    if isinstance(error, ConfigurationError | BadInput | PathError):
        code = CONFIGURATION
    elif isinstance(error, Unreachable):
        code = UNREACHABLE
    elif isinstance(error, Refused):
        code = REFUSED
    else:
        code = LOST
    return Ending(code, line=str(error))


def say(line: str) -> None:
    """One line on stderr, whatever is in it, and whether or not anybody can read it."""
    printable = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in " ".join(line.split())
    )
    try:
        os.write(2, b"dffmpeg: " + printable.encode("utf-8", "backslashreplace") + b"\n")
    except OSError:
        # There is nowhere else to say it; the exit code remains.
        return


def finish(ending: Ending) -> NoReturn:
    """End the process so."""
    if ending.line is not None:
        say(ending.line)
    if ending.signal is not None:
        _die_of(ending.signal)
    sys.exit(ending.code if ending.signal is None else 128 + ending.signal)


def _die_of(number: int) -> None:
    # The signal is an answer here; a core file of this process would tell nothing about the job.
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    try:
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        os.kill(os.getpid(), number)
    except (ValueError, OSError):
        # A number that this system does not know: the exit code has to say it.
        return
