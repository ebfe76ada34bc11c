"""The follow protocol: a job's events to whoever waits for them, over whatever connection there is.

Connections come and go; the position stays. Nothing is acknowledged before it was
delivered, so a consumer that stops reading stops, in the end, the program itself.
The two streams are delivered independently, as two pipes are: one that nobody reads
does not hold back the other.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterable

import trio

from dffmpeg.client.events import STREAMS, Event, Gap, Output, Status, Stream
from dffmpeg.client.outlet import Outlet
from dffmpeg.client.progress import OutputLost, OutputMissing, Progress
from dffmpeg.errors import BadInput, DffmpegError, Refused, Unreachable, single_error
from dffmpeg.supervisors.backoff import Backoff
from dffmpeg.transports.follow_websocket import FollowConnection, WebSocketUnavailable, open_follow
from dffmpeg.transports.signed_http import SignedHttp
from dffmpeg.wire import codec, frames
from dffmpeg.wire.frames import Frame, Kind
from dffmpeg.wire.jobs import JobRecord

ACK_BYTES = 256 * 1024
"""Bytes after which an acknowledgement does not wait for a quiet moment."""
ACK_PAUSE = 0.01
"""Seconds between two acknowledgements of less than that."""
SILENCE = 15.0
"""Seconds without an answer to a ping after which a connection is given up."""
MAX_GAPS = 5
"""Times in a row that the same bytes may be missing before they are taken for lost."""
MAX_BROKEN = 3
"""Connections in a row that may break before one has worked, until polling is tried instead."""
RECONNECT = Backoff(minimum=0.1, maximum=5.0, jitter=0.5)
WEBSOCKET, POLLING = "websocket", "http_polling"


class Follower:
    """Follows one job to its end. For one use.

    Args:
        http: the connection to the coordinator, which stays the caller's.
        owner: whether this is the caller that the job belongs to, at whose pace it runs.
        transports: `websocket` and `http_polling` in order of preference; others are passed over.
        heartbeat: seconds between two signs of life.
        deliver: takes each event and returns when it is dealt with; called by several
            tasks, but never twice at once for one stream.
        note: takes a line for those who want to know about reconnects.
    """

    def __init__(
        self,
        http: SignedHttp,
        job_id: str,
        *,
        owner: bool,
        transports: Iterable[str],
        heartbeat: float,
        deliver: Callable[[Event], Awaitable[None]],
        note: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._http = http
        self._job_id = job_id
        self._heartbeat = heartbeat
        self._deliver = deliver
        self._note = note
        self._progress = Progress(owner=owner)
        self._outlets: dict[Stream, Outlet] = {stream: Outlet() for stream in STREAMS}
        self._transports = [name for name in transports if name in (WEBSOCKET, POLLING)] or [POLLING]
        self._websocket_worked = False
        self._last_sign = trio.current_time()
        self._acknowledged = 0
        self._some_delivered = trio.Event()
        self._much_delivered = trio.Event()
        self._record_changed = trio.Event()

    async def run(self) -> JobRecord:
        """Follow until the job's state is final and all its output was delivered.

        A connection that breaks is made again, however long that takes.

        Returns:
            The final record, which was also the last event.

        Raises:
            Refused: the coordinator says no, and another try will not change that.
            OutputDiffers: the job was run again and did not repeat what was delivered.
            OutputLost: the owner's output is not kept any more.
            WebSocketUnavailable: no WebSocket can be opened, and polling is not among the transports.
            Exception: whatever `deliver` raised.
        """
        with single_error():
            async with trio.open_nursery() as nursery:
                for stream in STREAMS:
                    nursery.start_soon(self._write, stream)
                nursery.start_soon(self._show_life)
                nursery.start_soon(self._tell_status)
                await self._follow()
                for outlet in self._outlets.values():
                    outlet.close()
                    await outlet.drained()
                nursery.cancel_scope.cancel()
        record = self._progress.record
        assert record is not None
        self._progress.check_whole()
        await self._deliver(Status(record))
        return record

    async def _write(self, stream: Stream) -> None:
        outlet = self._outlets[stream]
        while (piece := await outlet.take()) is not None:
            if piece.missing:
                await self._deliver(Gap(stream, piece.missing))
            if piece.data:
                await self._deliver(Output(stream, piece.data))
            self._progress.stream(stream).done(piece)
            self._some_delivered.set()
            if self._progress.delivered - self._acknowledged >= ACK_BYTES:
                self._much_delivered.set()

    async def _tell_status(self) -> None:
        """Deliver changes of the record; the final one is told when nothing else is left to tell."""
        while True:
            changed, record = self._record_changed, self._progress.record
            if record is not None and not record.finished:
                await self._deliver(Status(record))
            await changed.wait()

    async def _follow(self) -> None:
        failures = gaps = 0
        while True:
            before, pause = self._progress.taken, 0.0
            try:
                await self._connected()
                return
            except WebSocketUnavailable as error:
                if self._to_polling(error):
                    continue
                reason: DffmpegError = error
            except OutputMissing as error:
                gaps = gaps + 1 if self._progress.taken == before else 1
                if gaps >= MAX_GAPS:
                    raise OutputLost(f"output of job {self._job_id} is not kept any more: {error}") from error
                reason = error
            except Unreachable as error:
                reason = error
                if failures + 1 >= MAX_BROKEN:
                    self._to_polling(error)
            except Refused as error:
                if not error.temporary:
                    raise
                reason, pause = error, error.retry_after or 0.0
            failures = failures + 1 if self._progress.taken == before else 1
            self._note(f"following job {self._job_id} was interrupted, trying again: {reason}")
            await trio.sleep(max(pause, RECONNECT.delay(failures, random.random())))  # noqa: S311

    async def _connected(self) -> None:
        with single_error():
            if self._transports[0] == WEBSOCKET:
                await self._over_websocket()
            else:
                await self._over_polling()

    def _to_polling(self, error: DffmpegError) -> bool:
        """Give up WebSockets, unless one has worked: then it will again."""
        if self._websocket_worked or self._transports[0] != WEBSOCKET:
            return False
        if POLLING not in self._transports:
            if isinstance(error, WebSocketUnavailable):
                raise error
            return False
        self._note(f"following job {self._job_id} by polling: {error}")
        self._transports = [POLLING]
        return True

    async def _over_websocket(self) -> None:
        async with open_follow(self._http, self._job_id) as connection, trio.open_nursery() as nursery:
            await self._acknowledge(connection)
            nursery.start_soon(self._keep_acknowledging, connection)
            nursery.start_soon(self._check_alive, connection)
            while not self._progress.complete:
                received = await connection.receive()
                if received is None:
                    break
                self._websocket_worked = True
                await self._take(received)
            nursery.cancel_scope.cancel()
        if not self._progress.finished:
            raise Unreachable(f"the coordinator closed before job {self._job_id} was finished")

    async def _keep_acknowledging(self, connection: FollowConnection) -> None:
        while True:
            with trio.move_on_after(self._heartbeat):
                await self._some_delivered.wait()
            try:
                await self._acknowledge(connection)
            except Unreachable:
                # What was received before is still to be read; the reading task finds the end.
                return
            # Many small pieces share an acknowledgement.
            with trio.move_on_after(ACK_PAUSE):
                await self._much_delivered.wait()

    async def _acknowledge(self, connection: FollowConnection) -> None:
        self._some_delivered = trio.Event()
        self._much_delivered = trio.Event()
        self._acknowledged = self._progress.delivered
        await connection.send(self._progress.position())
        self._last_sign = trio.current_time()

    async def _check_alive(self, connection: FollowConnection) -> None:
        alive = True
        while alive:
            await trio.sleep(SILENCE)
            # While an outlet is full we do not read, and then no answer can be expected.
            if all(outlet.empty for outlet in self._outlets.values()):
                alive = await connection.check_alive(SILENCE)
        raise Unreachable(f"{self._http.url}: no sign of life for {SILENCE:g} s")

    async def _over_polling(self) -> None:
        while not self._progress.complete:
            final = self._progress.finished
            received = await self._poll(0.0 if final else min(self._heartbeat, 20.0))
            await self._take(received)
            if final and not any(frame.kind is not Kind.STATUS for frame in received):
                return
            # What is not delivered would be sent again by the next answer, but a stream that
            # nobody reads must not keep the other waiting for ever, nor the lease.
            with trio.move_on_after(self._heartbeat):
                for outlet in self._outlets.values():
                    await outlet.drained()

    async def _poll(self, wait: float) -> list[Frame]:
        self._last_sign = trio.current_time()
        body = await self._http.request(
            "POST",
            f"/jobs/{self._job_id}/follow",
            json=self._progress.position(wait=wait),
            timeout=wait + 30.0,
        )
        try:
            return list(frames.decode_all(body))
        except BadInput as error:
            raise Unreachable(f"{self._http.url}: {error}") from error

    async def _take(self, received: Iterable[Frame]) -> None:
        for frame in received:
            if frame.kind is Kind.STATUS:
                if self._progress.see(codec.decode(frame.payload, JobRecord, what="job record")):
                    self._record_changed.set()
                    self._record_changed = trio.Event()
            elif frame.kind in STREAMS:
                outlet = self._outlets[self._progress.stream(frame.kind).stream]
                await outlet.room()
                # Between taking a piece and keeping it, nothing may be cancelled.
                piece = self._progress.take(frame)
                if piece is not None:
                    outlet.put(piece)

    async def _show_life(self) -> None:
        """Renew the owner's lease while nothing else does: between connections, or while a sink is stuck."""
        while self._progress.owner:
            due = self._last_sign + 1.5 * self._heartbeat
            if trio.current_time() < due:
                await trio.sleep_until(due)
                continue
            self._last_sign = trio.current_time()
            try:
                await self._http.request("POST", f"/jobs/{self._job_id}/client_heartbeat", timeout=10.0)
            except DffmpegError as error:
                # Whether it matters is found out where the job is followed.
                self._note(f"job {self._job_id}: no sign of life could be given: {error}")
