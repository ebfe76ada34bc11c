"""What the commands have in common: whatever is wrong is one line on stderr, and an exit status."""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NoReturn

from dffmpeg import standard_streams
from dffmpeg.errors import BadInput, ConfigurationError, DffmpegError
from dffmpeg.model import durations
from dffmpeg.wire import times

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")

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


def duration(text: str) -> float:
    """An option's length of time in seconds, as `dffmpeg.model.durations` reads it.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    try:
        return durations.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def later(text: str) -> float:
    """An option's moment that has not come yet, Unix seconds: a duration from now, or an ISO 8601 time, of
    which one without a zone is UTC.

    Raises:
        argparse.ArgumentTypeError: it is none, or has come already.
    """
    now = time.time()
    try:
        return now + durations.parse(text)
    except ValueError:
        # Then it is a moment, or nothing at all.
        pass
    try:
        moment = times.from_wire(text)
    except (ValueError, OverflowError):
        expected = "expected a time from now, such as 90d (at most a year), or a moment, such as 2030-01-31"
        raise argparse.ArgumentTypeError(f"{expected}: {text!r}") from None
    if moment <= now:
        raise argparse.ArgumentTypeError(f"expected a moment that has not come yet: {text!r}")
    return moment


def identifier(text: str) -> str:
    """An option's name of something: of a user, a label, a class, …

    Raises:
        argparse.ArgumentTypeError: it cannot be one.
    """
    if not _NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"expected letters, digits, '_', '-' and '.': {text!r}")
    return text


def priority(text: str) -> int | str:
    """An option's priority: a number from -100 to 100, or the name of a class of them.

    Raises:
        argparse.ArgumentTypeError: it is neither.
    """
    try:
        number = int(text)
    except ValueError:
        return identifier(text)
    if not -100 <= number <= 100:
        raise argparse.ArgumentTypeError(f"expected a number from -100 to 100, or a class's name: {text!r}")
    return number


def count(text: str) -> int:
    """An option's positive whole number.

    Raises:
        argparse.ArgumentTypeError: anything else.
    """
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= 1_000_000):
        raise argparse.ArgumentTypeError(f"expected a whole number above 0: {text!r}")
    return int(text)


def _usual_status(error: DffmpegError) -> int:
    return USAGE if isinstance(error, ConfigurationError | BadInput) else FAILED


def run(
    program: str, command: Callable[[], int], *, status_of: Callable[[DffmpegError], int] = _usual_status
) -> int:
    """Run a command; what a user can cause becomes one line on stderr.

    Args:
        program: what the line begins with.
        status_of: the exit status for an error.

    Returns:
        The exit status.
    """
    standard_streams.reserve()
    try:
        status = command()
        sys.stdout.flush()
    except DffmpegError as error:
        return _fail(program, error, status_of)
    except ExceptionGroup as group:
        # Nurseries wrap what passes through them; a user sees the reason, and a bug its whole traceback.
        ours, others = group.split(DffmpegError)
        if ours is None or others is not None:
            raise
        return _fail(program, next(_leaves(ours)), status_of)
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


def say_error(program: str, text: str) -> None:
    """Print one line to standard error, if anybody can read it."""
    with suppress(OSError):
        # There is nowhere else to say it; the exit status remains.
        print(f"{program}: {' '.join(text.split())}", file=sys.stderr, flush=True)


def _fail(program: str, error: DffmpegError, status_of: Callable[[DffmpegError], int]) -> int:
    say_error(program, str(error))
    return status_of(error)
