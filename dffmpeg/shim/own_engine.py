"""An engine of the shim's own, where no agent does the work: the whole client, in a process beside it.

Not in the shim's process, so that it goes on when that is stopped or killed, which nobody can catch: it sees
what happened, and does the same to the program.
"""

from __future__ import annotations

import os
import sys

from dffmpeg.shim import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket

    from dffmpeg.shim.signals import Signals

NAME = b"dffmpeg-engine"
"""By which it is told from the stand-in: who stops all of those by their name leaves it alone."""


class OwnEngine:
    """An engine for one call. It ends by itself when its socket is closed and the job is dealt with.

    Args:
        config: absolute path of the configuration.
        caught: the caller's signals, which are not the engine's.

    Attributes:
        socket: our end of the connection to it; whoever runs a call over it closes it.

    Raises:
        OSError: there can be no process.
    """

    def __init__(self, config: str, caught: Signals) -> None:
        import socket

        self.socket, theirs = socket.socketpair()
        shim = os.getpid()
        # A signal that comes between the two halves is the shim's alone.
        mask = signals.block()
        try:
            self._pid = os.fork()
        except OSError:
            signals.unblock(mask)
            self.socket.close()
            theirs.close()
            raise
        if not self._pid:
            _become_engine(config, theirs, shim, caught, mask)
        signals.unblock(mask)
        theirs.close()

    def end(self) -> None:
        """Have it gone at once; nothing is left for it to do."""
        try:
            os.kill(self._pid, signals.KILL)
            os.waitpid(self._pid, 0)
        except (ProcessLookupError, ChildProcessError):
            # Who ignores SIGCHLD has no children to wait for.
            return


def _become_engine(config: str, connection: socket, shim: int, caught: Signals, mask: set[int]) -> None:
    """Never returns."""
    try:
        # No terminal's signals, and no process group's.
        os.setsid()
        caught.close()
        signals.unblock(mask)
        descriptor = _keep_only(connection.detach())
        os.chdir("/")
        _tell_name()
        _serve(config, descriptor, shim)
    finally:
        # What the shim would do at its end is not for us to do.
        os._exit(0)


def _keep_only(kept: int) -> int:
    """Close every other descriptor: whoever reads what the shim writes waits until the last one is closed."""
    kept = os.dup(kept) if kept < 3 else kept
    for name in os.listdir("/proc/self/fd"):
        if int(name) != kept:
            try:  # noqa: SIM105 - contextlib takes long to import
                os.close(int(name))
            except OSError:
                # That of the list itself.
                pass
    for _ in range(3):
        os.open(os.devnull, os.O_RDWR)
    return kept


def _tell_name() -> None:
    try:
        with open("/proc/self/comm", "wb") as file:
            file.write(NAME)
    except OSError:
        # It is only a name.
        return


def _serve(config: str, descriptor: int, shim: int) -> None:
    import gc

    # Nothing of what is loaded becomes garbage, and looking for that takes long.
    gc.disable()
    if "site" not in sys.modules:
        # Stand-ins run without it; its folders hold what the client is made of.
        import site

        site.main()
    import socket

    from dffmpeg.client.engine.own_process import run

    gc.enable()
    run(config, socket.socket(fileno=descriptor), shim)
