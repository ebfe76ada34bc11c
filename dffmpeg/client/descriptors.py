"""Writing to file descriptors that we share with whoever started us."""

from __future__ import annotations

import os
import select

import trio


class Descriptor:
    """A sink for bytes behind an inherited file descriptor, such as standard output.

    O_NONBLOCK belongs to the open file description, not to the descriptor: set on an
    inherited one, it would change the caller's own terminal or pipe under its hands, and
    stay set after we are gone. So the descriptor is left as it is, and a thread waits in write(2).
    """

    def __init__(self, number: int) -> None:
        self.number = number

    async def write(self, data: bytes) -> None:
        """Write all of it; waits as long as the reader does not read.

        When this is cancelled the thread is left behind, with an unknown part written:
        only for one who is about to exit.

        Raises:
            OSError: what write(2) says: nobody reads (BrokenPipeError), no space, closed.
        """
        await trio.to_thread.run_sync(_write_all, self.number, data, abandon_on_cancel=True)


def _write_all(number: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(number, view) :]
        except BlockingIOError:
            # Whoever shares it made it non-blocking; then we have to wait by ourselves.
            poll = select.poll()
            poll.register(number, select.POLLOUT)
            poll.poll()
