"""The stand-in as a real process: the same bytes, the same end."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import trio

from dffmpeg.shim.main import called_as
from dffmpeg.wire import control
from dffmpeg.wire.frames import Kind
from tests.client.coordinator import Coordinator, free_port
from tests.client.jobs import Job
from tests.client.programs import GUARD, Programs, assert_one_line, ended


def only_job(coordinator: Coordinator) -> Job:
    return next(iter(coordinator.jobs.values()))


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ([b"/usr/bin/ffmpeg", b"-i"], (b"ffmpeg", [b"-i"])),
        ([b"ffprobe"], (b"ffprobe", [])),
        ([b"/x/dffmpeg_proxy", b"/y/ffmpeg", b"-i"], (b"ffmpeg", [b"-i"])),
        ([b"dffmpeg_proxy"], None),
        ([b"dffmpeg_proxy", b"-i", b"ffmpeg"], None),
    ],
)
def test_called_as(argv: list[bytes], expected: tuple[bytes, list[bytes]] | None) -> None:
    assert called_as(argv) == expected


async def test_bytes_and_exit_code_are_the_programs(coordinator: Coordinator, programs: Programs) -> None:
    data = os.urandom(5_000_000)
    noise = b"frame=  1\rframe=  2\r\xff\xfe\x00 no end of line"

    async def behave(job: Job) -> None:
        job.start()
        for begin in range(0, len(data), 700_001):
            job.write(data[begin : begin + 700_001])
        job.write(noise, Kind.STDERR)
        job.finish("failed", exit_code=187)

    coordinator.behave = behave
    assert await programs.run("ffmpeg", "-i", b"\xff\xfe.mkv", "$x") == (187, data, noise)
    sent = coordinator.submitted[0]
    assert sent.binary_name == "ffmpeg"
    assert sent.arguments[0] == "-i"
    assert sent.arguments[2] == "$$x"


@pytest.mark.parametrize("name", [("ffprobe",), ("dffmpeg_proxy", "ffprobe")])
async def test_it_is_what_it_is_called(
    coordinator: Coordinator, programs: Programs, name: tuple[str, ...]
) -> None:
    coordinator.behave = quick
    assert await programs.run(*name, "-version") == (0, b"hello\n", b"")
    assert coordinator.submitted[0].binary_name == "ffprobe"
    assert coordinator.submitted[0].arguments == ["-version"]


async def quick(job: Job) -> None:
    job.start()
    job.write(b"hello\n")
    job.finish(exit_code=0)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGTERM])
async def test_death_by_signal_is_passed_on(
    coordinator: Coordinator, programs: Programs, number: signal.Signals
) -> None:
    async def behave(job: Job) -> None:
        job.start()
        job.finish("failed", signal=int(number))

    coordinator.behave = behave
    assert await programs.run("ffmpeg") == (-number, b"", b"")


async def test_a_closed_pipe_is_told_to_the_program_which_ends_as_it_likes(
    coordinator: Coordinator, programs: Programs
) -> None:
    async def behave(job: Job) -> None:
        job.start()
        job.write(bytes(1_000_000))
        await job.until(lambda: control.Closed(1) in job.records())
        job.write(bytes(10_000_000))
        job.finish("failed", signal=int(signal.SIGPIPE))

    coordinator.behave = behave
    process = await programs.start("ffmpeg")
    assert process.stdout is not None
    with trio.fail_after(GUARD):
        await process.stdout.receive_some(100)
        await process.stdout.aclose()
        process.stdout = None
    assert (await ended(process))[0] == -signal.SIGPIPE
    assert not only_job(coordinator).canceled.is_set()


async def test_output_that_cannot_be_written_is_one_line(
    coordinator: Coordinator, programs: Programs
) -> None:
    coordinator.behave = quick
    with open("/dev/full", "wb") as full:
        code, _, err = await programs.run("ffmpeg", stdout=full)
    assert (code, err) == (124, b"dffmpeg: standard output: No space left on device\n")


async def test_closed_descriptors_are_not_taken_by_sockets(
    coordinator: Coordinator, programs: Programs
) -> None:
    coordinator.behave = quick
    command = f"exec {programs.folder}/ffmpeg <&- >&-"
    process = await programs.shell(command)
    assert await ended(process) == (0, b"", b"")
    launch = coordinator.submitted[0].launch
    assert launch is not None
    assert [one.kind for one in launch.descriptors] == ["closed", "closed", "pipe"]


async def test_nobody_has_to_read_stderr(coordinator: Coordinator, programs: Programs) -> None:
    async def behave(job: Job) -> None:
        job.start()
        job.write(bytes(1_000_000), Kind.STDERR)
        job.write(b"out")
        job.finish(exit_code=0)

    coordinator.behave = behave
    process = await programs.start("ffmpeg")
    assert process.stderr is not None
    await process.stderr.aclose()
    process.stderr = None
    assert await ended(process) == (0, b"out", b"")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
async def test_signals_are_the_programs_business(
    coordinator: Coordinator, programs: Programs, number: signal.Signals
) -> None:
    async def behave(job: Job) -> None:
        job.start()
        job.write(b"begun", Kind.STDERR)
        await job.until(lambda: job.records() == [control.Signal(number)])
        job.write(b" on", Kind.STDERR)
        await job.until(lambda: job.records() == [control.Signal(number)] * 2)
        job.write(b" ended", Kind.STDERR)
        job.finish("failed", exit_code=123)

    coordinator.behave = behave
    process = await programs.start("ffmpeg")
    assert process.stderr is not None
    assert await process.stderr.receive_some() == b"begun"
    process.send_signal(number)
    assert await process.stderr.receive_some() == b" on"
    process.send_signal(number)
    assert await ended(process) == (123, b"", b" ended")
    assert not only_job(coordinator).canceled.is_set()


async def test_a_signal_before_the_job_runs_cancels_it_and_is_deadly(
    coordinator: Coordinator, programs: Programs
) -> None:
    submitted = trio.Event()

    async def behave(job: Job) -> None:
        submitted.set()
        await job.canceled.wait()
        job.finish("canceled")

    coordinator.behave = behave
    process = await programs.start("ffmpeg")
    with trio.fail_after(GUARD):
        await submitted.wait()
    process.send_signal(signal.SIGTERM)
    assert await ended(process) == (-signal.SIGTERM, b"", b"")


async def test_an_ignored_signal_stays_ignored(coordinator: Coordinator, programs: Programs) -> None:
    signalled = trio.Event()

    async def behave(job: Job) -> None:
        job.start()
        job.write(b"begun")
        await signalled.wait()
        job.finish(exit_code=0)

    coordinator.behave = behave
    command = f"trap '' HUP; exec {programs.folder}/ffmpeg"
    process = await programs.shell(command)
    assert process.stdout is not None
    await process.stdout.receive_some()
    process.send_signal(signal.SIGHUP)
    signalled.set()
    assert (await ended(process))[0] == 0
    assert not only_job(coordinator).canceled.is_set()


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"status": "canceled"}, "was canceled"),
        ({"status": "canceled", "exit_code": 0}, "was canceled"),
        ({"status": "failed", "reason": "every worker\nwas \x1b[31mlost"}, "every worker was \\x1b[31mlost"),
    ],
)
async def test_a_job_without_an_end_of_its_own_is_one_line(
    coordinator: Coordinator, programs: Programs, changes: dict[str, object], line: str
) -> None:
    async def behave(job: Job) -> None:
        job.start()
        job.finish(**changes)  # type: ignore[arg-type]

    coordinator.behave = behave
    code, out, err = await programs.run("ffmpeg")
    assert (code, out) == (124, b"")
    assert_one_line(err, line)


@pytest.mark.parametrize("kept_from", [4, 10])
async def test_output_that_is_gone_is_never_a_success(
    coordinator: Coordinator, programs: Programs, kept_from: int
) -> None:
    """The owner's, of which nothing may be lost: it came back, and what it had not taken has expired."""

    async def expire(job: Job) -> None:
        job.start()
        job.write(b"0123456789")
        job.kept_from[Kind.STDOUT] = kept_from
        job.finish(exit_code=0)

    coordinator.behave = expire
    code, out, err = await programs.run("ffmpeg", "-i", "x")
    assert (code, out) == (124, b"")
    assert_one_line(err, "is not kept any more")


