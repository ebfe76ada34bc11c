"""`status --watch` and `job watch`: a picture kept up to date by the change feed, and shown until it ends."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Awaitable, Callable

import trio

from dffmpeg.client.api import Client
from dffmpeg.client.command import Invocation
from dffmpeg.client.endings import Ending, of_error
from dffmpeg.client.feed import Connected, Feed, Lost, News
from dffmpeg.client.foreground import not_ignored, of_outcome
from dffmpeg.client.live.outputs import Output, output_for
from dffmpeg.client.live.picture import Picture
from dffmpeg.client.outcome import Outcome
from dffmpeg.client.sinks import StdoutClosed
from dffmpeg.errors import DffmpegError, Refused, Unreachable, single_error
from dffmpeg.model.jobs import TERMINAL, JobState
from dffmpeg.model.progress import Progress
from dffmpeg.wire import codec
from dffmpeg.wire.dashboard import ProgressEvent
from dffmpeg.wire.events import JobEvent, WorkerEvent
from dffmpeg.wire.jobs import JobRecord
from dffmpeg.wire.scheduling import QueueState

FRAME = 0.25
"""Seconds between two drawings, at least."""

AGES = 1.0
"""Seconds after which it is drawn anew although nothing is new: times and the clock go on."""

PAUSE = 1.0
"""Seconds between two readings of lists, at least."""

RECENT = 600.0
"""Seconds within which a job ended that is shown first."""

LISTED = 200
UNNAMED = 20

_FINAL = [state.value for state in JobState if state in TERMINAL]
_LIVE = [state.value for state in JobState if state not in TERMINAL]

_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Stopped(Exception):
    """Somebody sent a signal."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


async def status(call: Invocation) -> Ending:
    """Show the cluster until somebody ends it."""
    options = call.options
    view = _View(call.client, output_for(quiet=options.quiet, as_json=options.json, job_id=None))
    ending = await view.run(("job", "worker", "queue", "progress"), view.read_cluster)
    return Ending(130) if ending is None else ending


async def job(call: Invocation) -> Ending:
    """Show one job until it ends, and end as it does."""
    options = call.options
    job_id = options.job
    # Whether there is such a job is said at once.
    record = await call.client.status(job_id)
    view = _View(call.client, output_for(quiet=options.quiet, as_json=options.json, job_id=job_id), record)
    ending = await view.run(("job", "progress"), view.read_job)
    if ending is not None:
        return ending
    return Ending(130, line=f"no longer watched; the job goes on: dffmpeg-client job watch {job_id}")


