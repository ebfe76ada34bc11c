"""Following a job from Python: its frames as events, each stream at the pace of who takes them.

The streams are delivered independently, as two pipes are: one that nobody reads does not hold
back the other.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

import trio

from dffmpeg.client.events import Event, Gap, Output, Status
from dffmpeg.client.outlet import Outlet
from dffmpeg.client.progress import Progress
from dffmpeg.client.session import Delivered, Http, Session
from dffmpeg.errors import single_error
from dffmpeg.transports.address import SignedAddress
from dffmpeg.wire import codec, frames
from dffmpeg.wire.frames import Kind
from dffmpeg.wire.jobs import JobRecord, Position


class Follower:
    """Follows one job to its end. For one use; a `Receiver` of its session.

    Args:
        http: gives the connection to the coordinator, which stays the caller's.
        owner: whether this is the caller that the job belongs to, at whose pace it runs.
        transports: `websocket` and `http_polling` in order of preference; others are passed over.
        heartbeat: seconds between two signs of life.
        deliver: takes each event and returns when it is dealt with; called by several
            tasks, but never twice at once for one stream.
        progress: whether a `Status` is to tell of the program's progress too.
        note: takes a line for those who want to know about reconnects.
    """

    def __init__(
        self,
        http: Http,
        address: SignedAddress,
        job_id: str,
        *,
        owner: bool,
        transports: Iterable[str],
        heartbeat: float,
        deliver: Callable[[Event], Awaitable[None]],
        progress: bool = False,
        note: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.delivered = Delivered()
        self._deliver = deliver
        self._progress = Progress(owner=owner, told=progress)
        self._outlets: dict[int, Outlet] = {}
        self._record_changed = trio.Event()
        self._nursery: trio.Nursery | None = None
        self._session = Session(
            http,
            address,
            job_id,
            self,
            owner=owner,
            transports=transports,
            heartbeat=heartbeat,
            note=note,
        )

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
                self._nursery = nursery
                nursery.start_soon(self._tell_status)
                await self._session.follow()
                for outlet in self._outlets.values():
                    outlet.close()
                await self.drained()
                nursery.cancel_scope.cancel()
        record = self._progress.record
        assert record is not None
        self._progress.check_whole()
        await self._deliver(Status(record))
        return record

    async def _write(self, stream: int, outlet: Outlet) -> None:
        while (piece := await outlet.take()) is not None:
            if piece.missing:
                await self._deliver(Gap(stream, piece.missing))
            if piece.data:
                await self._deliver(Output(stream, piece.data))
            before = self._progress.delivered
            self._progress.stream(stream).done(piece)
            self.delivered.add(self._progress.delivered - before)

    async def _tell_status(self) -> None:
        """Deliver changes of the record; the final one is told when nothing else is left to tell."""
        while True:
            changed, record = self._record_changed, self._progress.record
            if record is not None and not record.finished:
                await self._deliver(Status(record))
            await changed.wait()

    def _outlet(self, stream: int) -> Outlet:
        if stream not in self._outlets:
            self._outlets[stream] = Outlet()
            assert self._nursery is not None
            self._nursery.start_soon(self._write, stream, self._outlets[stream])
        return self._outlets[stream]

    # As a receiver

    async def take(self, message: bytes) -> None:
        for frame in frames.decode_all(message):
            if frame.kind is Kind.STATUS:
                if self._progress.see(
                    codec.decode(frame.payload, JobRecord, what="job record"), frame.offset
                ):
                    self._record_changed.set()
                    self._record_changed = trio.Event()
            elif frame.kind in (Kind.STDOUT, Kind.STDERR, Kind.OUTPUT):
                outlet = self._outlet(frame.descriptor if frame.kind is Kind.OUTPUT else int(frame.kind))
                await outlet.room()
                # Between taking a piece and keeping it, nothing may be cancelled.
                piece = self._progress.take(frame)
                if piece is not None:
                    outlet.put(piece)

    def position(self, *, wait: float | None = None) -> Position:
        return self._progress.position(wait=wait or 0.0)

    def reconnected(self) -> None:
        """What was taken is still there, and passed over when it comes again."""

    async def next_input(self) -> bytes:
        await trio.sleep_forever()

    async def drained(self) -> None:
        for outlet in list(self._outlets.values()):
            await outlet.drained()

    @property
    def taken(self) -> tuple[int, int]:
        return self._progress.taken

    @property
    def finished(self) -> bool:
        return self._progress.finished

    @property
    def complete(self) -> bool:
        return self._progress.complete

    @property
    def idle(self) -> bool:
        return all(outlet.empty for outlet in self._outlets.values())