async def test_a_wrong_key_is_one_line(coordinator: Coordinator, programs: Programs) -> None:
    programs.configure(coordinator.url, b"x" * 32)
    code, out, err = await programs.run("ffmpeg")
    assert (code, out) == (122, b"")
    assert_one_line(err, "signature does not match")


async def test_an_unreachable_coordinator_is_one_line(programs: Programs) -> None:
    programs.configure(f"http://127.0.0.1:{free_port()}", more="connect_timeout = 0.1")
    code, out, err = await programs.run("ffmpeg")
    assert (code, out) == (121, b"")
    assert_one_line(err, "cannot connect")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_while_the_coordinator_is_unreachable(
    programs: Programs, number: signal.Signals
) -> None:
    programs.configure(f"http://127.0.0.1:{free_port()}", more='log_level = "DEBUG"')
    process = await programs.start("ffmpeg")
    assert process.stderr is not None
    assert b"trying again" in await process.stderr.receive_some()
    process.send_signal(number)
    assert (await ended(process))[0] == -number


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("coordinator_url = 1", "coordinator_url"),
        ("[", "not valid TOML"),
        ("\udcff", "not UTF-8"),
        (None, "no such file"),
    ],
)
async def test_an_unusable_configuration_is_one_line(programs: Programs, text: str | None, line: str) -> None:
    if text is None:
        programs.config.unlink()
    else:
        programs.config.write_bytes(os.fsencode(text))
    code, out, err = await programs.run("ffmpeg")
    assert (code, out) == (120, b"")
    assert_one_line(err, line)


