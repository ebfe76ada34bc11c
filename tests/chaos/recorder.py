"""The program that workers run in these clusters; started by its file name, with the standard library only.

It notes its begin and its end in a file that all of them share, each as one line that is on the disk before
it goes on. `recorder short KEY SECONDS EXIT_CODE` is all that there is to a short job. With other arguments
it is ffmpeg, and runs the real one; `-metadata chaos=KEY` is for itself, and makes it take note.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

LEDGER = "CHAOS_LEDGER"
WORKER = "CHAOS_WORKER"
FFMPEG = "CHAOS_FFMPEG"
"""The variables that a worker gives it: the file, its own name, the real program."""

MARK = "chaos="


def note(key: str, **values: object) -> None:
    """A line of the ledger."""
    line = {"key": key, "worker": os.environ[WORKER], "pid": os.getpid(), "at": time.time(), **values}
    # One write to a file that is appended to: lines of several never mix.
    descriptor = os.open(os.environ[LEDGER], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(descriptor, json.dumps(line).encode() + b"\n")
    os.fsync(descriptor)
    os.close(descriptor)


def short(key: str, seconds: str, exit_code: str) -> int:
    """Take so many seconds, say the key, and end so."""
    note(key, event="begin")
    time.sleep(float(seconds))
    print(key, flush=True)
    note(key, event="end", exit_code=int(exit_code))
    return int(exit_code)


def ffmpeg(arguments: list[str]) -> int:
    """The real program, noted if it is a job of ours; a worker that only asks what it can gets its answer."""
    program = os.environ[FFMPEG]
    marks = [position for position, argument in enumerate(arguments) if argument.startswith(MARK)]
    if not marks:
        os.execv(program, [program, *arguments])
    key = arguments[marks[0]].removeprefix(MARK)
    note(key, event="begin")
    # Without the mark and the option before it: it would be in the output.
    ended = subprocess.run([program, *arguments[: marks[0] - 1], *arguments[marks[0] + 1 :]], check=False)
    note(key, event="end", exit_code=ended.returncode)
    return ended.returncode


if __name__ == "__main__":
    if sys.argv[1:2] == ["short"]:
        sys.exit(short(*sys.argv[2:]))
    sys.exit(ffmpeg(sys.argv[1:]))
