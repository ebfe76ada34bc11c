"""What the shim's process does: what it says, that it is stopped, that it is gone."""

from __future__ import annotations

import signal

import trio

from dffmpeg.client.engine.port import Port, ShimGone
from dffmpeg.client.engine.relay import Relay
from dffmpeg.shim import wire
from dffmpeg.wire import control

__all__ = ["Caller", "ShimGone"]

LOOK_SECONDS = 0.1
"""Between two looks at whether the shim's process is stopped: SIGSTOP cannot be caught, only seen."""


class Caller:
    """One shim, as its engine sees it.

    Attributes:
        unwanted: it does not want its job any more.
        gone: its end of the socket is closed.
    """

    def __init__(self, port: Port, relay: Relay, pid: int) -> None:
        self.unwanted = trio.Event()
        self.gone = trio.Event()
        self._port = port
        self._relay = relay
        self._pid = pid
        self._stopped = False
        self._stopped_by_us = False

    async def listen(self) -> None:
        """Take what it says, until it is gone; a shim that was killed takes its program along."""
        said_goodbye = False
        async for header, payload in self._port.frames():
            said_goodbye = header[0] == wire.GOODBYE
            await self._heed(header, payload)
        if not said_goodbye:
            self._relay.discard()
            if self._relay.ran:
                await self._relay.add_record(control.encode(control.Signal(signal.SIGKILL)))
            else:
                self.unwanted.set()
        else:
            self._relay.discard()
        self.gone.set()

    async def _heed(self, header: tuple[int, ...], payload: bytes) -> None:
        kind, flags, descriptor, attempt, offset, _, _ = header
        if kind == wire.INPUT:
            frame = wire.frame(
                kind, payload, flags=flags, descriptor=descriptor, attempt=attempt, offset=offset
            )
            await self._relay.add_input(frame)
        elif kind == wire.ACK:
            self._relay.acknowledge(descriptor, attempt, offset)
        elif kind == wire.RECORD:
            for record in control.decode_all(payload):
                self._remember(record)
            await self._relay.add_record(payload)
        elif kind == wire.CANCEL:
            self.unwanted.set()

    def _remember(self, record: control.Record) -> None:
        if isinstance(record, control.Signal):
            if record.number in (signal.SIGTSTP, signal.SIGSTOP):
                self._stopped = True
            elif record.number == signal.SIGCONT:
                self._stopped = self._stopped_by_us = False

    async def watch_stops(self) -> None:
        """Stop and continue the program as the shim's process is."""
        while True:
            await trio.sleep(LOOK_SECONDS)
            if not self._relay.ran:
                continue
            stopped = _is_stopped(self._pid)
            if stopped and not self._stopped:
                self._stopped = self._stopped_by_us = True
                await self._relay.add_record(control.encode(control.Signal(signal.SIGSTOP)))
            elif not stopped and self._stopped_by_us:
                self._stopped = self._stopped_by_us = False
                await self._relay.add_record(control.encode(control.Signal(signal.SIGCONT)))


def _is_stopped(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except OSError:
        # It is gone, and its socket tells so.
        return False
    # The name before may hold anything, also brackets.
    return text.rpartition(b")")[2].split()[0] in (b"T", b"t")
