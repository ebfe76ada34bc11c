"""One call from its submission to its end, as an engine carries it out."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from functools import partial

import msgspec
import trio

from dffmpeg.backoff import Backoff
from dffmpeg.client import fallback, unmapped
from dffmpeg.client.engine import caller
from dffmpeg.client.engine.call import Call, request
from dffmpeg.client.engine.port import Port
from dffmpeg.client.engine.relay import Relay
from dffmpeg.client.engine.service import Service
from dffmpeg.client.outcome import Outcome, hindered
from dffmpeg.client.session import WEBSOCKET, Session
from dffmpeg.client.untold import Telling, Untold
from dffmpeg.errors import BadInput, DffmpegError, NotConnected, Refused, Unreachable, single_error
from dffmpeg.shim import wire
from dffmpeg.shim.ending import LOST
from dffmpeg.transports.follow_websocket import JobConnection, WebSocketUnavailable
from dffmpeg.wire import codec
from dffmpeg.wire.jobs import JobRecord, StatusReply, SubmitRequest

SUBMIT_GRACE = 1.0
"""Seconds in which the answer to a submission that is not wanted any more may come, to cancel the job."""
LEAVE_SECONDS = 30.0
"""How long the end of a job without a shim is waited for; by then its coordinator has noticed by itself."""
_RETRY = Backoff(minimum=0.2, maximum=3.0, jitter=0.5)


class _Problem(msgspec.Struct):
    status: int
    detail: str = "refused"
    retry_after: float | None = None


class _Answer(msgspec.Struct):
    job: JobRecord | None = None
    error: _Problem | None = None


class NeverRan(DffmpegError):
    """The job is not going to run, and the local program may."""


class Run:
    """One call. For one use.

    Args:
        pid: the shim's process, to see whether it is stopped.
    """

    def __init__(self, service: Service, port: Port, call: Call, pid: int) -> None:
        self._service = service
        self._config = service.config
        self._port = port
        self._call = call
        self._relay = Relay(port, call, self._changed)
        self._caller = caller.Caller(port, self._relay, pid)
        self._submission = trio.CancelScope()
        self._telling = Telling(Untold(self._config.coordinator_url))
        self._news = trio.Event()
        self._sent = False
        self._busy = False
        self._hindered = False
        self._notes_in, self._notes = trio.open_memory_channel[str](64)

    async def serve(self) -> None:
        """Run it, and tell the shim how to end."""
        with single_error():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._caller.listen)
                nursery.start_soon(self._caller.watch_stops)
                nursery.start_soon(self._pass_notes)
                nursery.start_soon(self._cancel_when_unwanted)
                nursery.start_soon(self._leave_in_time, nursery.cancel_scope)
                try:
                    await self._announce_files()
                    await self._job()
                    await self._tell_end()
                except NeverRan as error:
                    await self._fall_back(str(error))
                except DffmpegError as error:
                    await self._tell_failure(error)
                # The shim still writes; nothing is to be done until it has left.
                await self._caller.gone.wait()
                nursery.cancel_scope.cancel()

    async def _leave_in_time(self, everything: trio.CancelScope) -> None:
        """A coordinator that cannot be reached must not keep us for a caller that is no more."""
        await self._caller.gone.wait()
        await trio.sleep(LEAVE_SECONDS)
        everything.cancel()

    async def _announce_files(self) -> None:
        request = self._request()
        kinds = {one.number: one.kind for one in request.launch.descriptors} if request.launch else {}
        for one in self._call.descriptors:
            if one.kind == "file" and kinds[one.number] == "pipe":
                await self._port.forward(wire.frame(wire.PIPE, descriptor=one.number))

    def _request(self) -> SubmitRequest:
        return request(self._config, self._service.directories, self._call)

    # Submission

    async def _job(self) -> None:
        session = Session(
            self._service.http,
            self._service.address,
            self._call.job_id,
            self._relay,
            owner=True,
            transports=self._config.transports,
            heartbeat=self._config.heartbeat_interval,
            note=self._note,
        )
        if self._call.status is not None:
            await session.follow()
            return
        with self._submission:
            await self._check_paths()
            try:
                await self._submit_and_follow(session)
            finally:
                if self._relay.record is None:
                    await self._telling.give_back()
        if self._submission.cancelled_caught:
            raise Unreachable("canceled before it was submitted")

    async def _check_paths(self) -> None:
        call, directories = self._call, self._service.directories
        action = self._config.unmapped_paths
        what = (action, call.program, call.arguments, directories)
        line = unmapped.find(*what, cwd=call.cwd)
        if line is None and unmapped.may_lead_out(*what, cwd=call.cwd):
            # In a thread: mapped directories are other machines', and may not answer.
            follow = partial(unmapped.find_links, *what, cwd=call.cwd)
            line = await trio.to_thread.run_sync(follow, abandon_on_cancel=True)
        if line is not None:
            await self._port.send(wire.NOTE, _line(line))

    async def _submit_and_follow(self, session: Session) -> None:
        deadline = trio.current_time() + self._patience()
        failures = 0
        submission = self._request()
        over_websocket = WEBSOCKET in self._config.transports
        while True:
            try:
                if over_websocket:
                    await self._run_over_websocket(session, submission)
                else:
                    await self._run_over_http(session, submission)
                return
            except WebSocketUnavailable as error:
                if self._relay.record is not None:
                    raise
                self._note(f"no WebSocket, submitting over HTTP: {error}")
                over_websocket = False
                continue
            except (Unreachable, Refused) as error:
                if self._relay.record is not None or (isinstance(error, Refused) and not error.temporary):
                    raise
                reason: DffmpegError = error
            over_websocket = WEBSOCKET in self._config.transports
            failures += 1
            await self._pause(reason, failures, deadline)

    async def _run_over_websocket(self, session: Session, submission: SubmitRequest) -> None:
        async with self._service.connections.lease() as lease:
            await self._see(await self._submit(lease.connection, submission))
            await self._follow(session, lease.connection)
            lease.reusable = session.over_first

    async def _run_over_http(self, session: Session, submission: SubmitRequest) -> None:
        submission.local_fallbacks = await self._telling.claim()
        before, self._sent = self._sent, True
        try:
            record = await self._service.http().call("POST", "/jobs/submit", JobRecord, json=submission)
        except NotConnected:
            self._sent = before
            raise
        await self._see(record)
        await self._follow(session)

    async def _submit(self, connection: JobConnection, submission: SubmitRequest) -> JobRecord:
        submission.local_fallbacks = await self._telling.claim()
        self._sent = True
        await connection.send('{"submit":' + codec.encode(submission).decode("utf-8") + "}")
        while True:
            message = await connection.receive()
            if message is None:
                raise Unreachable(f"{self._service.address.url}: closed before the answer")
            # What is binary still belongs to the job before.
            if isinstance(message, str):
                answer = codec.decode(message, _Answer, what="answer to the submission")
                if answer.error is not None:
                    error = answer.error
                    raise Refused(error.status, error.detail, retry_after=error.retry_after)
                if answer.job is not None:
                    return answer.job

    async def _see(self, record: JobRecord) -> None:
        self._submission.deadline = float("inf")
        await self._relay.see(record)

    async def _follow(self, session: Session, first: JobConnection | None = None) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._give_up_when_busy)
            await session.follow(first)
            nursery.cancel_scope.cancel()

    def _patience(self) -> float:
        if self._config.fallback.when == "never" or self._local() is None:
            return self._config.connect_timeout
        return self._config.fallback.after

    async def _pause(self, reason: DffmpegError, failures: int, deadline: float) -> None:
        asked = reason.retry_after if isinstance(reason, Refused | Unreachable) else None
        wait = _RETRY.wait(failures, random.random(), asked=asked)  # noqa: S311
        if trio.current_time() + wait > deadline:
            if self._may_fall_back(reason):
                raise NeverRan(str(reason))
            raise reason
        self._note(f"trying again: {reason}")
        await trio.sleep(wait)

    def _may_fall_back(self, reason: DffmpegError) -> bool:
        """Whether the local program may run instead: the job is certainly not there."""
        if isinstance(reason, Refused) and reason.status == 429:
            # A full queue is no unreachable coordinator.
            return self._config.fallback.when == "busy"
        return self._config.fallback.when != "never" and not self._sent

    # While it is there

    async def _give_up_when_busy(self) -> None:
        if self._config.fallback.when != "busy" or self._local() is None:
            return
        options = self._call.options
        if options is not None and (options.after or options.start_at is not None):
            # It waits because it was told to.
            return
        await trio.sleep(self._config.fallback.after)
        record = self._relay.record
        if record is not None and record.status == "pending" and record.attempt == 0:
            self._busy = True
            await self._cancel()

    async def _cancel_when_unwanted(self) -> None:
        await self._caller.unwanted.wait()
        if self._relay.record is None:
            if not self._sent:
                self._submission.cancel()
                return
            self._submission.deadline = trio.current_time() + SUBMIT_GRACE
            while self._relay.record is None:
                await self._news.wait()
        await self._cancel()

    async def _cancel(self) -> None:
        failures = 0
        while not self._relay.finished:
            try:
                path = f"/jobs/{self._call.job_id}/cancel"
                await self._service.http().call("POST", path, StatusReply)
                return
            except Unreachable:
                failures += 1
            except Refused as error:
                if not error.temporary:
                    # Following it says the same, and that ends us.
                    return
                failures += 1
            await trio.sleep(_RETRY.delay(failures, random.random()))  # noqa: S311

    def _changed(self) -> None:
        self._news.set()
        self._news = trio.Event()
        line = None if self._relay.record is None else hindered(self._relay.record)
        if line is not None and not self._hindered:
            self._hindered = True
            self._tell(line)

    def _note(self, line: str) -> None:
        if self._call.verbose or self._config.log_level == "DEBUG":
            self._tell(line)

    def _tell(self, line: str) -> None:
        # Nobody reads so many of them.
        with contextlib.suppress(trio.WouldBlock):
            self._notes_in.send_nowait(line)

    async def _pass_notes(self) -> None:
        async for line in self._notes:
            await self._port.send(wire.NOTE, line.encode("utf-8", "backslashreplace"))

    # The end

    async def _tell_end(self) -> None:
        record = self._relay.record
        assert record is not None
        outcome = Outcome.of(record)
        never_ran = record.exit_code is None and record.signal is None and not self._relay.ran
        # An attempt that was handed out may have run before its worker was lost.
        if self._busy and record.status == "canceled" and never_ran and record.attempt == 0:
            await self._fall_back(f"no worker took it within {self._config.fallback.after:g} s")
            return
        problem = outcome.problem
        if record.status == "canceled" and self._caller.unwanted.is_set() and not never_ran:
            # It was canceled because our caller wanted it so, and ended as programs do then.
            problem = None if record.exit_code is not None or record.signal is not None else problem
        fields = [(b"c", b"%d" % (LOST if problem else (record.exit_code or 0)))]
        if problem:
            fields.append((b"l", _line(problem)))
        elif record.signal is not None:
            fields.append((b"s", b"%d" % record.signal))
        if record.status == "completed":
            fields.append((b"k", b""))
        await self._port.send(wire.END, wire.pack_fields(fields))

    async def _tell_failure(self, error: DffmpegError) -> None:
        await send_failure(self._port, error)
        if self._relay.record is not None and not self._relay.finished:
            await self._abandon()

    async def _abandon(self) -> None:
        with trio.move_on_after(3.0, shield=True):
            await self._cancel()

    def _local(self) -> bytes | None:
        search = self._call.environment.get(b"PATH", b"")
        return fallback.program(self._call.program, self._config.fallback.binaries, search)

    async def _fall_back(self, reason: str) -> None:
        path = self._local()
        if path is None:
            await self._tell_failure(Unreachable(f"{reason}; and there is no local {self._call.program}"))
            return
        try:
            fallback.note(self._call.program, path, reason)
        except OSError as error:
            # The program runs all the same: it is what the caller waits for.
            self._note(f"{error.filename}: {error.strerror}")
        await self._telling.fell_back()
        await self._port.send(wire.FALLBACK, path)


def _line(text: str) -> bytes:
    return " ".join(text.split()).replace("\0", "").encode("utf-8", "backslashreplace")


async def send_failure(port: Port, error: DffmpegError) -> None:
    """Tell a shim that an error of ours is how it ends."""
    from dffmpeg.client import endings

    ending = endings.of_error(error)
    await port.send(
        wire.END, wire.pack_fields([(b"c", b"%d" % ending.code), (b"l", _line(ending.line or ""))])
    )


async def serve(
    service: Service, stream: trio.SocketStream, *, pid: int, accepts: Callable[[Call], bool]
) -> None:
    """Serve one shim from its call to its end; closes the stream.

    Args:
        pid: the shim's process.
        accepts: whether a call is for us.
    """
    port = Port(stream)
    try:
        call = await port.call()
        if call.protocol != wire.PROTOCOL or not accepts(call):
            await port.send(wire.REFUSED)
            return
        try:
            run = Run(service, port, call, pid)
        except BadInput as error:
            await send_failure(port, error)
            return
        await run.serve()
    except caller.ShimGone:
        return
    finally:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + 1.0):
            await port.aclose()
