"""Where the shim finds its agent, and how it knows that it is its own user's."""

from __future__ import annotations

import _socket
import os
import stat
import sys
from struct import Struct
from zlib import crc32

import dffmpeg
from dffmpeg.shim import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket

PACKAGE_PARENT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ACTIVATED = "agent.sock"
"""The name of the socket that an init system listens on; whoever stands behind it checks the identity."""
_CREDENTIALS = Struct("3i")
_LONGEST = 107
"""Bytes of a Unix socket's path, unix(7)."""
_PASSED_ON = (
    b"HOME", b"PATH", b"LANG", b"LC_ALL", b"TZ", b"XDG_RUNTIME_DIR", b"XDG_CONFIG_HOME", b"XDG_STATE_HOME",
    b"SSL_CERT_FILE", b"SSL_CERT_DIR",
)  # fmt: skip
_AGENT = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from dffmpeg.client.agent.main import started_by_shim; started_by_shim()"
)


STARTING = ".starting"
"""Behind the socket's name: as old as the last start of an agent; of the future where none is wanted."""
_PATIENCE = 10.0
"""Seconds that an agent may take to start."""


class Unsafe(Exception):
    """The place where sockets should be is not ours alone."""


def identity(config: str) -> str:
    """What an agent must agree with us in: version and place of the program, and the configuration as it is.

    Raises:
        OSError: there is no such configuration.
    """
    found = os.stat(config)
    text = "\0".join(
        [
            wire.PROTOCOL.decode(),
            PACKAGE_PARENT,
            os.path.abspath(config),
            str(found.st_mtime_ns),
            str(found.st_size),
            str(found.st_ino),
        ]
    )
    data = os.fsencode(text)
    return f"{dffmpeg.__version__}-{crc32(data):08x}{crc32(data[::-1]):08x}"


def directory() -> str:
    """The folder of this user's sockets, which is made where it is missing.

    Raises:
        Unsafe: somebody else could have put something there.
        OSError: it cannot be made.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    uid = os.geteuid()
    # A folder that was inherited through su(1) is another user's.
    usable = os.path.isabs(runtime) and os.path.isdir(runtime) and os.stat(runtime).st_uid == uid
    path = os.path.join(runtime, "dffmpeg") if usable else f"/tmp/dffmpeg-{uid}"  # noqa: S108
    try:  # noqa: SIM105 - contextlib takes long to import
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid or stat.S_IMODE(found.st_mode) != 0o700:
        raise Unsafe(f"{path}: must be a directory of mode 700 that belongs to user {uid}")
    return path


def socket_path(config: str) -> str:
    """Where an agent for this configuration listens.

    Raises:
        Unsafe, OSError: as `directory` and `identity`.
    """
    path = f"{directory()}/{identity(config)}.sock"
    if len(os.fsencode(path)) > _LONGEST:
        raise Unsafe(f"{path}: too long for a socket")
    return path


def connect(path: str) -> socket | None:
    """A connection to a running agent of our own; None if there is none."""
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    try:
        connection.connect(path)
        if peer(connection) == os.geteuid():
            return connection  # type: ignore[return-value]
    except OSError:
        # It is not there, it is ending, or more callers wait than it takes.
        pass
    connection.close()
    return None


def peer(connection: _socket.socket) -> int:
    """The user on the other side."""
    option = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(option)[1])


def start_agent(config: str, path: str) -> None:
    """Start an agent for the calls to come, unless another call just did; nobody waits for it.

    Args:
        path: where it is going to listen.

    Raises:
        OSError: no process can be started.
    """
    if not _our_turn(path + STARTING):
        return
    environment = {name: os.environb[name] for name in _PASSED_ON if name in os.environb}
    arguments = [sys.executable, "-I", "-c", _AGENT, PACKAGE_PARENT, config]
    null = [(os.POSIX_SPAWN_OPEN, number, "/dev/null", os.O_RDWR, 0) for number in (0, 1, 2)]
    # Signals that the caller ignores are ignored by the agent too, unless they are set anew.
    os.posix_spawn(
        sys.executable,
        arguments,
        environment,
        file_actions=null,
        setsid=True,
        setsigdef=[1, 2, 3, 13, 15, 25],
    )


def _our_turn(marker: str) -> bool:
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        os.close(os.open(marker, flags | os.O_EXCL, 0o600))
    except FileExistsError:
        import time

        if time.time() - os.stat(marker).st_mtime < _PATIENCE:
            return False
        os.utime(marker)
    return True
