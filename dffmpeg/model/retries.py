"""When a job is tried again: after attempts that were lost, and after failures that its rules name."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass

from dffmpeg.errors import BadInput
from dffmpeg.model.rules import Rules

STDERR_END = 4096
"""Bytes of the end of stderr that are kept with each attempt."""

MATCHED_END = 64 * 1024
"""Bytes of the end of stderr that a rule's patterns are searched in."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again, not before so many seconds have passed."""

    delay: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """There have been enough attempts."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff, jitter above a floor; at most so many attempts that come to nothing.

    Args:
        max_attempts: the loss with this number is the last.
        minimum, maximum: bounds of the delay, seconds.
    """

    max_attempts: int
    minimum: float
    maximum: float

    def next(self, losses: int, jitter: float) -> Retry | GiveUp:
        """What follows a loss.

        Args:
            losses: how many there were, this one included.
            jitter: a random number from 0 to 1.
        """
        return GiveUp() if losses >= self.max_attempts else Retry(self.delay(losses, jitter))

    def delay(self, failures: int, jitter: float) -> float:
        """Seconds to wait after so many attempts without success; none before the first."""
        if failures < 1:
            return 0.0
        ceiling = min(self.maximum, self.minimum * 2.0 ** min(failures, 60))
        return self.minimum + (max(ceiling, self.minimum) - self.minimum) * jitter


def compiled(pattern: str) -> re.Pattern[bytes]:
    """A rule's pattern: on bytes, `^` and `$` at the borders of lines.

    Raises:
        BadInput: it is no regular expression.
    """
    try:
        with warnings.catch_warnings():
            # Of what a later Python may understand otherwise.
            warnings.simplefilter("ignore")
            return re.compile(pattern.encode("utf-8"), re.MULTILINE)
    except (re.error, OverflowError, RecursionError) as error:
        raise BadInput(f"retry_stderr: {pattern!r} is no regular expression: {error}") from None


def check_patterns(patterns: Iterable[str]) -> None:
    """Raises BadInput, which names it, where one cannot be used."""
    for pattern in patterns:
        compiled(pattern)


def names_exit_code(rules: Rules, exit_code: int | None) -> bool:
    """Whether the rules say that a command which ended so is tried again."""
    return exit_code is not None and exit_code in rules.retry_exit_codes


def ended_with(exit_code: int | None, signal: int | None) -> str:
    """A command's end in words."""
    return f"signal {signal}" if signal is not None else f"exit code {exit_code}"
