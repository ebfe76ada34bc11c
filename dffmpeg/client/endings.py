"""How a command of the client ends: with a code, by a signal, with one line where the fault is ours."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import NoReturn

from dffmpeg.errors import BadInput, ConfigurationError, DffmpegError, Refused, Unreachable
from dffmpeg.model.paths import PathError
from dffmpeg.shim.ending import CONFIGURATION, LOST, REFUSED, UNREACHABLE, say
from dffmpeg.shim.signals import die_of

__all__ = ["CONFIGURATION", "LOST", "REFUSED", "UNREACHABLE", "Ending", "finish", "of_error", "say"]


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


def finish(ending: Ending) -> NoReturn:
    """End the process so."""
    if ending.line is not None:
        say(ending.line)
    if ending.signal is not None:
        die_of(ending.signal)
    sys.exit(ending.code if ending.signal is None else 128 + ending.signal)
