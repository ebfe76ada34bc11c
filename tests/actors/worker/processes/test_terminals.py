"""What a program finds whose descriptors are a terminal."""

from __future__ import annotations

import signal
from collections.abc import Sequence

import pytest
import trio

from dffmpeg.actors.worker.processes.actor import Exit, Processes
from dffmpeg.actors.worker.processes.launches import Descriptor
from tests.actors.worker.processes.programs import OUT, TTY, python, read, read_until, sh


async def test_a_terminal_has_its_size_and_is_the_controlling_one(processes: Processes) -> None:
    code = (
        "import os; size = os.get_terminal_size(0); names = {os.ttyname(n) for n in (0, 1, 2)};"
        "tty = os.open('/dev/tty', os.O_RDWR);"
        "leads = os.tcgetpgrp(tty) == os.getpgrp() == os.getpid();"
        "os.write(1, b'%d %d %d %d\\n' % (*size, len(names), leads))"
    )
    async with processes.running(python(code, descriptors=TTY, terminal_size=(31, 97))) as process:
        assert (sorted(process.outputs), sorted(process.inputs)) == ([1], [0])
        # No carriage return: it is the caller's terminal that makes lines.
        assert await read(process) == b"97 31 1 1\n"
        await process.exited.wait()
        assert process.exit == Exit(code=0)


async def test_a_terminal_that_changes_its_size(processes: Processes) -> None:
    code = (
        "import os, signal; changed = {signal.SIGWINCH}; signal.pthread_sigmask(signal.SIG_BLOCK, changed);"
        "print('ready', flush=True); signal.sigwait(changed); print(*os.get_terminal_size(0))"
    )
    async with processes.running(python(code, descriptors=TTY, terminal_size=(24, 80))) as process:
        await read_until(process, b"ready\n")
        process.resize(50, 132)
        assert b"132 50" in await read(process)


async def test_what_is_typed_and_its_end(processes: Processes) -> None:
    async with processes.running(sh("cat; echo over", descriptors=TTY)) as process:
        await process.inputs[0].send_all(b"line\npart")
        # Echoed as on any terminal, then said by cat.
        await read_until(process, b"line\npartline\n")
        await process.end_input(0)
        assert b"part" in await read_until(process, b"over\n")
        await process.exited.wait()
        assert process.exit == Exit(code=0)


async def test_an_end_is_no_key_for_a_program_that_reads_keys(processes: Processes) -> None:
    async with processes.running(
        sh("stty -icanon -echo; echo ready; dd bs=1 count=1 2>/dev/null; echo over", descriptors=TTY)
    ) as process:
        await read_until(process, b"ready\n")
        await process.end_input(0)
        await process.inputs[0].send_all(b"q")
        assert await read(process) == b"qover\n"


async def test_closing_the_terminal_hangs_up(processes: Processes) -> None:
    async with processes.running(sh("echo ready; sleep 1000", descriptors=TTY)) as process:
        await read_until(process, b"ready\n")
        await process.close_output(1)
        process.resize(1, 1)
        with trio.fail_after(60):
            await process.exited.wait()
        assert process.exit == Exit(signal=signal.SIGHUP)


@pytest.mark.parametrize(
    ("terminals", "output", "inputs"), [((0,), 0, [0]), ((1, 2), 1, [0]), ((2,), 2, [0]), ((5, 0), 5, [0])]
)
async def test_where_the_terminal_stands(
    processes: Processes, terminals: Sequence[int], output: int, inputs: list[int]
) -> None:
    kinds: dict[int, Descriptor] = {
        0: Descriptor(0, "pipe", "in"),
        1: OUT,
        2: Descriptor(2, "pipe", "out"),
    }
    kinds |= {number: Descriptor(number, "terminal") for number in terminals}
    descriptors = tuple(kinds[number] for number in sorted(kinds))
    words = "; ".join(f"[ -t {number} ] && echo {number}" for number in range(8))
    async with processes.running(sh(f"({words}; :) >&{output}", descriptors=descriptors)) as process:
        assert sorted(process.inputs) == inputs
        data = await read(process, output)
        if 0 not in terminals:
            await process.end_input(0)
    # What the redirection changed is a terminal too, when it went to one.
    assert set(map(int, data.split())) - {1} == set(terminals) - {1}
