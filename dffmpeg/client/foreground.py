"""A job as the caller's own: its bytes to our standard streams, our signals to it, its end as ours."""

from __future__ import annotations

import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable

import trio

from dffmpeg.backoff import Backoff
from dffmpeg.client import endings
from dffmpeg.client.api import Client, Outcome
from dffmpeg.client.endings import Ending
from dffmpeg.client.sinks import StdoutClosed, standard_error, standard_output
from dffmpeg.errors import DffmpegError, Refused, Unreachable, single_error
from dffmpeg.wire.jobs import JobRecord

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SUBMIT_GRACE = 1.0
"""Seconds that a submission in flight may still take after a signal, so that what it made can be canceled."""
_CANCEL = Backoff(minimum=0.2, maximum=5.0, jitter=0.5)


class Foreground:
    """One job from its submission to our end. For one use.

    The first of SIGINT, SIGTERM and SIGHUP cancels the job, which is followed until it has
    ended: ffmpeg finishes its file. The second ends us at once. A signal that whoever
    started us ignores stays ignored, as nohup(1) wants it.

    Standard input is not read: what the program gets is an empty one.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._signal: int | None = None
        self._interrupted = trio.Event()
        self._submission = trio.CancelScope()
        self._ending: Ending | None = None

    async def run(self, submit: Callable[[], Awaitable[JobRecord]]) -> Ending:
        """Submit and follow.

        Args:
            submit: puts the job into the queue, with `monitor`.

        Returns:
            How this process should end.
        """
        with single_error(), trio.open_signal_receiver(*not_ignored(SIGNALS)) as signals:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch, signals, nursery.cancel_scope)
                self._ending = await self._submit_and_follow(submit, nursery)
                nursery.cancel_scope.cancel()
        assert self._ending is not None
        return self._ending

    async def _watch(self, signals: AsyncIterator[int], everything: trio.CancelScope) -> None:
        async for number in signals:
            if self._signal is not None:
                self._ending = Ending(128 + number)
                everything.cancel()
                return
            self._signal = number
            self._submission.deadline = trio.current_time() + SUBMIT_GRACE
            self._interrupted.set()

    async def _submit_and_follow(
        self, submit: Callable[[], Awaitable[JobRecord]], nursery: trio.Nursery
    ) -> Ending:
        job: JobRecord | None = None
        try:
            with self._submission:
                job = await submit()
            if job is None:
                return Ending(128 + (self._signal or signal.SIGINT))
            self._submission.deadline = float("inf")
            nursery.start_soon(self._cancel_when_interrupted, job.job_id)
            outcome = await self._client.deliver(
                job.job_id, stdout=standard_output(), stderr=standard_error(), owner=True
            )
        except DffmpegError as error:
            if job is not None:
                await self._client.abandon(job.job_id)
            return error.ending if isinstance(error, StdoutClosed) else endings.of_error(error)
        return self._ending_of(outcome)

    async def _cancel_when_interrupted(self, job_id: str) -> None:
        await self._interrupted.wait()
        failures = 0
        while True:
            try:
                await self._client.cancel(job_id)
                return
            except Unreachable:
                failures += 1
            except Refused as error:
                if not error.temporary:
                    # Following it says the same, and that ends us.
                    return
                failures += 1
            await trio.sleep(_CANCEL.delay(failures, random.random()))  # noqa: S311

    def _ending_of(self, outcome: Outcome) -> Ending:
        if self._signal is not None and outcome.record.status == "canceled":
            if outcome.exit_code is None and outcome.signal is None:
                return Ending(128 + self._signal)
            return Ending(outcome.exit_code or 0, signal=outcome.signal)
        return of_outcome(outcome)


def of_outcome(outcome: Outcome) -> Ending:
    """The ending that passes a job's outcome on."""
    if outcome.problem is not None:
        return Ending(endings.LOST, line=outcome.problem)
    return Ending(outcome.exit_code or 0, signal=outcome.signal)


def not_ignored(numbers: tuple[signal.Signals, ...]) -> list[signal.Signals]:
    """Those of some signals that were not ignored when we were started."""
    return [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