class _View:
    def __init__(self, client: Client, output: Output, record: JobRecord | None = None) -> None:
        self._client = client
        self._output = output
        self._record = record
        self._picture = Picture(client.config.coordinator_url)
        self._feed: Feed | None = None
        self._changed = trio.Event()
        self._stale = trio.Event()
        self._whole = True

    async def run(self, kinds: tuple[str, ...], read: Callable[[], Awaitable[None]]) -> Ending | None:
        """Show it until the job has ended. None where SIGINT ended it before."""
        if self._record is not None:
            self._picture.take_record(self._record)
        self._feed = Feed(self._client.connection, kinds, reached=self._record is not None)
        try:
            with single_error():
                async with trio.open_nursery() as nursery:
                    # Before the terminal is taken: whatever ends us has to give it back.
                    await nursery.start(self._obey_signals)
                    nursery.start_soon(self._feed.run, self._take)
                    nursery.start_soon(self._read_again, read)
                    await self._show()
                    nursery.cancel_scope.cancel()
        except _Stopped as stopped:
            return None if stopped.number == signal.SIGINT else Ending(signal=stopped.number)
        except StdoutClosed as error:
            return error.ending
        except DffmpegError as error:
            return of_error(error)
        finally:
            await self._output.leave(self._picture)
        assert self._record is not None
        return of_outcome(Outcome.of(self._record))

    # Showing

    async def _show(self) -> None:
        while True:
            changed = self._changed
            ended = self._record is not None and self._record.finished
            news, self._picture.news = self._picture.news, []
            await self._output.show(self._picture, news)
            if ended:
                return
            await trio.sleep(FRAME)
            with trio.move_on_after(AGES):
                await changed.wait()

    def _note(self) -> None:
        changed, self._changed = self._changed, trio.Event()
        changed.set()

    # Signals

    async def _obey_signals(self, *, task_status: trio.TaskStatus[None]) -> None:
        wanted = [*not_ignored(_ENDS), signal.SIGWINCH, signal.SIGTSTP]
        with trio.open_signal_receiver(*wanted) as signals:
            task_status.started()
            async for number in signals:
                if number == signal.SIGWINCH:
                    self._note()
                elif number == signal.SIGTSTP:
                    await self._output.leave(None)
                    os.kill(os.getpid(), signal.SIGSTOP)
                    self._note()
                else:
                    raise _Stopped(number)

    # The feed

    async def _take(self, news: News) -> None:
        if isinstance(news, Lost):
            self._picture.lose(news.reason)
        elif isinstance(news, Connected):
            self._picture.regain()
        else:
            self._take_event(news.kind, news.data)
        self._note()

    def _take_event(self, kind: str, data: bytes) -> None:
        picture = self._picture
        match kind:
            case "here" | "missed":
                self._read_soon(whole=True)
            case "job":
                event = codec.decode(data, JobEvent, what="event")
                if self._record is None or event.job_id == self._record.job_id:
                    # The end of the one job is taken with its record.
                    if self._record is None or event.status in _LIVE:
                        picture.take_job(event)
                    self._read_soon()
            case "worker":
                picture.take_worker(codec.decode(data, WorkerEvent, what="event"))
                self._read_soon()
            case "queue":
                picture.take_queue(codec.decode(data, QueueState, what="event"))
            case "progress":
                told = codec.decode(data, ProgressEvent, what="event")
                picture.take_progress(told.job_id, told.attempt, _progress(told, picture))

    def _read_soon(self, *, whole: bool = False) -> None:
        self._whole = self._whole or whole
        self._stale.set()

    # Reading

    async def _read_again(self, read: Callable[[], Awaitable[None]]) -> None:
        failed = False
        await self._stale.wait()
        while True:
            self._stale = trio.Event()
            try:
                await read()
            except (Unreachable, Refused) as error:
                if isinstance(error, Refused) and not error.temporary:
                    raise
                failed = True
                self._picture.lose(str(error))
                self._read_soon(whole=True)
            else:
                if failed:
                    self._picture.regain()
                failed = False
            self._note()
            await trio.sleep(PAUSE)
            # Where nobody tells of progress, it is asked for.
            with trio.move_on_after(math.inf if self._is_told or not self._picture.running() else PAUSE):
                await self._stale.wait()

    @property
    def _is_told(self) -> bool:
        return self._feed is not None and "progress" in self._feed.kinds

    async def read_cluster(self) -> None:
        """Everything, or what no event tells: slots in use, numbers of jobs, command lines."""
        client, picture = self._client, self._picture
        whole, self._whole = self._whole, False
        stats = await client.stats()
        picture.take_queue(stats.queue, stats.jobs)
        picture.take_workers(await client.workers())
        if whole or not self._is_told:
            picture.take_jobs(await client.jobs(limit=LISTED, states=_LIVE), unfinished=True)
        if whole:
            picture.take_jobs(await client.jobs(RECENT, LISTED, states=_FINAL), unfinished=False)
        for job_id in picture.unnamed()[:UNNAMED]:
            picture.take_record(await client.status(job_id))

    async def read_job(self) -> None:
        """The one job."""
        assert self._record is not None
        self._record = await self._client.status(self._record.job_id)
        self._picture.take_record(self._record)


def _progress(told: ProgressEvent, picture: Picture) -> Progress:
    known = picture.job(told.job_id)
    return Progress(
        time=told.out_time,
        fps=told.fps,
        speed=told.speed,
        size=told.size,
        fraction=told.fraction,
        remaining=told.remaining,
        duration=None if known is None or known.progress is None else known.progress.duration,
    )
