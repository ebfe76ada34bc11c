"""An attempt's process actor: what its caller does to the program, and how it is ended."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, cast

import pytest
import trio

from dffmpeg.actors.runtime import Actor, ActorRef
from dffmpeg.actors.worker.attempts.ffmpeg import FFmpegMessage, FFmpegProcessActor
from dffmpeg.actors.worker.attempts.messages import Cancel, Control, Delivered, Ended, Opened
from dffmpeg.actors.worker.processes.actor import Processes, RunningProcess
from dffmpeg.actors.worker.processes.launches import Command, Descriptor
from dffmpeg.actors.worker.uplink import Uplink
from dffmpeg.configuration.worker import Cancel as Steps
from dffmpeg.supervisors import AutoShutdown, ChildSpec, Restart, Supervisor, open_tree
from dffmpeg.wire import control
from dffmpeg.wire.jobs import FinishReport
from dffmpeg.wire.workers import AttemptRef
from tests.actors.worker.processes.programs import TTY, python, read_until, sh


class Reports:
    """The part of an uplink that a process's end takes."""

    def __init__(self) -> None:
        self.report: FinishReport | None = None

    async def finish(self, job_id: str, report: FinishReport) -> None:
        self.report = report


class Neighbour(Actor[Any]):
    """Stands where the output and the attempts do: keeps what it is told, and says that all was delivered."""

    def __init__(self, told: trio.MemorySendChannel[Any], process: ActorRef[FFmpegMessage]) -> None:
        self._told = told
        self._process = process

    async def handle(self, message: Any) -> None:
        await self._told.send(message)
        if isinstance(message, Ended):
            await self._process.tell(Delivered({1: 0, 2: 0}))


class Attempt:
    """A running attempt, its actor, and what was reported in the end."""

    def __init__(self, process: RunningProcess, actor: ActorRef[FFmpegMessage], reports: Reports) -> None:
        self.process = process
        self.actor = actor
        self._reports = reports
        self.over = trio.Event()

    async def control(self, *records: control.Record) -> None:
        for record in records:
            await self.actor.tell(Control(record))

    async def stopped(self) -> None:
        await trio.to_thread.run_sync(
            partial(os.waitid, os.P_PID, self.process.pid, os.WSTOPPED | os.WNOWAIT)
        )

    async def report(self) -> FinishReport:
        with trio.fail_after(60):
            await self.over.wait()
        assert self._reports.report is not None
        return self._reports.report


@asynccontextmanager
async def attempt(command: Command, steps: Steps | None = None) -> AsyncIterator[Attempt]:
    send, receive = trio.open_memory_channel[Any](16)
    reports = Reports()
    processes = Processes()
    actor: ActorRef[FFmpegMessage] = ActorRef.unbound("process", 16)
    neighbour: ActorRef[Any] = ActorRef.unbound("neighbour", 16)
    make = partial(
        FFmpegProcessActor,
        AttemptRef(job_id="J", attempt=1),
        command,
        cast(Uplink, reports),
        processes,
        output=neighbour,
        attempts=neighbour,
        steps=steps or Steps(interrupt=1000.0, terminate=1000.0),
    )
    children = [
        ChildSpec("neighbour", partial(Neighbour, send, actor), ref=neighbour),
        ChildSpec("process", make, Restart.TRANSIENT, 3.0, significant=True, ref=actor),
    ]
    root = Supervisor(children, auto_shutdown=AutoShutdown.ANY_SIGNIFICANT)
    async with processes.open(), open_tree(root, name="attempt") as tree, trio.open_nursery() as nursery:
        opened = await receive.receive()
        assert isinstance(opened, Opened)
        running = Attempt(opened.process, actor, reports)

        async def wait() -> None:
            await tree.wait()
            running.over.set()

        nursery.start_soon(wait)
        yield running
        nursery.cancel_scope.cancel()


LOOP = "while :; do sleep 0.05; done"


