"""The caller's descriptors that the program writes to: nothing here ever waits for a reader."""

from __future__ import annotations

import os
import stat

from dffmpeg.shim.progress import StreamProgress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from dffmpeg.shim.wire import Part

MSG_DONTWAIT = 0x40
SMALL = 4096
"""PIPE_BUF: what poll(2) promises to fit where a descriptor cannot be made non-blocking."""
ACK_BYTES = 128 * 1024
"""Bytes after which an acknowledgement does not wait until all that came is written."""

EAGAIN = 11
EPIPE = 32
ENXIO = 6


class OutputFailed(Exception):
    """The caller's descriptor cannot be written, for another reason than that nobody reads it."""

    def __init__(self, number: int, error: OSError) -> None:
        name = {1: "standard output", 2: "standard error"}.get(number, f"descriptor {number}")
        super().__init__(f"{name}: {error.strerror or error}")


class Output:
    """One output: what came and is not written, and how far it is.

    Args:
        number: the descriptor, as the program and the caller know it.
        repeats: whether a new attempt must begin with the bytes that were written of the older one.

    Attributes:
        written: the offset behind the last byte of the current attempt that was written, or dropped
            because nobody reads it.
        broken: nobody reads it; whatever comes is dropped.
    """

    def __init__(self, number: int, *, repeats: bool) -> None:
        self.number = number
        self.progress = StreamProgress(owner=True, repeats=repeats)
        self.written = 0
        self.acked = -1
        self.broken = False
        self.target = number
        self._waiting: list[bytes | memoryview] = []
        self._send: Callable[[bytes | memoryview], int] | None = None
        self._mine = False

    @property
    def waiting(self) -> bool:
        """Whether something is to be written as soon as there is room."""
        return bool(self._waiting)

    @property
    def due(self) -> bool:
        """Whether there is something to acknowledge."""
        written = self.written - max(self.acked, 0)
        return written >= ACK_BYTES or (self.written != self.acked and not self._waiting)

    def begin(self, attempt: int) -> None:
        """A new attempt's output starts at 0; what was taken of the older one is still written."""
        self.progress.begin(attempt)
        self.written = 0
        self.acked = -1

    def take(self, part: Part) -> None:
        """Take what is new of a part, and write as much of it as there is room for.

        Raises:
            Missing, Differs: as `StreamProgress.take`.
            OutputFailed: it cannot be written.
        """
        taken = self.progress.take(part.offset, part.payload, part.last and bool(part.flags & 1))
        if taken is None:
            return
        fresh = taken[0]
        if not fresh or self.broken:
            self._count()
            return
        if not self._waiting:
            done = self._write(fresh)
            if done == len(fresh) or self.broken:
                self._count()
                return
            fresh = fresh[done:]
        # The part's own memory is used again for the next one.
        self._waiting.append(bytes(fresh))
        self._count()

    def flush(self) -> None:
        """Write what waits, as far as there is room.

        Raises:
            OutputFailed: it cannot be written.
        """
        while self._waiting:
            first = self._waiting[0]
            done = self._write(first)
            if self.broken:
                return
            if done < len(first):
                self._waiting[0] = memoryview(first)[done:]
                break
            del self._waiting[0]
        self._count()

    def give_up(self) -> None:
        """Nobody reads it any more."""
        self.broken = True
        self._waiting.clear()
        self._count()

    def _count(self) -> None:
        held = sum([len(piece) for piece in self._waiting])
        # What waits may be of an older attempt, whose bytes this one has already repeated.
        self.written = max(self.written, self.progress.taken - held)

    def _write(self, data: bytes | memoryview) -> int:
        done = 0
        try:
            if self._send is None:
                self._send = self._open()
            while done < len(data):
                with memoryview(data)[done:] as rest:
                    done += self._send(rest)
                if not self._mine:
                    break
        except OSError as error:
            if error.errno == EAGAIN:
                return done
            if error.errno not in (EPIPE, ENXIO):
                raise OutputFailed(self.number, error) from error
            self.give_up()
        return done

    def _open(self) -> Callable[[bytes | memoryview], int]:
        """A way to write that does not wait.

        O_NONBLOCK belongs to the open file, which the caller shares: set there it would change the
        caller's own pipe or terminal under its hands. So the pipe is opened once more.
        """
        mode = os.fstat(self.number).st_mode
        if stat.S_ISSOCK(mode):
            return self._socket()
        if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
            flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
            try:
                self.target = os.open(f"/proc/self/fd/{self.number}", flags)
            except PermissionError:
                # Another user's pipe or terminal, which was handed to us open.
                return self._small
            except FileNotFoundError:
                return self._small
        self._mine = True
        return self._plain

    def _plain(self, data: bytes | memoryview) -> int:
        return os.write(self.target, data)

    def _small(self, data: bytes | memoryview) -> int:
        import select

        poll = select.poll()
        poll.register(self.number, select.POLLOUT)
        if not poll.poll(0):
            raise BlockingIOError(EAGAIN, "")
        return os.write(self.number, data[:SMALL])

    def _socket(self) -> Callable[[bytes | memoryview], int]:
        import _socket

        connection = _socket.socket(fileno=os.dup(self.number))
        self._mine = True
        # Python means the blocking kind of socket here, and leaves the file's own flags alone.
        return lambda data: connection.send(data, MSG_DONTWAIT)
