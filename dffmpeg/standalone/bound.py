"""Run a program that the kernel kills when its parent dies: `python bound.py PARENT_PID PROGRAM ARGUMENT...`.

Started by its file name, with nothing but the standard library. It becomes the
program (`execv`), so that the process, its id and its command line are the
program's own. PR_SET_PDEATHSIG (prctl(2)) survives execve(2). It belongs to the
parent's thread, not to its process: the parent must start this from a thread
that lives as long as itself, its main thread.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask the kernel for the signal, then become the program."""
    parent, program = int(sys.argv[1]), sys.argv[2:]
    libc = ctypes.CDLL(None, use_errno=True)
    # SIGKILL: a worker answers SIGTERM by letting its jobs end, for which nobody waits any more.
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    # It may have died before the kernel was asked.
    if os.getppid() != parent:
        sys.exit(1)
    os.execv(program[0], program)  # noqa: S606 - there is no shell on purpose


if __name__ == "__main__":
    main()
