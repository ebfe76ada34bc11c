"""The Python interface to a coordinator, which the command line itself uses.

async with Client.from_config() as client:
    job = await client.submit("ffmpeg", ["-i", "in.mkv", "out.mp4"], monitor=True)
    async with client.follow(job.job_id, owner=True) as events:
        async for event in events:
            ...
"""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import trio
from ulid import ULID

from dffmpeg.backoff import Backoff
from dffmpeg.client import unmapped
from dffmpeg.client.events import STDERR, STDOUT, Event, Gap, Output, Status
from dffmpeg.client.following import Follower
from dffmpeg.client.handing import Handing
from dffmpeg.client.options import NO_OPTIONS, JobOptions
from dffmpeg.client.outcome import Outcome
from dffmpeg.client.requests import current_directory, identifier, submission
from dffmpeg.configuration import load
from dffmpeg.configuration.client import ClientConfig
from dffmpeg.errors import (
    ConfigurationError,
    DffmpegError,
    Refused,
    Unreachable,
    single_error,
)
from dffmpeg.model import paths
from dffmpeg.transports.signed_http import SignedHttp
from dffmpeg.wire import signature, trace
from dffmpeg.wire.jobs import AttemptRecord, JobRecord, LogLine, StatusReply, SubmitRequest
from dffmpeg.wire.observation import Stats
from dffmpeg.wire.scheduling import QueueState
from dffmpeg.wire.workers import WorkerRecord

Argument = bytes | str
Sink = Callable[[bytes], Awaitable[None]]
"""Takes bytes and returns when they are written, so that a slow one slows the program down."""

_SUBMIT = Backoff(minimum=0.2, maximum=3.0, jitter=0.5)


class _Logs(msgspec.Struct):
    logs: list[LogLine]
    last_message_id: str | None = None


