"""Standard output and standard error as sinks for a job's streams."""

from __future__ import annotations

import errno
import signal

from dffmpeg.client import endings
from dffmpeg.client.api import Sink
from dffmpeg.client.descriptors import Descriptor
from dffmpeg.client.endings import Ending
from dffmpeg.errors import DffmpegError


class StdoutClosed(DffmpegError):
    """Standard output cannot be written any more."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"standard output: {error.strerror or error}")
        self.errno = error.errno

    @property
    def ending(self) -> Ending:
        """Death by SIGPIPE where the reader is gone, as for a local program; else a failure of ours."""
        if self.errno == errno.EPIPE:
            return Ending(signal=signal.SIGPIPE)
        return endings.of_error(self)


def standard_output() -> Sink:
    """Writes to descriptor 1; raises `StdoutClosed` where that fails."""
    descriptor = Descriptor(1)

    async def write(data: bytes) -> None:
        try:
            await descriptor.write(data)
        except OSError as error:
            raise StdoutClosed(error) from error

    return write


def standard_error() -> Sink:
    """Writes to descriptor 2 while there is one: no program ends because nobody reads its messages."""
    descriptor = Descriptor(2)
    usable = True

    async def write(data: bytes) -> None:
        nonlocal usable
        if usable:
            try:
                await descriptor.write(data)
            except OSError:
                usable = False

    return write
