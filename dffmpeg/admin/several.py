"""One thing done to several jobs: each has its outcome, and one that fails does not hold up the others."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from dffmpeg.admin.arguments import PROGRAM
from dffmpeg.admin.output import answer
from dffmpeg.admin.statuses import NotDone, NotThere, SomeFailed, status_of
from dffmpeg.command_line import say_error
from dffmpeg.errors import BadInput, DffmpegError, Refused, Unreachable
from dffmpeg.wire import codec

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """What became of one job: the answer, or the error."""

    job_id: str
    value: T | None = None
    error: DffmpegError | None = None


async def one_by_one(ids: Sequence[str], act: Callable[[str], Awaitable[T]]) -> list[Outcome[T]]:
    """Do something to each of several jobs, in their order.

    What one of them does not allow is its own outcome. Where nobody answers the rest is not tried.
    """
    outcomes: list[Outcome[T]] = []
    unreachable: Unreachable | None = None
    for job_id in ids:
        if unreachable is not None:
            outcomes.append(Outcome(job_id, error=Unreachable(f"not tried: {unreachable}")))
            continue
        try:
            outcomes.append(Outcome(job_id, await act(job_id)))
        except (NotThere, NotDone, Refused, BadInput) as error:
            outcomes.append(Outcome(job_id, error=error))
        except Unreachable as error:
            unreachable = error
            outcomes.append(Outcome(job_id, error=error))
    return outcomes


def answer_each(
    options: argparse.Namespace,
    outcomes: Sequence[Outcome[T]],
    *,
    value: Callable[[str, T], Any],
    text: Callable[[Sequence[tuple[str, T]]], str],
) -> None:
    """Answer for all of them: what was done on standard output, what was not on standard error.

    With `--json` both are on standard output, in their order. A single job that failed is like any failure.

    Args:
        value: the JSON of what was done to one.
        text: what is said of all to which it was done.

    Raises:
        DffmpegError: one of them failed; the exit status is that of the first that did.
    """
    failed = [(one.job_id, one.error) for one in outcomes if one.error is not None]
    done = [(one.job_id, one.value) for one in outcomes if one.error is None and one.value is not None]
    if failed and len(outcomes) == 1:
        raise failed[0][1]
    if options.json:
        answer(options, [_json(one, value) for one in outcomes], "")
    elif done:
        answer(options, None, text(done))
    for job_id, error in failed:
        say_error(PROGRAM, f"{job_id}: {error}")
    if failed:
        raise SomeFailed(f"{len(failed)} of {len(outcomes)} jobs: not done", failed[0][1])


def _json(one: Outcome[T], value: Callable[[str, T], Any]) -> Any:
    if one.error is not None:
        return {"job_id": one.job_id, "error": str(one.error), "exit_status": status_of(one.error)}
    assert one.value is not None
    return codec.to_builtins(value(one.job_id, one.value))
