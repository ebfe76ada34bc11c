"""What the kernel tells of a process and its children: processor time, whether they are stopped, files."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

MOST = 1000
"""Processes of one program that are looked at."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Of a process and all below it.

    Attributes:
        ticks: processor time, in the kernel's unit, proc(5).
        stopped: whether all of them are stopped by a signal.
    """

    ticks: int
    stopped: bool


def usage(pid: int) -> Usage:
    """What is so of a process now; one that is gone has used nothing, and is not stopped."""
    ticks = 0
    states: list[bytes] = []
    for process in _family(pid):
        try:
            with open(f"/proc/{process}/stat", "rb") as file:
                # The name, in parentheses, may hold anything.
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        states.append(fields[0])
        # utime, stime, and those of children that were waited for.
        ticks += sum(int(field) for field in fields[11:15])
    return Usage(ticks, bool(states) and all(state in (b"T", b"t") for state in states))


def written(pid: int) -> set[tuple[int, int]]:
    """Device and inode of the regular files that a process, or one below it, has open for writing now."""
    found: set[tuple[int, int]] = set()
    for process in _family(pid):
        with contextlib.suppress(OSError):
            for number in os.listdir(f"/proc/{process}/fd"):
                with contextlib.suppress(OSError):
                    found |= _if_written(process, number)
    return found


def _if_written(process: int, number: str) -> set[tuple[int, int]]:
    with open(f"/proc/{process}/fdinfo/{number}", "rb") as file:
        flags = next(int(line.split()[1], 8) for line in file if line.startswith(b"flags:"))
    if flags & os.O_ACCMODE == os.O_RDONLY:
        return set()
    # What is open, whatever name it has in the program's own view of the files.
    status = os.stat(f"/proc/{process}/fd/{number}")
    return {(status.st_dev, status.st_ino)} if stat.S_ISREG(status.st_mode) else set()


def _family(pid: int) -> Iterator[int]:
    """A process and all below it, the first ones first."""
    waiting = [pid]
    for _ in range(MOST):
        if not waiting:
            return
        process = waiting.pop()
        yield process
        with contextlib.suppress(OSError):
            waiting += _children(process)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for thread in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                found += map(int, file.read().split())
        except OSError:
            # The thread has ended, or the kernel does not tell.
            continue
    return found
