"""The follow protocol: a job's frames to whoever takes them, over whatever connection there is.

Connections come and go; the position stays with the receiver. Nothing is acknowledged before it
was delivered, so a consumer that stops reading stops, in the end, the program itself.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol

import trio

from dffmpeg.backoff import Backoff
from dffmpeg.errors import BadInput, DffmpegError, Refused, Unreachable, single_error
from dffmpeg.transports.address import SignedAddress
from dffmpeg.transports.follow_websocket import JobConnection, WebSocketUnavailable, open_follow
from dffmpeg.wire import codec
from dffmpeg.wire.jobs import Position

if TYPE_CHECKING:
    from dffmpeg.transports.signed_http import SignedHttp

Http = Callable[[], "SignedHttp"]
"""Gives the connection for plain requests; made when it is needed, because the library takes long to load."""

ACK_BYTES = 256 * 1024
"""Bytes after which an acknowledgement does not wait for a quiet moment."""
ACK_PAUSE = 0.01
"""Seconds between two acknowledgements of less than that."""
MAX_INPUT = 1 << 20
"""Bytes of inputs that one message holds, about: the coordinator takes a frame more."""
SILENCE = 15.0
"""Seconds without an answer to a ping after which a connection is given up."""
MAX_GAPS = 5
"""Times in a row that the same bytes may be missing before they are taken for lost."""
MAX_BROKEN = 3
"""Connections in a row that may break before one has worked, until polling is tried instead."""
RECONNECT = Backoff(minimum=0.1, maximum=2.0, jitter=0.5)
WEBSOCKET, POLLING = "websocket", "http_polling"


class OutputMissing(DffmpegError):
    """A frame begins behind what its follower has: ask again from there."""


class OutputLost(DffmpegError):
    """Bytes that the job's owner has not had are no longer kept."""


class Delivered:
    """Tells the task that acknowledges how much there is to acknowledge."""

    def __init__(self) -> None:
        self.some = trio.Event()
        self.much = trio.Event()
        self._bytes = 0

    def add(self, size: int) -> None:
        """So many bytes were delivered since the last call, or a control message has to be confirmed."""
        self._bytes += size
        self.some.set()
        if self._bytes >= ACK_BYTES:
            self.much.set()

    def begin(self) -> None:
        """What was delivered until now is being acknowledged."""
        self._bytes = 0
        self.some = trio.Event()
        self.much = trio.Event()


class Receiver(Protocol):
    """Where a job's frames go, and who knows how far they are."""

    delivered: Delivered

    async def take(self, message: bytes) -> None:
        """Take whole frames.

        Raises:
            OutputMissing: a frame begins behind what came before.
        """

    def position(self, *, wait: float | None = None) -> Position:
        """What acknowledges all that was delivered, and nothing else.

        Args:
            wait: of a poll: seconds that it may be held.
        """

    def reconnected(self) -> None:
        """Frames come over a new connection from now on, beginning at `position`."""

    async def next_input(self) -> bytes:
        """Frames of inputs to be sent, about `MAX_INPUT` of them at most; waits until there are some."""

    async def drained(self) -> None:
        """Returns when all that was taken is delivered."""

    @property
    def taken(self) -> tuple[int, int]:
        """Attempt and bytes that were taken; grows with each piece that is new."""

    @property
    def finished(self) -> bool:
        """Whether the job's state is final."""

    @property
    def complete(self) -> bool:
        """Whether nothing can follow any more: the state is final, and all outputs ended."""

    @property
    def idle(self) -> bool:
        """Whether all that was taken is delivered."""


