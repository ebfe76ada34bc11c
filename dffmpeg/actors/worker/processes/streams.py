"""What a running program reads and writes, as streams."""

from __future__ import annotations

import contextlib
import fcntl
import termios
from collections.abc import Mapping

import trio

from dffmpeg.actors.worker.processes.descriptors import Ends

WIDE_BYTES = 1 << 20
"""The size of a pipe through which much is coming."""


class OutputStream(trio.abc.ReceiveStream):
    """What a program writes to one descriptor, or to its terminal. Owns our end."""

    def __init__(self, number: int) -> None:
        self._stream = trio.lowlevel.FdStream(number)
        self._given_up = False

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """What is there; empty at the end, and once nobody wants to read it any more."""
        try:
            return bytes(await self._stream.receive_some(max_bytes))
        except trio.BrokenResourceError:
            # A terminal whose last program has gone says EIO where a pipe ends, pty(7).
            return b""
        except trio.ClosedResourceError:
            if self._given_up:
                return b""
            raise

    def widen(self) -> None:
        """Let the pipe hold `WIDE_BYTES`, so that fewer turns are needed for as much.

        An unprivileged user may only have so much pipe memory (pipe(7)), and a terminal is no
        pipe: what it has is slower, not wrong.
        """
        with contextlib.suppress(OSError):
            fcntl.fcntl(self._stream.fileno(), fcntl.F_SETPIPE_SZ, WIDE_BYTES)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def give_up(self) -> None:
        """Read no more: the program's next write fails, and reading here finds the end."""
        self._given_up = True
        await self._stream.aclose()


class ProcessStreams:
    """All streams of one program. Owns our ends.

    Attributes:
        outputs: by the program's descriptor; a terminal stands under its lowest one that is not 0,
            or 0 if it has no other.
        inputs: by the program's descriptor; 0 if that is a terminal. Writing to what the program
            closed raises `trio.BrokenResourceError`.
    """

    def __init__(self, ends: Ends) -> None:
        self._outputs = {number: OutputStream(ours) for number, ours in ends.outputs.items()}
        self.outputs: Mapping[int, OutputStream] = self._outputs
        self.inputs: Mapping[int, trio.lowlevel.FdStream] = {
            number: trio.lowlevel.FdStream(ours) for number, ours in ends.inputs.items()
        }
        self._terminal = ends.terminal
        self._typed = ends.typed
        self._master = None if ends.terminal is None else ends.outputs[ends.terminal]

    async def end_input(self, number: int) -> None:
        """The program finds the end of this input once it has read what was written before."""
        if not (self._typed and number == 0):
            await self.inputs[number].aclose()
        elif self._master is not None:
            attributes = termios.tcgetattr(self._master)
            if attributes[3] & termios.ICANON:
                # The first ends a line that was begun, the second is the end (termios(3), VEOF).
                # In the other mode there is no end, and the character would be a key.
                await self.inputs[0].send_all(bytes(attributes[6][termios.VEOF]) * 2)

    async def close_output(self, number: int) -> None:
        """Nobody reads this output any more: writing to it fails. A terminal is hung up."""
        if number not in self._outputs:
            return
        if number == self._terminal:
            self._master = None
            if self._typed:
                await self.inputs[0].aclose()
        await self._outputs[number].give_up()

    def resize(self, rows: int, columns: int) -> None:
        """Give the terminal another size; the kernel tells its programs by SIGWINCH."""
        if self._master is not None:
            termios.tcsetwinsize(self._master, (rows, columns))

    async def aclose(self) -> None:
        """Close all that is open."""
        self._master = None
        for stream in (*self.inputs.values(), *self._outputs.values()):
            await stream.aclose()
