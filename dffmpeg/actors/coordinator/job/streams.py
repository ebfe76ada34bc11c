"""The streams of a live job, and everybody who waits for news of them.

Not an actor: the job's actor owns it and calls it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from dffmpeg.actors.coordinator.job.inputs import AttemptInputs
from dffmpeg.actors.coordinator.job.messages import ASKING, Attend, Due, Follow, News, OutputDue, WaitDue
from dffmpeg.actors.coordinator.job.progress import JobProgress
from dffmpeg.actors.coordinator.job.relays import AttemptOutput
from dffmpeg.actors.runtime import Context, Reply, Timer
from dffmpeg.model import jobs
from dffmpeg.model.jobs import Job, JobState
from dffmpeg.model.progress import Progress
from dffmpeg.model.streams import Stream
from dffmpeg.wire import descriptors
from dffmpeg.wire.frames import Frame, Kind
from dffmpeg.wire.jobs import OutputReply, Position
from dffmpeg.wire.records import launch_of, status_frame

if TYPE_CHECKING:
    from dffmpeg.actors.coordinator.services import Services

OUTPUT_HOLD = 10.0
"""Seconds that a worker's output request may be held while its window is full."""

LAZY_SECONDS = 1.0
"""How long little bits of an owned job's stderr wait for more, before they are made durable."""

_generations = count()


@dataclass(frozen=True, slots=True)
class _Waiting:
    request: Follow | Attend
    reply: Reply[Any]
    timer: Timer | None