@pytest.mark.parametrize("arguments", [(), ("-version",), ("--help",)])
async def test_its_own_name_without_a_program_says_how_it_is_used(
    programs: Programs, arguments: tuple[str, ...]
) -> None:
    code, _, err = await programs.run("dffmpeg_proxy", *arguments)
    assert code == 120
    assert_one_line(err, "usage")


async def test_what_cannot_be_a_program_is_one_line(programs: Programs) -> None:
    code, _, err = await programs.run("dffmpeg_proxy", "no program")
    assert code == 120
    assert_one_line(err, "not the name of a program: 'no program'")


async def test_a_removed_working_directory_is_no_problem(
    coordinator: Coordinator, programs: Programs, tmp_path: Path
) -> None:
    coordinator.behave = quick
    gone = tmp_path / "gone"
    gone.mkdir()
    command = f"cd {gone} && rmdir {gone} && exec {programs.folder}/ffmpeg"
    process = await programs.shell(command)
    assert await ended(process) == (0, b"hello\n", b"")


async def test_inherited_descriptors_stay_blocking(coordinator: Coordinator, programs: Programs) -> None:
    blocking: list[bool] = []
    reader, writer = os.pipe()

    async def behave(job: Job) -> None:
        job.start()
        job.write(b"x")
        await job.until(lambda: job.position.stdout == 1)
        blocking.append(os.get_blocking(writer))
        job.finish(exit_code=0)

    coordinator.behave = behave
    try:
        code, _, _ = await programs.run("ffmpeg", stdout=writer)
        assert (code, blocking) == (0, [True])
        assert os.get_blocking(writer)
    finally:
        os.close(reader)
        os.close(writer)