class Session:
    """Follows one job to its end. For one use.

    Args:
        http: gives the HTTP connection to the coordinator, which stays the caller's.
        owner: whether this is the caller that the job belongs to, at whose pace it runs.
        transports: `websocket` and `http_polling` in order of preference; others are passed over.
        heartbeat: seconds between two signs of life.
        note: takes a line for those who want to know about reconnects.
    """

    def __init__(
        self,
        http: Http,
        address: SignedAddress,
        job_id: str,
        receiver: Receiver,
        *,
        owner: bool,
        transports: Iterable[str],
        heartbeat: float,
        note: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._http = http
        self._address = address
        self._job_id = job_id
        self._receiver = receiver
        self._owner = owner
        self._heartbeat = heartbeat
        self._note = note
        self._transports = [name for name in transports if name in (WEBSOCKET, POLLING)] or [POLLING]
        self.over_first = False
        """Whether the job ended over the connection on which it was submitted."""
        self._websocket_worked = False
        self._last_sign = trio.current_time()

    async def follow(self, first: JobConnection | None = None) -> None:
        """Follow until everything was taken. A connection that breaks is made again, however long that takes.

        Args:
            first: a connection over which the job was submitted and runs; stays the caller's.

        Raises:
            Refused: the coordinator says no, and another try will not change that.
            OutputLost: the owner's output is not kept any more.
            WebSocketUnavailable: no WebSocket can be opened, and polling is not among the transports.
            DffmpegError: whatever else the receiver raised.
        """
        with single_error():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._show_life)
                if first is not None:
                    self.over_first = await self._run_is_over(first)
                if not self.over_first:
                    await self._keep_following()
                nursery.cancel_scope.cancel()

    async def _run_is_over(self, connection: JobConnection) -> bool:
        """Whether the job ended over the connection on which it was submitted."""
        try:
            with single_error():
                self._websocket_worked = True
                await self._converse(connection, _run_position)
        except (Unreachable, OutputMissing) as error:
            self._note(f"running job {self._job_id} was interrupted, following it: {error}")
        return self._receiver.complete

    async def _keep_following(self) -> None:
        failures = gaps = 0
        while True:
            before = self._receiver.taken
            pause: float | None = None
            try:
                await self._connected()
                return
            except WebSocketUnavailable as error:
                if self._to_polling(error):
                    continue
                reason: DffmpegError = error
            except OutputMissing as error:
                gaps = gaps + 1 if self._receiver.taken == before else 1
                if gaps >= MAX_GAPS:
                    raise OutputLost(f"output of job {self._job_id} is not kept any more: {error}") from error
                reason = error
            except Unreachable as error:
                reason, pause = error, error.retry_after
                # One who says when to come again is a coordinator, on a connection that works.
                if failures + 1 >= MAX_BROKEN and pause is None:
                    self._to_polling(error)
            except Refused as error:
                if not error.temporary:
                    raise
                reason, pause = error, error.retry_after
            failures = failures + 1 if self._receiver.taken == before else 1
            self._note(f"following job {self._job_id} was interrupted, trying again: {reason}")
            await trio.sleep(RECONNECT.wait(failures, random.random(), asked=pause))  # noqa: S311

    async def _connected(self) -> None:
        with single_error():
            if self._transports[0] == WEBSOCKET:
                async with open_follow(self._address, self._job_id) as connection:
                    await self._converse(connection, codec.encode)
                # The state alone does not tell: where we were sending just when the other side closed, what
                # it had sent before may be lost with the connection.
                if not self._receiver.complete:
                    raise Unreachable(f"the connection was closed before job {self._job_id} was over")
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

    async def _converse(self, connection: JobConnection, encode: Callable[[Position], bytes]) -> None:
        async with trio.open_nursery() as nursery:
            if encode is codec.encode:
                self._receiver.reconnected()
                await self._acknowledge(connection, encode)
            nursery.start_soon(self._keep_acknowledging, connection, encode)
            nursery.start_soon(self._send_inputs, connection)
            nursery.start_soon(self._check_alive, connection)
            while not self._receiver.complete:
                message = await connection.receive()
                if message is None:
                    break
                self._websocket_worked = True
                if isinstance(message, bytes):
                    await self._take(message)
            nursery.cancel_scope.cancel()

    async def _take(self, message: bytes) -> None:
        try:
            await self._receiver.take(message)
        except BadInput as error:
            raise Unreachable(f"{self._address.url}: {error}") from error

    async def _keep_acknowledging(
        self, connection: JobConnection, encode: Callable[[Position], bytes]
    ) -> None:
        delivered = self._receiver.delivered
        while True:
            with trio.move_on_after(self._heartbeat):
                await delivered.some.wait()
            try:
                await self._acknowledge(connection, encode)
            except Unreachable:
                # What was received before is still to be read; the reading task finds the end.
                return
            # Many small pieces share an acknowledgement.
            with trio.move_on_after(ACK_PAUSE):
                await delivered.much.wait()

    async def _acknowledge(self, connection: JobConnection, encode: Callable[[Position], bytes]) -> None:
        self._receiver.delivered.begin()
        await connection.send(encode(self._receiver.position()).decode("utf-8"))
        self._last_sign = trio.current_time()

    async def _send_inputs(self, connection: JobConnection) -> None:
        while True:
            message = await self._receiver.next_input()
            try:
                await connection.send(message)
            except Unreachable:
                return

    async def _check_alive(self, connection: JobConnection) -> None:
        alive = True
        while alive:
            await trio.sleep(SILENCE)
            # While a receiver is full we do not read, and then no answer can be expected.
            if self._receiver.idle:
                alive = await connection.check_alive(SILENCE)
        raise Unreachable(f"{self._address.url}: no sign of life for {SILENCE:g} s")

    async def _over_polling(self) -> None:
        self._receiver.reconnected()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._post_inputs)
            await self._poll_to_the_end()
            nursery.cancel_scope.cancel()

    async def _post_inputs(self) -> None:
        while True:
            message = await self._receiver.next_input()
            path = f"/jobs/{self._job_id}/input"
            # What was not taken of it is said in the answer; where that is lost, polling begins anew.
            await self._take(await self._http().request("POST", path, body=message))
            self._last_sign = trio.current_time()

    async def _poll_to_the_end(self) -> None:
        while not self._receiver.complete:
            final, before = self._receiver.finished, self._receiver.taken
            await self._take(await self._poll(0.0 if final else min(self._heartbeat, 20.0)))
            if final and self._receiver.taken == before:
                return
            # What is not delivered would be sent again by the next answer, but a stream that
            # nobody reads must not keep the other waiting for ever, nor the lease.
            with trio.move_on_after(self._heartbeat):
                await self._receiver.drained()

    async def _poll(self, wait: float) -> bytes:
        self._last_sign = trio.current_time()
        return await self._http().request(
            "POST",
            f"/jobs/{self._job_id}/follow",
            json=self._receiver.position(wait=wait),
            timeout=wait + 30.0,
        )

    async def _show_life(self) -> None:
        """Renew the owner's lease while nothing else does: between connections, or while a sink is stuck."""
        while self._owner:
            due = self._last_sign + 1.5 * self._heartbeat
            if trio.current_time() < due:
                await trio.sleep_until(due)
                continue
            self._last_sign = trio.current_time()
            try:
                await self._http().request("POST", f"/jobs/{self._job_id}/client_heartbeat", timeout=10.0)
            except DffmpegError as error:
                # Whether it matters is found out where the job is followed.
                self._note(f"job {self._job_id}: no sign of life could be given: {error}")


def _run_position(position: Position) -> bytes:
    return b'{"position":' + codec.encode(position) + b"}"
