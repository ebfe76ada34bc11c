"""What the commands have in common: whatever is wrong is one line on stderr, and an exit status."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NoReturn

from dffmpeg import standard_streams
from dffmpeg.errors import BadInput, ConfigurationError, DffmpegError

USAGE = 2
"""Exit status: what was asked for makes no sense."""
FAILED = 1
"""Exit status: it did, and could not be done."""
INTERRUPTED = 130


class OutputFailed(DffmpegError):
    """Standard output takes nothing."""


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are one line."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{"allow_abbrev": False, **options})

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where help is; exit status 2."""
        line = " ".join(message.split())
        self.exit(USAGE, f"{self.prog}: {line} (see {self.prog} --help)\n")


def run(program: str, command: Callable[[], int]) -> int:
    """Run a command; what a user can cause becomes one line on stderr.

    Args:
        program: what the line begins with.

    Returns:
        The exit status.
    """
    standard_streams.reserve()
    try:
        status = command()
        sys.stdout.flush()
    except DffmpegError as error:
        return _fail(program, error)
    except ExceptionGroup as group:
        # Nurseries wrap what passes through them; a user sees the reason, and a bug its whole traceback.
        ours, others = group.split(DffmpegError)
        if ours is None or others is not None:
            raise
        return _fail(program, next(_leaves(ours)))
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _give_up_stdout()
        return FAILED
    return status


def say(text: str) -> None:
    """Print an answer to standard output, with an end of line.

    Raises:
        OutputFailed: it is full, closed, or broken otherwise.
        BrokenPipeError: its reader has gone.
    """
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        _give_up_stdout()
        raise OutputFailed(f"standard output: {error.strerror or error}") from error


def _give_up_stdout() -> None:
    """Nobody takes it. The interpreter flushes once more at its end, and would complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _leaves(group: ExceptionGroup[DffmpegError]) -> Iterator[DffmpegError]:
    for error in group.exceptions:
        if isinstance(error, ExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def _fail(program: str, error: DffmpegError) -> int:
    with suppress(OSError):
        # There is nowhere else to say it; the exit status remains.
        print(f"{program}: {' '.join(str(error).split())}", file=sys.stderr, flush=True)
    return USAGE if isinstance(error, ConfigurationError | BadInput) else FAILED