# A shell would not do: while it starts something it cannot be stopped, vfork(2).
PATIENT = """
import os, signal
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, HANDLER)
reader, writer = os.pipe2(os.O_NONBLOCK)
# A signal may come just before the wait, and must end it all the same.
signal.set_wakeup_fd(writer)
os.set_blocking(reader, True)
print("ready", flush=True)
while True:
    os.read(reader, 1)
"""


async def test_signals_of_the_caller() -> None:
    async with attempt(sh(f"trap 'echo int' INT; trap 'exit 7' TERM; echo ready; {LOOP}")) as running:
        await read_until(running.process, b"ready\n")
        await running.control(control.Signal(signal.SIGINT))
        await read_until(running.process, b"int\n")
        await running.control(control.Signal(255), control.Signal(signal.SIGTERM))
        report = await running.report()
    # What the program does on a signal is its own affair: this was no cancelation.
    assert (report.status, report.exit_code, report.signal) == ("failed", 7, None)


COUNTING = """
import os, signal
reader, writer = os.pipe2(os.O_NONBLOCK)
signal.set_wakeup_fd(writer)
signal.signal(signal.SIGINT, lambda *_: None)
os.set_blocking(reader, True)
print("ready", flush=True)
for _ in range(20):
    os.read(reader, 1)
"""
"""Ends when so many signals were delivered; those that the kernel merged never are."""


async def test_signals_in_quick_succession_are_all_delivered() -> None:
    command = Command(os.fsencode(sys.executable), (b"-c", COUNTING.encode()))
    async with attempt(command) as running:
        await read_until(running.process, b"ready\n")
        await running.control(*[control.Signal(signal.SIGINT)] * 20)
        assert (await running.report()).exit_code == 0


async def test_an_output_that_the_caller_closed() -> None:
    async with attempt(sh("while echo x; do :; done")) as running:
        await read_until(running.process, b"x")
        await running.control(control.Closed(9), control.Closed(1))
        report = await running.report()
    assert (report.status, report.signal) == ("failed", signal.SIGPIPE)


async def test_a_terminal_that_grows() -> None:
    code = f"trap 'stty size; exit 0' WINCH; stty size; {LOOP}"
    async with attempt(sh(code, descriptors=TTY, terminal_size=(24, 80))) as running:
        await read_until(running.process, b"24 80\n")
        await running.control(control.Size(50, 132))
        await read_until(running.process, b"50 132\n")
        assert (await running.report()).status == "completed"


PATIENCE = Steps(interrupt=1000.0, terminate=1000.0)
EXITS, IGNORES = "lambda *_: os._exit(3)", "signal.SIG_IGN"


@pytest.mark.parametrize(
    ("handler", "cancels", "steps", "expected"),
    [
        (EXITS, [Cancel()], PATIENCE, (3, None)),
        (IGNORES, [Cancel()], Steps(interrupt=0.05, terminate=0.05), (None, signal.SIGKILL)),
        (IGNORES, [Cancel(), Cancel(kill=True)], PATIENCE, (None, signal.SIGKILL)),
        (IGNORES, [Cancel(kill=True), Cancel()], PATIENCE, (None, signal.SIGKILL)),
    ],
)
async def test_what_was_stopped_can_be_ended(
    handler: str, cancels: Sequence[Cancel], steps: Steps, expected: tuple[int | None, int | None]
) -> None:
    async with attempt(python(PATIENT.replace("HANDLER", handler)), steps) as running:
        await read_until(running.process, b"ready\n")
        await running.control(control.Signal(signal.SIGTSTP))
        await running.stopped()
        for cancel in cancels:
            await running.actor.tell(cancel)
        report = await running.report()
    assert (report.status, (report.exit_code, report.signal)) == ("canceled", expected)


async def test_a_program_with_nothing_to_read_or_write(tmp_path: Any) -> None:
    made = tmp_path / "made"
    descriptors = (Descriptor(0, "closed"), Descriptor(1, "null"), Descriptor(2, "null"))
    async with attempt(sh('echo x > "$1"', os.fsencode(made), descriptors=descriptors)) as running:
        assert (running.process.outputs, running.process.inputs) == ({}, {})
        assert (await running.report()).status == "completed"
    assert made.exists()
