"""What a program finds when it was started here: descriptors, a terminal, signals, environment, user."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from dffmpeg.actors.worker.processes.actor import Exit, Processes
from dffmpeg.actors.worker.processes.launches import CannotStart, Command, Credentials, Descriptor
from tests.actors.worker.processes.programs import OPEN, OUT, TTY, python, read, read_until, run, sh


async def open_descriptors(processes: Processes, *descriptors: Descriptor) -> dict[str, str]:
    _, data = await run(processes, python(OPEN, descriptors=descriptors))
    found: dict[str, str] = json.loads(data)
    return found


async def test_the_standard_descriptors_and_no_other(processes: Processes, tmp_path: Path) -> None:
    # Descriptors that the worker itself inherited must not get any further.
    with (tmp_path / "inherited").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        _, data = await run(processes, python(OPEN))
    found = json.loads(data)
    assert sorted(found) == ["0", "1", "2"]
    assert found["0"] == "/dev/null"
    assert found["1"].startswith("pipe:")
    assert found["2"] not in ("/dev/null", found["1"])


async def test_closed_ones_are_closed(processes: Processes) -> None:
    assert list(await open_descriptors(processes, OUT)) == ["1"]
    assert list(await open_descriptors(processes, Descriptor(0, "closed"), OUT, Descriptor(2, "closed"))) == [
        "1"
    ]


async def test_any_number_can_be_had(processes: Processes) -> None:
    numbers = (3, 4, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 63, 255)
    further = [Descriptor(number, "pipe", "out" if number % 2 else "in") for number in numbers]
    async with processes.running(python(OPEN, descriptors=(OUT, *further))) as process:
        data = await read(process)
        assert sorted(process.outputs) == [1, *(number for number in numbers if number % 2)]
        assert sorted(process.inputs) == [number for number in numbers if number % 2 == 0]
    found = json.loads(data)
    assert sorted(map(int, found)) == [1, *numbers]
    assert len(set(found.values())) == len(numbers) + 1


async def test_the_same_open_file(processes: Processes) -> None:
    found = await open_descriptors(
        processes, OUT, Descriptor(2, "same", of=1), Descriptor(3, "null"), Descriptor(5, "same", of=3)
    )
    assert found["2"] == found["1"]
    assert (found["3"], found["5"]) == ("/dev/null", "/dev/null")


async def test_pipes_in_both_directions(processes: Processes) -> None:
    command = sh("cat <&4 >&3; cat >&3", descriptors=(
        Descriptor(0, "pipe", "in"), Descriptor(3, "pipe", "out"), Descriptor(4, "pipe", "in")
    ))  # fmt: skip
    async with processes.running(command) as process:
        await process.inputs[4].send_all(b"four ")
        await process.end_input(4)
        await process.inputs[0].send_all(b"zero")
        await process.end_input(0)
        assert await read(process, 3) == b"four zero"
        await process.exited.wait()
        assert process.exit == Exit(code=0)


async def test_a_program_that_closed_its_input_breaks_the_pipe(processes: Processes) -> None:
    command = sh("exec <&-; echo closed; sleep 1000", descriptors=(Descriptor(0, "pipe", "in"), OUT))
    async with processes.running(command) as process:
        await read_until(process, b"closed")
        with pytest.raises(trio.BrokenResourceError):
            await process.inputs[0].send_all(b"x")


async def test_an_output_that_nobody_reads_is_a_broken_pipe(processes: Processes) -> None:
    async with processes.running(sh("while echo x; do :; done")) as process:
        await read_until(process, b"x")
        async with trio.open_nursery() as nursery:
            # Whoever waits for more finds the end.
            nursery.start_soon(read, process)
            await process.close_output(1)
        await process.exited.wait()
        assert process.exit == Exit(signal=signal.SIGPIPE)
        await process.close_output(7)


# Files


async def test_files_are_opened_where_they_stand(processes: Processes, tmp_path: Path) -> None:
    source, target, log = tmp_path / "source", tmp_path / "target", tmp_path / "log"
    source.write_text("0123456789")
    target.write_text("aaaaaaaaaa")
    log.write_text("before ")
    below = (os.fsencode(tmp_path),)
    descriptors = (
        Descriptor(0, "file", "in", path=bytes(source), below=below, offset=4),
        Descriptor(1, "file", "out", path=bytes(target), below=below, offset=2),
        Descriptor(2, "file", "out", path=bytes(log), below=below, append=True),
        Descriptor(3, "pipe", "out"),
    )
    async with processes.running(sh("cat; echo after >&2; echo end >&3", descriptors=descriptors)) as process:
        assert await read(process, 3) == b"end\n"
        assert sorted(process.outputs) == [3]
    assert target.read_text() == "aa456789aa"
    assert log.read_text() == "before after\n"


@pytest.mark.parametrize("what", ["missing", "link", "directory"])
async def test_files_that_are_not_what_they_were(processes: Processes, tmp_path: Path, what: str) -> None:
    inside = tmp_path / "inside"
    (inside / "directory").mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    (inside / "link").symlink_to(tmp_path / "secret")
    direction: Any = "out" if what == "directory" else "in"
    file = Descriptor(0, "file", direction, path=bytes(inside / what), below=(bytes(inside),))
    with pytest.raises(CannotStart, match=f"descriptor 0: .*{what}"):
        await run(processes, sh("cat", descriptors=(file, OUT)))


# What else is inherited


async def test_umask_environment_and_directory(processes: Processes, tmp_path: Path) -> None:
    environment = {b"TZ": b"Asia/Tokyo", b"ODD": b"\xff", b"PATH": os.environb[b"PATH"]}
    command = sh(
        "umask; pwd; echo $TZ $ODD; env | wc -l",
        directory=os.fsencode(tmp_path),
        umask=0o027,
        environment=environment,
    )
    before = os.umask(0o022)
    os.umask(before)
    _, data = await run(processes, command)
    lines = data.split(b"\n")
    assert lines[:3] == [b"0027", os.fsencode(tmp_path), b"Asia/Tokyo \xff"]
    # The worker itself stayed where it was.
    assert os.umask(before) == before
    assert os.getcwd() != str(tmp_path)
    _, data = await run(processes, sh("umask; pwd"))
    assert data.startswith(b"%04o\n/" % before)


async def test_where_threads_cannot_stand_apart_tools_do_it(
    processes: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_parent", replace(processes._parent, apart=False))
    command = sh("umask; pwd", directory=os.fsencode(tmp_path), umask=0o077)
    assert await run(processes, command) == (Exit(code=0), b"0077\n%s\n" % os.fsencode(tmp_path))


async def test_signals_are_ignored_as_they_were_by_the_caller(processes: Processes) -> None:
    # Not Python, which changes some itself.
    command = Command(b"/bin/grep", (b"Sig[IB]", b"/proc/self/status"))
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        _, plain = await run(processes, command)
        _, told = await run(processes, replace(command, ignored_signals=(signal.SIGHUP, signal.SIGPIPE, 40)))
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert ignored(plain) == (set(), set())
    assert ignored(told) == (set(), {signal.SIGHUP, signal.SIGPIPE, 40})


def ignored(status: bytes) -> tuple[set[int], set[int]]:
    """Numbers of blocked and of ignored signals. The C library has 32 and 33 for itself (nptl(7))."""
    blocked, ignoring = (int(line.split()[1], 16) for line in status.splitlines())
    numbers = set(range(1, 65)) - {32, 33}
    return (
        {number for number in numbers if blocked >> (number - 1) & 1},
        {number for number in numbers if ignoring >> (number - 1) & 1},
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may run programs as others")
async def test_it_runs_as_its_caller(processes: Processes) -> None:
    code = "id -u; id -g; id -G; touch made; stat -c %u:%g made; grep Cap /proc/self/status | cut -f 2"
    _, data = await run(processes, sh(code, credentials=Credentials(12345, 23456, (23456, 34567))))
    lines = data.decode().splitlines()
    assert lines[:4] == ["12345", "23456", "23456 34567", "12345:23456"]
    assert set(lines[4:7]) == {"0" * 16}
    _, data = await run(processes, sh("id -G", credentials=Credentials(12345, 23456)))
    assert data == b"23456\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may run programs as others")
@pytest.mark.parametrize("kind", ["pipe", "terminal"])
async def test_a_caller_may_open_its_descriptors_once_more(processes: Processes, kind: Any) -> None:
    descriptors = (Descriptor(0, kind, "in"), Descriptor(1, kind, "out"), Descriptor(2, kind, "out"))
    command = sh(
        "read line < /dev/stdin; echo $line > /dev/stdout",
        descriptors=descriptors,
        credentials=Credentials(12345, 23456),
    )
    async with processes.running(command) as process:
        await process.inputs[0].send_all(b"line\n")
        assert b"line\n" in await read(process)
        await process.exited.wait()
        assert process.exit == Exit(code=0)


# Signals

TRAPS = (
    "trap 'echo int' INT; trap 'echo hup' HUP; trap 'echo usr' USR1; echo ready;"
    "(trap 'echo child' INT HUP USR1; while :; do sleep 0.05; done) & while :; do sleep 0.05; done"
)


async def test_a_callers_signals_reach_the_program_alone(processes: Processes) -> None:
    async with processes.running(sh(TRAPS)) as process:
        await read_until(process, b"ready")
        for number, said in ((signal.SIGINT, b"int"), (signal.SIGHUP, b"hup"), (signal.SIGUSR1, b"usr")):
            process.pass_on(number)
            assert b"child" not in await read_until(process, said)
        process.pass_on(4711)
        process.pass_on(signal.SIGKILL)
        await process.exited.wait()
        assert process.exit == Exit(signal=signal.SIGKILL)
        process.pass_on(signal.SIGINT)


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGTSTP])
async def test_what_stops_and_continues_is_for_the_whole_group(
    processes: Processes, number: signal.Signals
) -> None:
    code = "sleep 1000 & echo $!; wait"
    async with processes.running(sh(code)) as process:
        child = int(await read_until(process, b"\n"))
        pids = (process.pid, child)
        process.pass_on(number)
        await in_state(pids, "T")
        process.pass_on(signal.SIGCONT)
        await in_state(pids, "S")


async def in_state(pids: Sequence[int], wanted: str) -> None:
    # There is no event for a process that is not a child: only looking.
    with trio.fail_after(60):
        while any(state(pid) != wanted for pid in pids):  # noqa: ASYNC110
            await trio.sleep(0.005)


# What goes wrong


@pytest.mark.parametrize("ignored_signals", [(), (signal.SIGHUP,)])
async def test_a_program_that_cannot_be_executed(
    processes: Processes, tmp_path: Path, ignored_signals: tuple[int, ...]
) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"#!/nonexistent\n")
    broken.chmod(0o755)
    async with processes.running(Command(bytes(broken), (), ignored_signals=ignored_signals)) as process:
        await process.exited.wait()
        assert process.failure is not None
        assert "cannot be executed" in process.failure


async def test_an_exit_code_of_a_tool_is_the_programs_own_when_it_ran(processes: Processes) -> None:
    for code in (1, 125, 126, 127):
        async with processes.running(sh(f"exit {code}")) as process:
            await process.exited.wait()
            assert (process.failure, process.exit) == (None, Exit(code=code))


async def test_nothing_is_leaked(processes: Processes, tmp_path: Path) -> None:
    async def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    file = tmp_path / "file"
    file.touch()
    descriptors = (
        *TTY,
        Descriptor(3, "pipe", "in"),
        Descriptor(4, "pipe", "out"),
        Descriptor(5, "file", path=bytes(file), below=(bytes(tmp_path),)),
    )
    await run(processes, sh(":", descriptors=descriptors))
    before = await count()
    for _ in range(5):
        await run(processes, sh(":", descriptors=descriptors))
        with pytest.raises(CannotStart):
            await run(processes, Command(b"/nonexistent", ()))
        with pytest.raises(CannotStart):
            await run(processes, sh("x" * 200_000, descriptors=descriptors))
    # Files are closed by threads that nobody waits for.
    with trio.fail_after(60):
        while await count() > before:
            await trio.lowlevel.checkpoint()
