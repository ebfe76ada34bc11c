"""Following a job from the command line: with what its program writes, or with a line of progress."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import nullcontext
from enum import Enum

import trio

from dffmpeg.client import endings
from dffmpeg.client.api import Client, Sink
from dffmpeg.client.endings import Ending
from dffmpeg.client.events import STDERR, STDOUT, Gap, Status, stream_name
from dffmpeg.client.foreground import not_ignored, of_outcome
from dffmpeg.client.progress_line import ProgressLine
from dffmpeg.client.sinks import StdoutClosed, standard_error, standard_output
from dffmpeg.errors import DffmpegError, single_error

KEPT = 2000
"""Bytes of the end of stderr that are shown where it was not shown, and the program failed."""


class View(Enum):
    """What is shown on stderr. The program's own stderr tells its progress too, so never both."""

    OUTPUT = "output"
    PROGRESS = "progress"
    NOTHING = "nothing"


async def watch(client: Client, job_id: str, view: View) -> Ending:
    """Follow a job to its end, or until SIGINT."""
    # Whether there is such a job is said at once; only following it is tried for ever.
    await client.status(job_id)
    ending = Ending(130, line=f"detached; the job goes on: dffmpeg-client job attach {job_id}")
    # None where SIGINT is ignored, as in what a script runs in the background.
    caught = not_ignored((signal.SIGINT,))
    with single_error(), trio.open_signal_receiver(*caught) if caught else nullcontext() as signals:
        async with trio.open_nursery() as nursery:
            if signals is not None:
                nursery.start_soon(_cancel_on_signal, signals, nursery.cancel_scope)
            ending = await _Watched(client, job_id, view).deliver()
            nursery.cancel_scope.cancel()
    return ending


async def _cancel_on_signal(signals: AsyncIterator[int], scope: trio.CancelScope) -> None:
    async for _ in signals:
        scope.cancel()


class _Watched:
    def __init__(self, client: Client, job_id: str, view: View) -> None:
        self._client = client
        self._job_id = job_id
        self._view = view
        self._stderr = standard_error()
        self._end = b""
        drawn = view is View.PROGRESS and os.isatty(2)
        self._line = ProgressLine(self._stderr if drawn else None)
        self._missing = 0

    async def deliver(self) -> Ending:
        stderr: Sink = self._stderr if self._view is View.OUTPUT else self._keep
        wanted = self._view is View.PROGRESS
        try:
            outcome = await self._client.deliver(
                self._job_id, stdout=standard_output(), stderr=stderr, on_event=self._mark, progress=wanted
            )
        except StdoutClosed as error:
            return error.ending
        except DffmpegError as error:
            await self._line.end()
            return endings.of_error(error)
        await self._line.end()
        if wanted and (outcome.exit_code or outcome.signal is not None):
            await self._stderr(self._end)
        return await self._whole(of_outcome(outcome))

    async def _whole(self, ending: Ending) -> Ending:
        """The ending, which is no success if something is missing of what went to stdout."""
        if not self._missing:
            return ending
        line = f"{self._missing} bytes of the stdout of job {self._job_id} are not kept: it is not whole here"
        if ending.line is None and ending.signal is None:
            return Ending(ending.code or endings.LOST, line=line)
        await self._stderr(f"dffmpeg: {line}\n".encode("ascii"))
        return ending

    async def _keep(self, data: bytes) -> None:
        self._end = (self._end + data)[-KEPT:]

    async def _mark(self, event: Status | Gap) -> None:
        if isinstance(event, Status):
            await self._line.show(event.record)
        elif event.stream == STDOUT:
            # Said at the end, with what follows from it.
            self._missing += event.missing
        elif self._view is View.OUTPUT and event.stream == STDERR:
            line = f"dffmpeg: {event.missing} bytes of {stream_name(event.stream)} were not kept\n"
            await self._stderr(line.encode("ascii"))
