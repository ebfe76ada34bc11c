"""Looks whether directories answer. Started as a program of its own, with `python -I -S`.

It reads lines from standard input, `7 2f6d6e74 6d61726b6572 w`: a number, a directory, a file in it to be
read and whether one is to be written; names in hexadecimal, `-` for none. Each look is a child of its own,
because a file system whose server is gone can hold a process for ever, also against SIGKILL. `7 pid 4711`
says which child it is; the child says `7 ok`, or `7 no 116 directory`: the error's number and what failed.
`0 mounts` says that something was mounted or unmounted. This process itself touches no file system, so it
always answers. Nothing but the standard library, and
little of it: forking it has to be cheap.
"""

import contextlib
import errno
import os
import select
import signal
import sys

_READ_BYTES = 65536


class Failed(Exception):
    """A step of a look; args are the error's number and the step."""


def look(path: bytes, read: bytes | None, write: bool) -> None:
    """Look at a directory; hangs as long as that does.

    Raises:
        Failed: it is not as it should be.
    """
    step = "directory"
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # The one question that no cache answers.
            os.fstatvfs(folder)
        except OSError as error:
            if error.errno != errno.ENOSYS:
                raise
        with os.scandir(folder) as entries:
            next(entries, None)
        if read is not None:
            step = "read"
            file = os.open(read, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=folder)
            os.read(file, 4096)
        if write:
            step = "write"
            # One name for each machine, so that one which was left behind is used again.
            name = f".dffmpeg-{os.uname().nodename}"
            flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            file = os.open(name, flags, 0o600, dir_fd=folder)
            os.write(file, b"dffmpeg\n")
            os.fsync(file)
            # Another worker of this machine may be faster.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
    except OSError as error:
        raise Failed(error.errno or 0, step) from error


def answer(words: list[bytes]) -> str:
    """What a look says, of the line that asked for it."""
    _, path, read, write = words
    try:
        look(
            bytes.fromhex(path.decode()),
            None if read == b"-" else bytes.fromhex(read.decode()),
            write == b"w",
        )
    except Failed as failure:
        number, step = failure.args
        return f"no {number} {step}"
    return "ok"


def serve(line: bytes) -> None:
    """Start a look, and say which process it is."""
    words = line.split()
    number = int(words[0])
    try:
        child = os.fork()
    except OSError as error:
        os.write(1, f"{number} no {error.errno} fork\n".encode())
        return
    if child == 0:
        code = 1
        try:
            os.write(1, f"{number} {answer(words)}\n".encode())
            code = 0
        finally:
            os._exit(code)
    os.write(1, f"{number} pid {child}\n".encode())


def main() -> None:
    """Serve until the worker closes its end."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # Nobody waits for the children.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    table = os.open("/proc/self/mountinfo", os.O_RDONLY | os.O_CLOEXEC)
    poll = select.poll()
    poll.register(0, select.POLLIN)
    poll.register(table, select.POLLPRI)
    rest = b""
    while True:
        ready = {number for number, _ in poll.poll()}
        if table in ready:
            os.write(1, b"0 mounts\n")
        if 0 in ready:
            data = os.read(0, _READ_BYTES)
            if not data:
                return
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                serve(line)


if __name__ == "__main__":
    main()
    sys.exit(0)