class Client:
    """One coordinator, as one identity. An async context manager, which owns the connections.

    Every method may raise `Unreachable` (no connection, or it broke), `Refused`
    (the coordinator said no) and `BadInput` (an argument cannot be sent, or an answer not understood).

    Args:
        config: where the coordinator is, who we are, and which directories have names.
        note: takes a line about reconnects and the like; by default nobody is told.

    Raises:
        ConfigurationError: the key or a mapped directory cannot be used.
    """

    def __init__(self, config: ClientConfig, *, note: Callable[[str], None] = lambda line: None) -> None:
        self.config = config
        self._note = note
        try:
            self._directories = paths.validated(config.paths)
            key = signature.decode_key(config.hmac_key)
        except paths.PathError as error:
            raise ConfigurationError(str(error)) from None
        except ValueError as error:
            raise ConfigurationError(f"hmac_key: {error}") from None
        self._http = SignedHttp(config.coordinator_url, config.client_id, key, config.tls)

    @classmethod
    def from_config(cls, path: Path | None = None) -> Client:
        """A client as a configuration file says.

        Args:
            path: the file; None searches it (`DFFMPEG_CLIENT_CONFIG`, then the usual places).

        Raises:
            ConfigurationError: there is none, or it cannot be used.
        """
        return cls(load(ClientConfig, "client", path))

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.__aexit__(kind, error, trace)

    @property
    def connection(self) -> SignedHttp:
        """Signed requests to the coordinator, for what has no method here; it stays ours."""
        return self._http

    def request(
        self,
        binary: str,
        arguments: Sequence[Argument],
        *,
        cwd: Argument | None = None,
        monitor: bool = False,
        job: JobOptions = NO_OPTIONS,
    ) -> SubmitRequest:
        """What `submit` sends: the arguments with mapped directories as variables.

        Raises:
            PathError: a path is there for the caller and not mapped, if `unmapped_paths` forbids that.
        """
        encoded = [os.fsencode(argument) for argument in arguments]
        here = current_directory() if cwd is None else os.fsencode(cwd)
        unmapped.check(self.config.unmapped_paths, binary, encoded, self._directories, cwd=here)
        return submission(
            self.config,
            self._directories,
            binary,
            encoded,
            cwd=here,
            monitor=monitor,
            options=job,
            traceparent=os.environ.get(trace.VARIABLE),
        )

    async def submit(
        self,
        binary: str,
        arguments: Sequence[Argument],
        *,
        cwd: Argument | None = None,
        monitor: bool = False,
        job: JobOptions = NO_OPTIONS,
    ) -> JobRecord:
        """Put a job into the queue.

        A coordinator that cannot be connected to is tried again for the configuration's `connect_timeout`;
        also one whose answer was lost, since a job that is submitted again is the same one.

        Args:
            binary: the program's name, such as `ffmpeg`.
            arguments: its arguments, without its name. Text is encoded as file names are.
            cwd: the working directory; None is the current one. Sent where it is inside a mapped directory.
            monitor: whether the caller follows the job as its owner: it is canceled when the caller is gone.
            job: how it is to be treated.

        Returns:
            The job's record; it is durable.

        Raises:
            Unreachable: no answer within the time; where the connection broke before it, the job may be
                in the queue.
        """
        request = self.request(
            binary,
            arguments,
            cwd=cwd,
            monitor=monitor,
            job=job,
        )
        # By its id the job is the same one however often, and to whichever coordinator, it is sent.
        request = msgspec.structs.replace(request, job_id=str(ULID()))
        deadline = trio.current_time() + self.config.connect_timeout
        failures = 0
        while True:
            try:
                return await self._http.call("POST", "/jobs/submit", JobRecord, json=request)
            except Unreachable as error:
                reason: DffmpegError = error
                asked = error.retry_after
            except Refused as error:
                if error.status not in (429, 502, 503, 504):
                    raise
                reason, asked = error, error.retry_after
            failures += 1
            wait = _SUBMIT.wait(failures, random.random(), asked=asked)  # noqa: S311
            if trio.current_time() + wait > deadline:
                raise reason
            self._note(f"trying again: {reason}")
            await trio.sleep(wait)

    async def status(self, job_id: str) -> JobRecord:
        """A job's record."""
        return await self._http.call("GET", f"/jobs/{identifier('job', job_id)}/status", JobRecord)

    async def jobs(
        self,
        window: float | None = None,
        limit: int | None = None,
        *,
        since_id: str | None = None,
        states: Sequence[str] = (),
        labels: Sequence[str] = (),
        name: str | None = None,
    ) -> list[JobRecord]:
        """One's own jobs that are active, or finished within `window` seconds; at most `limit`, newest first.

        Args:
            since_id: only those behind this one.
            states: only those in one of these.
            labels: only those that have each of them.
            name: only those of this name, in which a `*` stands for anything.
        """
        query = _query(
            window=window,
            limit=limit,
            since_id=since_id,
            status=",".join(states) or None,
            label=",".join(labels) or None,
            name=name,
        )
        return await self._http.call("GET", "/jobs", list[JobRecord], query=query)

    async def cancel(self, job_id: str) -> StatusReply:
        """Ask for a job to be canceled; the program may still finish its file.

        Returns:
            The answer, whose `detail` says so if the job had finished before.
        """
        return await self._http.call("POST", f"/jobs/{identifier('job', job_id)}/cancel", StatusReply)

    async def queue(self) -> QueueState:
        """Whether jobs are given to workers at all."""
        return await self._http.call("GET", "/queue", QueueState)

    async def stats(self) -> Stats:
        """The cluster in numbers."""
        return await self._http.call("GET", "/stats", Stats)

    async def workers(self, window: float | None = None) -> list[WorkerRecord]:
        """The workers seen within `window` seconds; None is the coordinator's default."""
        return await self._http.call("GET", "/workers", list[WorkerRecord], query=_query(window=window))

    async def worker(self, worker_id: str) -> WorkerRecord:
        """A worker's record."""
        return await self._http.call("GET", f"/workers/{identifier('worker', worker_id)}", WorkerRecord)

    async def attempts(self, job_id: str) -> list[AttemptRecord]:
        """All attempts of a job, the first one first."""
        path = f"/jobs/{identifier('job', job_id)}/attempts"
        return await self._http.call("GET", path, list[AttemptRecord])

    async def logs(self, job_id: str, *, limit: int = 100_000) -> list[LogLine]:
        """A job's stderr as lines of text, as far as it is kept; at most `limit` lines."""
        path = f"/jobs/{identifier('job', job_id)}/logs"
        lines: list[LogLine] = []
        last: str | None = None
        while len(lines) < limit:
            query = _query(since_message_id=last, limit=min(1000, limit - len(lines)))
            page = await self._http.call("GET", path, _Logs, query=query)
            lines += page.logs
            if not page.logs or page.last_message_id in (None, last):
                break
            last = page.last_message_id
        return lines

    def follow(
        self, job_id: str, *, owner: bool = False, progress: bool = False
    ) -> AbstractAsyncContextManager[AsyncIterator[Event]]:
        """Follow a job from its beginning, or from what is kept of it, to its end.

        Use as `async with client.follow(job_id) as events: async for event in events:`. Leaving the
        block ends the following; the job goes on, but an owner's job is canceled if nobody follows it soon.

        Asking for the next event acknowledges the one before. Lost connections are made again
        without a word. The last event is the `Status` with the final record.

        Args:
            owner: whether the job was submitted with `monitor` and this is its caller: the program
                then waits while we do.
            progress: whether a `Status` comes for the program's progress too, twice a second at most.

        Raises:
            Refused, OutputDiffers, OutputLost: from the iteration, as `Follower.run`.
        """
        return self._follow(identifier("job", job_id), owner, progress)

    @asynccontextmanager
    async def _follow(self, job_id: str, owner: bool, progress: bool) -> AsyncIterator[AsyncIterator[Event]]:
        handing = Handing()
        follower = self._follower(job_id, owner, handing.hand, progress=progress)
        with single_error():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(handing.close_after, follower.run)
                yield handing
                nursery.cancel_scope.cancel()

    def _follower(
        self, job_id: str, owner: bool, deliver: Callable[[Event], Awaitable[None]], *, progress: bool = False
    ) -> Follower:
        return Follower(
            lambda: self._http,
            self._http,
            job_id,
            owner=owner,
            transports=self.config.transports,
            heartbeat=self.config.heartbeat_interval,
            deliver=deliver,
            progress=progress,
            note=self._note,
        )

    async def deliver(
        self,
        job_id: str,
        *,
        stdout: Sink,
        stderr: Sink,
        owner: bool = False,
        on_event: Callable[[Status | Gap], Awaitable[None]] | None = None,
        progress: bool = False,
    ) -> Outcome:
        """Follow a job to its end and write its output to two sinks, each at its own pace.

        Args:
            on_event: is told what is no output.
            progress: as for `follow`.

        Raises:
            Refused, OutputDiffers, OutputLost: as `Follower.run`.
            Exception: whatever a sink raised.
        """

        sinks = {STDOUT: stdout, STDERR: stderr}

        async def pass_on(event: Event) -> None:
            if isinstance(event, Output):
                if event.stream in sinks:
                    await sinks[event.stream](event.data)
            elif on_event is not None:
                await on_event(event)

        follower = self._follower(identifier("job", job_id), owner, pass_on, progress=progress)
        return Outcome.of(await follower.run())

    async def run(
        self,
        binary: str,
        arguments: Sequence[Argument],
        *,
        stdout: Sink,
        stderr: Sink,
        cwd: Argument | None = None,
        job: JobOptions = NO_OPTIONS,
    ) -> Outcome:
        """Run a program as if it ran here: `submit`, then `deliver` as the owner. Arguments as there.

        If this is cancelled, or a sink fails, the job is canceled too.
        """
        record = await self.submit(binary, arguments, cwd=cwd, monitor=True, job=job)
        finished = False
        try:
            outcome = await self.deliver(record.job_id, stdout=stdout, stderr=stderr, owner=True)
            finished = True
        finally:
            if not finished:
                await self.abandon(record.job_id)
        return outcome

    async def abandon(self, job_id: str, *, timeout: float = 3.0) -> None:
        """Cancel a job on the way out, even out of a cancelled block: for so many seconds at most.

        Where the coordinator cannot be told, it notices by itself that the owner is gone.
        """
        with trio.move_on_after(timeout, shield=True):
            try:
                await self.cancel(job_id)
            except DffmpegError as error:
                self._note(f"job {job_id} could not be canceled: {error}")


def _query(**values: Any) -> dict[str, str] | None:
    given: Mapping[str, str] = {name: f"{value}" for name, value in values.items() if value is not None}
    return dict(given) or None
