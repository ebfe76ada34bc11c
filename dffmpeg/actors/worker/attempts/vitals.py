"""What the kernel tells of a process and its children: processor time, and whether they are stopped."""

from __future__ import annotations

import os
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
    waiting = [pid]
    while waiting and len(states) < MOST:
        process = waiting.pop()
        try:
            with open(f"/proc/{process}/stat", "rb") as file:
                # The name, in parentheses, may hold anything.
                fields = file.read().rpartition(b")")[2].split()
            waiting += _children(process)
        except OSError:
            continue
        states.append(fields[0])
        # utime, stime, and those of children that were waited for.
        ticks += sum(int(field) for field in fields[11:15])
    return Usage(ticks, bool(states) and all(state in (b"T", b"t") for state in states))


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
