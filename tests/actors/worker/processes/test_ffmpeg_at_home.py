"""The real ffmpeg, with a terminal, keys, signals, views: as if it ran where its caller is."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from dffmpeg.actors.worker.attempts.commands import Machine, prepare
from dffmpeg.actors.worker.processes.actor import Exit, Processes, RunningProcess
from dffmpeg.actors.worker.processes.launches import Command, Descriptor
from dffmpeg.wire.jobs import Launch
from dffmpeg.wire.workers import JobRequest
from tests.actors.worker.processes.programs import TTY, read, read_until

pytestmark = pytest.mark.ffmpeg

SOURCE = (b"-f", b"lavfi", b"-i", b"testsrc=size=64x64:rate=10")
ENDLESS = (b"-re", *SOURCE, b"-f", b"null", b"-")
PIPES = (Descriptor(0, "pipe", "in"), Descriptor(1, "pipe", "out"), Descriptor(2, "pipe", "out"))


def ffmpeg() -> bytes:
    found = shutil.which("ffmpeg")
    if found is None:
        pytest.skip("there is no ffmpeg here")
    return os.fsencode(os.path.abspath(found))


@pytest.fixture
async def processes() -> AsyncIterator[Processes]:
    opened = Processes(views=True)
    async with opened.open():
        yield opened


async def ended(process: RunningProcess) -> Exit:
    with trio.fail_after(60):
        await process.exited.wait()
    return process.exit


@pytest.mark.parametrize(("descriptors", "output"), [(PIPES, 2), (TTY, 1)], ids=["pipe", "terminal"])
async def test_keys(processes: Processes, descriptors: tuple[Descriptor, ...], output: int) -> None:
    async with processes.running(Command(ffmpeg(), ENDLESS, descriptors=descriptors)) as process:
        await read_until(process, b"[q]", output)
        await process.inputs[0].send_all(b"?")
        await read_until(process, b"show this help", output)
        await process.inputs[0].send_all(b"q")
        await read(process, output)
        assert await ended(process) == Exit(code=0)


@pytest.mark.parametrize(("answer", "code", "size"), [(b"y\n", 0, True), (b"N\n", 1, False)])
async def test_the_question_whether_to_overwrite(
    processes: Processes, tmp_path: Path, answer: bytes, code: int, size: bool
) -> None:
    target = tmp_path / "target.mkv"
    target.touch()
    arguments = (*SOURCE, b"-frames:v", b"3", os.fsencode(target))
    async with processes.running(Command(ffmpeg(), arguments, descriptors=TTY)) as process:
        # Asked without the end of a line.
        await read_until(process, b"[y/N] ")
        await process.inputs[0].send_all(answer)
        await read(process)
        assert await ended(process) == Exit(code=code)
    assert bool(target.stat().st_size) is size


async def test_the_first_interrupt_finishes_and_a_stop_pauses(processes: Processes) -> None:
    async with processes.running(Command(ffmpeg(), ENDLESS, descriptors=PIPES)) as process:
        await read_until(process, b"frame=", 2)
        process.pass_on(signal.SIGTSTP)
        await trio.to_thread.run_sync(os.waitid, os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        process.pass_on(signal.SIGCONT)
        await read_until(process, b"frame=", 2)
        process.pass_on(signal.SIGINT)
        assert b"received signal 2" in await read(process, 2)
        assert await ended(process) == Exit(code=255)


async def test_a_list_with_the_clients_own_names(processes: Processes, tmp_path: Path) -> None:
    if not processes.namespaces.available:
        pytest.skip("this machine cannot make path views")
    here, there = tmp_path / "here", tmp_path / "far" / "there"
    here.mkdir()
    program = ffmpeg()
    make = (*SOURCE, b"-frames:v", b"5", b"-c:v", b"mpeg4", b"-y")
    await trio.run_process([program, *make, bytes(here / "a.mkv")], capture_stderr=True)
    (here / "list").write_text(f"file '{there}/a.mkv'\nfile '{there}/a.mkv'\n")
    asked = JobRequest(
        job_id="J",
        attempt=1,
        binary_name="ffmpeg",
        arguments=[
            *("-nostdin", "-f", "concat", "-safe", "0", "-i", "$Movies/list", "-c", "copy"),
            *("-metadata", "comment=$Movies", "$Movies/both.mkv"),
        ],
        paths=["Movies"],
        working_directory="$Movies",
        client_paths={"Movies": str(there)},
        launch=Launch(environment={"FFREPORT": "file=report.log"}),
        heartbeat_interval=60.0,
    )
    machine = Machine({"ffmpeg": program}, {"Movies": bytes(here)}, kept=processes.tools.folders)
    async with processes.running(prepare(asked, machine)) as process:
        said = await read(process, 2)
        assert await ended(process) == Exit(code=0), said
    assert b"Output #0, matroska, to '%s/both.mkv'" % bytes(there) in said
    assert bytes(here) not in said
    assert f"{there}/list" in (here / "report.log").read_text()
    assert (here / "both.mkv").stat().st_size > (here / "a.mkv").stat().st_size
