"""Kills what a dead worker left running. Started as a program of its own, with `python -I -S`.

It reads lines from standard input, whose other end only the worker holds: `+123`
names a process group to look after, `-123` one that is gone; `>2f746d702f78` and
`<2f746d702f78` the same for a temporary folder, its name in hexadecimal. When the
worker ends, however it ends, the kernel closes the pipe; every group still named
is then killed, and every folder removed. Nothing but the standard library, and little of it: it has to be
small, quick to start, and right.
"""

import os
import shutil
import signal
import sys
import time

_READ_BYTES = 65536
_REMOVALS = 50
_REMOVAL_SECONDS = 0.1
"""A killed process may still make a file for a moment, so removing its folder may take more than one try."""


def watched(lines: bytes, groups: set[int], folders: set[bytes]) -> bytes:
    """Apply whole lines to `groups` and `folders`; returns the incomplete rest."""
    *complete, rest = lines.split(b"\n")
    for line in complete:
        sign, name = line[:1], line[1:]
        if sign in (b"+", b"-") and name.isdigit() and int(name) > 1:
            (groups.add if sign == b"+" else groups.discard)(int(name))
        elif sign in (b">", b"<"):
            folder = bytes.fromhex(name.decode("ascii"))
            (folders.add if sign == b">" else folders.discard)(folder)
    return rest


def remove(folder: bytes) -> None:
    """Remove a folder and all that is in it, as far as that is possible."""
    for _ in range(_REMOVALS):
        shutil.rmtree(folder, ignore_errors=True)
        if not os.path.lexists(folder):
            return
        time.sleep(_REMOVAL_SECONDS)


def main() -> None:
    """Wait for the worker's end, then kill the groups."""
    # What ends the worker's session or terminal must not end its guardian before it.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    folders: set[bytes] = set()
    rest = b""
    while data := os.read(0, _READ_BYTES):
        rest = watched(rest + data, groups, folders)
    for group in groups:
        try:
            os.killpg(group, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue
    for folder in folders:
        remove(folder)


if __name__ == "__main__":
    main()
    sys.exit(0)
