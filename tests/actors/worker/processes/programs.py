"""Small programs for the tests of processes, and what they say."""

from __future__ import annotations

import os
import sys
from typing import Any

import trio

from dffmpeg.actors.worker.processes.actor import Exit, Processes, RunningProcess
from dffmpeg.actors.worker.processes.launches import Command, Descriptor

PYTHON = os.fsencode(sys.executable)
SH = b"/bin/sh"
OUT = Descriptor(1, "pipe", "out")


def python(code: str, *arguments: bytes, **more: Any) -> Command:
    return Command(PYTHON, (b"-I", b"-S", b"-c", code.encode(), *arguments), **more)


def sh(code: str, *arguments: bytes, **more: Any) -> Command:
    return Command(SH, (b"-c", code.encode(), b"sh", *arguments), **more)


async def read(process: RunningProcess, number: int = 1) -> bytes:
    data = b""
    with trio.fail_after(60):
        while more := await process.outputs[number].receive_some(65536):
            data += more
    return data


async def read_until(process: RunningProcess, end: bytes, number: int = 1) -> bytes:
    data = b""
    with trio.fail_after(60):
        while end not in data:
            more = await process.outputs[number].receive_some(65536)
            assert more, data
            data += more
    return data


async def run(processes: Processes, command: Command) -> tuple[Exit, bytes]:
    with trio.fail_after(60):
        async with processes.running(command) as process:
            data = await read(process)
            await process.exited.wait()
            return process.exit, data


OPEN = """
import json, os
found = {}
for name in os.listdir('/proc/self/fd'):
    try:
        found[name] = os.readlink('/proc/self/fd/' + name)
    except OSError:
        pass
print(json.dumps(found), file=open(1, 'w', closefd=False), flush=True)
"""


TTY = (Descriptor(0, "terminal"), Descriptor(1, "terminal"), Descriptor(2, "same", of=1))