class JobStreams:
    """The streams of one attempt: pieces come in, news go to those who wait.

    Args:
        context: the actor's, in whose name answers are held back.
    """

    def __init__(self, job: Job, services: Services, context: Context) -> None:
        launch = launch_of(job)
        self.job = job
        """As its followers are to see it."""
        self._attempt = job.attempt
        self._error_output = descriptors.error_output(launch)
        self._progress = JobProgress(job.job_id, job.attempt, services.store.jobs)
        self._context = context
        self._generation = next(_generations)
        settings = services.config.streams
        self.output = AttemptOutput(
            job, services.store.streams, settings, descriptors.outputs(launch), self._error_output
        )
        self.inputs = AttemptInputs(
            job.attempt, descriptors.inputs(launch), known=job.state is JobState.ASSIGNED
        )
        self._numbers = count(ASKING - 1, -1)
        self._waiting: dict[int, _Waiting] = {}
        self._held_output: dict[int, tuple[Reply[OutputReply], Timer]] = {}
        self._keeping: Timer | None = None

    # From the worker

    async def take(self, frames: Sequence[Frame]) -> None:
        """Take pieces of outputs, and acknowledgements of inputs; whoever waits for them gets them first,
        then they are made durable.

        Raises:
            Unfit: of a stream that the job does not have.
        """
        news = False
        for frame in frames:
            taken = self.inputs.acknowledge if frame.kind is Kind.ACK else self.output.take
            news = taken(frame) or news
        await self._taken(news)

    async def append(self, texts: Mapping[Stream, bytes]) -> None:
        """Put text at the end of the outputs, for a worker that knows no offsets."""
        await self._taken(self.output.append(texts))

    async def _taken(self, news: bool) -> None:
        if news:
            await self.serve(Follow)
        if await self.output.keep(all_of_it=False) and self._keeping is None:
            self._keeping = self._context.tell_after(LAZY_SECONDS, Due("keep"))
        await self.serve(Attend)

    async def keep(self) -> None:
        """Make durable what has waited for more."""
        self._keeping = None
        await self.output.keep()
        await self.serve(Attend)

    async def stderr_end(self, size: int) -> bytes | None:
        """The last bytes of stderr, or None: there were none, or it does not travel."""
        if self._error_output is None:
            return None
        return await self.output.tail(self._error_output, size) or None

    async def note_progress(self, progress: Progress) -> None:
        """The worker says that the job is so far; `job` says so already."""
        if self._progress.show():
            await self.serve(Follow)
        await self._progress.write(progress)

    def answer_output(self) -> OutputReply | None:
        """The answer to an output request, or None if it is held back until there is room."""
        if not self.output.full:
            return self.output.reply()
        number = next(self._numbers)
        timer = self._context.tell_after(OUTPUT_HOLD, OutputDue(number))
        self._held_output[number] = (self._context.defer(), timer)
        return None

    def release_output(self, number: int) -> None:
        """Answer a request that was held."""
        reply, timer = self._held_output.pop(number)
        timer.cancel()
        reply.send(self.output.reply())

    async def attend(self, request: Attend) -> News | None:
        """What the worker has not got yet; None if it has to wait for that."""
        if self.inputs.learn(request.seen.written):
            await self.serve(Follow)
        news = self._news_of(request)
        if not news.frames and request.wait != 0:
            self._hold(request, request.connection, request.wait)
            return None
        return news

    def _news_of(self, request: Attend) -> News:
        seen = request.seen
        doubt = seen.generation not in (None, self._generation)
        acks = [] if seen.told is None else self.output.acks(seen.told, doubt=doubt)
        return News(self._generation, [*acks, *self.inputs.frames(seen.sent)])

    # From the requester

    async def input(self, frames: Sequence[Frame]) -> list[Frame]:
        """Take pieces of inputs; returns acknowledgements of all of them, for who does not hear of them where
        it follows.

        Raises:
            Unfit: of a stream that the job does not have.
        """
        news = [self.inputs.take(frame) for frame in frames]
        if any(news):
            await self.serve(Attend)
        await self.serve(Follow)
        return self.inputs.answer(frames)

    async def acknowledge(self, position: Position) -> None:
        """The owner has everything before a position."""
        if position.attempt != self._attempt:
            return
        self.output.acknowledge(position)
        await self.serve(Attend)
        if self._held_output and not self.output.full:
            for number in list(self._held_output):
                self.release_output(number)

    async def follow(self, request: Follow) -> list[Frame] | None:
        """What is newer than the request's cursor; None if it has to wait for that."""
        frames = await self._news_for(request)
        if frames or request.wait == 0:
            return frames
        self._hold(request, request.connection, request.wait)
        return None

    async def _news_for(self, request: Follow) -> list[Frame]:
        job, cursor = self.job, request.cursor
        if job.state in jobs.TERMINAL:
            frames = await self.output.frames(cursor, ended=True, only=request.outputs)
            return (
                [*frames, status_frame(job, self._progress.number)]
                if all(frame.eof for frame in frames)
                else frames
            )
        changed = cursor.status != job.state.value or cursor.attempt != job.attempt
        number = self._progress.number
        if cursor.progress is not None:
            # Only those who said so are told of progress.
            changed = changed or (number > 0 and cursor.progress != number)
        frames = [status_frame(job, number)] if changed else []
        if job.attempt != self._attempt or job.state is JobState.PENDING:
            return frames
        same = cursor.attempt == job.attempt
        if request.heard is not None:
            frames += self.inputs.acks(request.heard if same else {})
        elif request.connection is None and cursor.inputs is not None:
            frames += self.inputs.compared(cursor.inputs if same else {})
        return frames + await self.output.frames(cursor, only=request.outputs)

    # Those who wait

    def _hold(self, request: Follow | Attend, connection: int | None, wait: float | None) -> None:
        number = next(self._numbers) if connection is None else connection
        timer = None if wait is None else self._context.tell_after(wait, WaitDue(number))
        # Whoever asks anew does not wait for the answer to what it asked before.
        self.expire(number)
        self._waiting[number] = _Waiting(request, self._context.defer(), timer)

    def forget(self, connection: int) -> None:
        """A connection has ended: whatever it waited for is not wanted any more."""
        waiting = self._waiting.pop(connection, None)
        if waiting is not None and waiting.timer is not None:
            waiting.timer.cancel()

    def expire(self, connection: int) -> None:
        """Somebody has waited long enough."""
        waiting = self._waiting.get(connection)
        if waiting is not None:
            self.forget(connection)
            waiting.reply.send([] if isinstance(waiting.request, Follow) else News(self._generation, []))

    async def serve(self, kind: type[Follow] | type[Attend] | None = None) -> None:
        """Give news to those for whom there are any.

        Args:
            kind: only to those who wait in this way.
        """
        for number, waiting in list(self._waiting.items()):
            if kind is not None and not isinstance(waiting.request, kind):
                continue
            if isinstance(waiting.request, Follow):
                frames = await self._news_for(waiting.request)
                answer: list[Frame] | News = frames
            else:
                answer = self._news_of(waiting.request)
                frames = list(answer.frames)
            if frames and self._waiting.get(number) is waiting:
                self.forget(number)
                waiting.reply.send(answer)

    async def close(self) -> None:
        """The attempt is over: whoever waits hears of it, from here or by asking again."""
        await self.serve(Follow)
        for waiting in self._waiting.values():
            if isinstance(waiting.request, Attend):
                waiting.reply.send(News(self._generation, [], over=True))
        for number in list(self._held_output):
            self.release_output(number)
