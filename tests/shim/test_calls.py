"""What a shim does with its caller's descriptors, terminal and local programs, as real processes."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from dffmpeg.client.untold import Untold
from dffmpeg.wire import control
from dffmpeg.wire.jobs import Launch
from tests.client.coordinator import Coordinator, free_port
from tests.client.jobs import Job
from tests.client.programs import GUARD, ended
from tests.shim.agents import Agents

IN_FOREGROUND = """
import fcntl, os, subprocess, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
before = termios.tcgetattr(0)
code = subprocess.call(sys.argv[1:])
os.write(1, b"as before" if termios.tcgetattr(0) == before else b"changed")
sys.exit(code)
"""
WITHOUT = {"DFFMPEG_NO_AGENT": "1"}


def launch_of(coordinator: Coordinator) -> Launch:
    launch = coordinator.submitted[-1].launch
    assert launch is not None
    return launch


async def hello(job: Job) -> None:
    job.start()
    job.write(b"hello\n")
    job.finish(exit_code=0)


def local(folder: Path) -> str:
    """A program that says what it was given."""
    program = folder / "local"
    program.write_text('#!/bin/sh\necho "$@"; cat; exit 9\n')
    program.chmod(0o755)
    return str(program)


async def with_input(agents: Agents, *arguments: str, env: dict[str, str]) -> tuple[int, bytes, bytes]:
    process = await agents.call("ffmpeg", *arguments, stdin=subprocess.PIPE, env=env)
    assert process.stdin is not None
    await process.stdin.send_all(b"typed\n")
    await process.stdin.aclose()
    return await ended(process)


async def test_where_no_coordinator_is_the_local_program_runs(agents: Agents, tmp_path: Path) -> None:
    more = f'[fallback]\nwhen = "unreachable"\nafter = 0.2\nbinaries = {{ ffmpeg = "{local(tmp_path)}" }}'
    agents.configure(f"http://127.0.0.1:{free_port()}", more=more)
    assert await with_input(agents, "-i", "a b", env=WITHOUT) == (9, b"-i a b\ntyped\n", b"")
    log = (tmp_path / ".local/state/dffmpeg/fallback.log").read_text()
    assert log.count("\n") == 1
    assert "ffmpeg" in log


async def test_without_a_choice_it_does_not(agents: Agents, tmp_path: Path) -> None:
    agents.configure(f"http://127.0.0.1:{free_port()}", more="connect_timeout = 0.2")
    code, out, err = await with_input(agents, "-version", env=WITHOUT)
    assert (code, out) == (121, b"")
    assert b"cannot connect" in err


async def test_a_job_that_nobody_takes_is_canceled_and_run_here(
    coordinator: Coordinator, agents: Agents, tmp_path: Path
) -> None:
    async def behave(job: Job) -> None:
        await job.canceled.wait()
        job.finish("canceled")

    coordinator.behave = behave
    more = f'[fallback]\nwhen = "busy"\nafter = 0.2\nbinaries = {{ ffmpeg = "{local(tmp_path)}" }}'
    agents.configure(coordinator.url, more=more)
    assert await with_input(agents, "-version", env=WITHOUT) == (9, b"-version\ntyped\n", b"")


async def test_the_next_job_tells_how_often_the_local_program_ran(
    coordinator: Coordinator, agents: Agents, tmp_path: Path
) -> None:
    async def refuse(job: Job) -> None:
        await job.canceled.wait()
        job.finish("canceled")

    more = f'[fallback]\nwhen = "busy"\nafter = 0.2\nbinaries = {{ ffmpeg = "{local(tmp_path)}" }}'
    agents.configure(coordinator.url, more=more)
    coordinator.behave = refuse
    for _ in range(2):
        assert (await with_input(agents, env=WITHOUT))[0] == 9
    coordinator.behave = hello
    for _ in range(2):
        assert await agents.run_stand_in("ffmpeg", env=WITHOUT) == (0, b"hello\n", b"")
    assert [one.local_fallbacks for one in coordinator.submitted] == [0, 1, 1, 0]


@pytest.mark.parametrize("transports", ['["websocket"]', '["http_polling"]'])
async def test_what_a_refused_job_told_is_told_again(
    coordinator: Coordinator,
    agents: Agents,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    transports: str,
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / ".local/state"))
    Untold(coordinator.url).add(3)
    coordinator.behave = hello
    coordinator.refuse_submit = [503, 403]
    agents.configure(coordinator.url, more=f"transports = {transports}")
    code, out, _ = await agents.run_stand_in("ffmpeg", env=WITHOUT)
    assert (code, out) == (122, b"")
    assert (coordinator.refuse_submit, coordinator.submitted) == ([], [])
    assert Untold(coordinator.url).waiting()
    assert await agents.run_stand_in("ffmpeg", env=WITHOUT) == (0, b"hello\n", b"")
    assert [one.local_fallbacks for one in coordinator.submitted] == [3]


async def test_a_job_that_ran_is_never_run_here(
    coordinator: Coordinator, agents: Agents, tmp_path: Path
) -> None:
    async def behave(job: Job) -> None:
        await job.canceled.wait()
        job.start()
        job.finish("canceled")

    coordinator.behave = behave
    more = f'[fallback]\nwhen = "busy"\nafter = 0.2\nbinaries = {{ ffmpeg = "{local(tmp_path)}" }}'
    agents.configure(coordinator.url, more=more)
    code, out, err = await with_input(agents, "-version", env=WITHOUT)
    assert (code, out) == (124, b"")
    assert b"was canceled" in err


async def test_a_terminal_is_raw_while_the_program_runs_and_cooked_afterwards(
    coordinator: Coordinator, agents: Agents
) -> None:
    async def behave(job: Job) -> None:
        job.start()
        job.write(b"press q\n")
        await job.until(lambda: bytes(job.inputs.get(0, b"")) == b"q")
        job.write(b"bye\n")
        job.finish(exit_code=4)

    coordinator.behave = behave
    await agents.agent()
    ours, theirs = pty.openpty()
    # The shim has to be in the foreground of that terminal, as a shell would put it there.
    process = await trio.lowlevel.open_process(
        ["/usr/bin/env", "python3", "-c", IN_FOREGROUND, str(agents.bin / "ffmpeg"), "-y"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**agents.env, "PATH": os.environ["PATH"]},
    )
    async with trio.lowlevel.FdStream(ours) as stream:
        with trio.fail_after(GUARD):
            said = b""
            while b"press q" not in said:
                said += bytes(await stream.receive_some())
            await agents.until(lambda: not termios.tcgetattr(theirs)[3] & termios.ICANON)
            await stream.send_all(b"q")
            while b"as before" not in said:
                said += bytes(await stream.receive_some())
                assert b"changed" not in said
            assert await process.wait() == 4
    os.close(theirs)
    launch = launch_of(coordinator)
    assert [one.kind for one in launch.descriptors] == ["terminal"] * 3
    assert launch.terminal is not None


async def test_what_is_not_read_locally_is_not_read_here(coordinator: Coordinator, agents: Agents) -> None:
    coordinator.behave = hello
    command = (
        f"printf 'one\\ntwo\\n' | while read line; do {agents.bin}/ffmpeg -nostdin; {agents.bin}/ffprobe x; "
        "echo $line; done"
    )
    done = await trio.run_process(["sh", "-c", command], env={**agents.env, **WITHOUT}, capture_stdout=True)
    assert done.stdout == b"hello\nhello\none\nhello\nhello\ntwo\n"


async def test_further_descriptors_travel_where_an_argument_names_them(
    coordinator: Coordinator, agents: Agents
) -> None:
    coordinator.behave = hello
    command = f"{agents.bin}/ffmpeg -i pipe:4 -i pipe:6 4</dev/null 5<&4 6<{agents.config}"
    await trio.run_process(["sh", "-c", command], env={**agents.env, **WITHOUT}, stdin=b"")
    kinds = [(one.number, one.kind, one.direction) for one in launch_of(coordinator).descriptors]
    assert kinds[0] == (0, "pipe", "in")
    assert kinds[3:] == [(4, "null", "in"), (6, "pipe", "in")]


async def test_the_environment_that_is_listed_travels(coordinator: Coordinator, agents: Agents) -> None:
    coordinator.behave = hello
    env = {**WITHOUT, "TZ": "UTC", "LC_ALL": "C", "SECRET": "x", "MINE_A": "1"}
    agents.configure(coordinator.url, more='environment = ["TZ", "LC_*", "MINE_*"]')
    assert (await agents.run_stand_in("ffmpeg", env=env))[0] == 0
    assert launch_of(coordinator).environment == {"TZ": "UTC", "LC_ALL": "C", "MINE_A": "1"}


async def test_a_lost_attempt_gets_its_input_again(coordinator: Coordinator, agents: Agents) -> None:
    async def behave(job: Job) -> None:
        for attempt in (1, 2):
            job.start()
            job.write(b"same beginning")
            await job.until(lambda: 0 in job.input_ends)
            if attempt == 1:
                job.update(status="pending")
        job.write(b" and end")
        job.finish(exit_code=0)

    coordinator.behave = behave
    assert await with_input(agents, "-i", "-", env=WITHOUT) == (0, b"same beginning and end", b"")
    (job,) = coordinator.jobs.values()
    assert bytes(job.inputs[0]) == b"typed\n"
    assert not job.records()


@pytest.mark.parametrize("redirect", ["", "2>&1"])
async def test_one_file_under_two_numbers_stays_one(
    coordinator: Coordinator, agents: Agents, redirect: str
) -> None:
    coordinator.behave = hello
    done = await trio.run_process(
        ["sh", "-c", f"{agents.bin}/ffmpeg {redirect}"],
        env={**agents.env, **WITHOUT},
        capture_stdout=True,
        capture_stderr=True,
    )
    assert done.stdout == b"hello\n"
    kinds = [one.kind for one in launch_of(coordinator).descriptors]
    assert kinds[1:] == ["pipe", "same" if redirect else "pipe"]


def stopped_or_ended(pid: int) -> int:
    """Wait until a child of ours stops or ends; what it did is left for others to see."""
    found = os.waitid(os.P_PID, pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    assert found is not None
    return found.si_code


@asynccontextmanager
async def until_two_records(
    coordinator: Coordinator, agents: Agents, **group: Any
) -> AsyncIterator[trio.Process]:
    """A stand-in whose program has written an `x` and ends when two records have come.

    Args:
        group: of `trio.lowlevel.open_process`: where it stands among its caller's processes.
    """

    async def behave(job: Job) -> None:
        job.start()
        job.write(b"x")
        await job.until(lambda: len(job.records()) == 2)
        job.finish(exit_code=0)

    coordinator.behave = behave
    process = await trio.lowlevel.open_process(
        [agents.bin / "ffmpeg"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**agents.env, **WITHOUT},
        **group,
    )
    assert process.stdout is not None
    with trio.fail_after(GUARD):
        assert await process.stdout.receive_some(1) == b"x"
        yield process
        assert await ended(process) == (0, b"", b"")
    (job,) = coordinator.jobs.values()
    assert job.records() == [control.Signal(signal.SIGTSTP), control.Signal(signal.SIGCONT)]


async def test_ctrl_z_stops_the_program_and_the_stand_in(coordinator: Coordinator, agents: Agents) -> None:
    # As a shell starts it: the tests themselves may run in a group that the kernel lets nobody stop.
    async with until_two_records(coordinator, agents, process_group=0) as process:
        process.send_signal(signal.SIGTSTP)
        assert await trio.to_thread.run_sync(stopped_or_ended, process.pid) == os.CLD_STOPPED
        (job,) = coordinator.jobs.values()
        await job.until(lambda: bool(job.records()))
        process.send_signal(signal.SIGCONT)


async def test_who_cannot_be_stopped_does_not_stop_its_program(
    coordinator: Coordinator, agents: Agents
) -> None:
    """In a session of its own nobody could continue it, and the kernel does not stop it."""
    async with until_two_records(coordinator, agents, start_new_session=True) as process:
        process.send_signal(signal.SIGTSTP)
