"""The agent's socket: made here, or handed over by an init system."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dffmpeg.errors import DffmpegError
from dffmpeg.shim import rendezvous

BACKLOG = 128
_FIRST_PASSED = 3
"""Where an init system puts what it hands over, sd_listen_fds(3)."""


class AlreadyRunning(DffmpegError):
    """Another agent of this user has the same configuration."""


@contextmanager
def listening(config: Path) -> Iterator[socket.socket]:
    """A listening socket around a block; what was made for it is removed at the end.

    Raises:
        AlreadyRunning: as it says.
        DffmpegError: the place for it is not safe, or it cannot be made.
    """
    passed = _passed()
    if passed is not None:
        with passed:
            yield passed
        return
    try:
        path = rendezvous.socket_path(str(config))
    except (rendezvous.Unsafe, OSError) as error:
        raise DffmpegError(f"no place for a socket: {error}") from None
    # The lock goes with its holder, however that ends; what it left at `path` is replaced.
    with open(f"{path.removesuffix('.sock')}.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(f"an agent for {config} is running") from None
        with socket.socket(socket.AF_UNIX) as listener:
            temporary = os.path.join(os.path.dirname(path), f".{os.getpid()}")
            listener.bind(temporary)
            os.chmod(temporary, 0o600)
            listener.listen(BACKLOG)
            # From its first moment on whoever finds it is answered.
            os.rename(temporary, path)
            Path(path + rendezvous.STARTING).unlink(missing_ok=True)
            try:
                yield listener
            finally:
                os.unlink(path)


def _passed() -> socket.socket | None:
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS") != "1":
        return None
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        os.environ.pop(name, None)
    return socket.socket(fileno=_FIRST_PASSED)
