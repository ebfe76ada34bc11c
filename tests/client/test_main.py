"""`dffmpeg-client` as a real process."""

from __future__ import annotations

import json
import os
import re
import signal
import time

import pytest
import trio

from dffmpeg.model.progress import Progress
from dffmpeg.wire import times
from dffmpeg.wire.frames import Kind
from dffmpeg.wire.jobs import AttemptRecord
from tests.client.coordinator import Coordinator, free_port, worker
from tests.client.jobs import Job
from tests.client.programs import GUARD, Programs, assert_one_line, ended
from tests.client.records import TIME


async def test_submit_streams_and_ends_as_the_job(coordinator: Coordinator, programs: Programs) -> None:
    async def behave(job: Job) -> None:
        job.start()
        job.write(b"\xff\x00out")
        job.write(b"\rerr", Kind.STDERR)
        job.finish("failed", exit_code=7)

    coordinator.behave = behave
    options = ("submit", "--pending-timeout", "3", "--max-attempts", "2", "-b", "ffmpeg", "--")
    result = await programs.run("dffmpeg-client", *options, "-i", b"\xfe", "--", "--json")
    assert result == (7, b"\xff\x00out", b"\rerr")
    sent = coordinator.submitted[0]
    assert (sent.binary_name, sent.arguments[0], sent.arguments[2:]) == ("ffmpeg", "-i", ["--", "--json"])
    assert (sent.monitor, sent.pending_timeout, sent.max_attempts) == (True, 3.0, 2)


async def test_submit_detached_prints_the_id(coordinator: Coordinator, programs: Programs) -> None:
    code, out, err = await programs.run(
        "dffmpeg-client", "submit", "--detach", "-b", "ffmpeg", "--", "-version"
    )
    assert (code, out.decode(), err) == (0, f"{next(iter(coordinator.jobs))}\n", b"")
    assert not coordinator.submitted[0].monitor
    code, out, err = await programs.run("dffmpeg-client", "--json", "submit", "--detach", "-b", "ffmpeg")
    assert json.loads(out)["status"] == "pending"


async def test_interrupting_submit_cancels(coordinator: Coordinator, programs: Programs) -> None:
    async def behave(job: Job) -> None:
        job.start()
        job.write(b"begun", Kind.STDERR)
        await job.canceled.wait()
        job.finish("canceled", exit_code=255)

    coordinator.behave = behave
    process = await programs.start("dffmpeg-client", "submit", "-b", "ffmpeg")
    assert process.stderr is not None
    await process.stderr.receive_some()
    process.send_signal(signal.SIGINT)
    assert await ended(process) == (255, b"", b"")


async def test_job_list(coordinator: Coordinator, programs: Programs) -> None:
    assert await programs.run("dffmpeg-client", "job", "list") == (0, b"no jobs\n", b"")
    assert json.loads((await programs.run("dffmpeg-client", "job", "list", "--json"))[1]) == []
    created = times.to_wire(time.time() - 7200)
    coordinator.job("pending", 0, arguments=["-i", "a b.mkv", {"b64": "/w=="}], created_at=created)
    coordinator.job("failed", exit_code=1, arguments=["x" * 100, "\x1b[2J\n"], created_at=created)
    code, out, _ = await programs.run("dffmpeg-client", "job", "list", "--window", "60", "--limit", "5")
    lines = out.decode().splitlines()
    assert code == 0
    assert lines[0].split() == ["JOB", "STATUS", "AGE", "WORKER", "COMMAND"]
    assert lines[1].split(maxsplit=5) == [
        "01J00000000000000000000000", "pending", "2", "h", "-", "ffmpeg -i 'a b.mkv' '\\udcff'",
    ]  # fmt: skip
    assert lines[2].endswith("…")
    assert "failed (exit code 1)" in lines[2]
    assert (
        len({line.index(word) for line, word in zip(lines, ("STATUS", "pending", "failed"), strict=True)})
        == 1
    )


async def test_job_show_and_status(coordinator: Coordinator, programs: Programs) -> None:
    job = coordinator.job("failed", signal=9, reason="killed \x1b[2J", working_directory="$Movies/x")
    for command in (("job", "show"), ("status",)):
        code, out, _ = await programs.run("dffmpeg-client", *command, job.record.job_id)
        assert code == 0
        assert "failed (signal 9)" in out.decode()
        assert "$Movies/x" in out.decode()
        assert b"\x1b" not in out
        code, out, _ = await programs.run("dffmpeg-client", *command, job.record.job_id, "--json")
        assert json.loads(out)["signal"] == 9


async def test_job_show_has_the_attempts(coordinator: Coordinator, programs: Programs) -> None:
    job = coordinator.job("failed", exit_code=1, losses=1, progress=Progress(fraction=0.5, time=65.0))
    coordinator.attempts = [
        AttemptRecord(
            attempt=1, worker_id="w1", assigned_at=TIME, started_at=TIME, outcome="lost", reason="w1: stalled"
        ),
        AttemptRecord(
            attempt=2,
            worker_id="w2",
            assigned_at=TIME,
            outcome="failed",
            exit_code=1,
            stderr_end="one\nConversion \x1b[2Jfailed!\n",
        ),
    ]
    code, out, _ = await programs.run("dffmpeg-client", "job", "show", job.record.job_id)
    assert code == 0
    text = out.decode()
    assert re.search(r"^1 +w1 +lost .* w1: stalled$", text, re.MULTILINE)
    assert re.search(r"^2 +w2 +failed \(exit code 1\)", text, re.MULTILINE)
    assert "losses" in text
    assert "50.0%, time 1:05" in text
    assert text.endswith("end of its stderr:\n  one\n  Conversion \\x1b[2Jfailed!\n")
    code, out, _ = await programs.run("dffmpeg-client", "job", "show", job.record.job_id, "--json")
    assert [one["outcome"] for one in json.loads(out)["attempts"]] == ["lost", "failed"]


async def test_status_of_everything(coordinator: Coordinator, programs: Programs) -> None:
    coordinator.workers = [worker(), worker("w2", status="offline")]
    coordinator.job()
    coordinator.job("completed")
    code, out, _ = await programs.run("dffmpeg-client", "status")
    assert code == 0
    assert "1 of 2 online, 1 of 4 slots used" in out.decode()
    assert "1 unfinished" in out.decode()
    code, out, _ = await programs.run("dffmpeg-client", "status", "--json")
    assert [each["worker_id"] for each in json.loads(out)["workers"]] == ["w1", "w2"]


async def test_workers(coordinator: Coordinator, programs: Programs) -> None:
    assert await programs.run("dffmpeg-client", "worker", "list") == (0, b"no workers\n", b"")
    coordinator.workers = [worker(mounts={"NAS": "hung: no answer within 5 s"})]
    code, out, _ = await programs.run("dffmpeg-client", "worker", "list")
    assert out.decode().splitlines()[1].split()[:3] == ["w1", "online", "1/4"]
    code, out, _ = await programs.run("dffmpeg-client", "worker", "show", "w1")
    assert b"mount NAS" in out
    assert b"hung: no answer within 5 s" in out
    assert (code, b"libx264" in out) == (0, True)
    assert (
        json.loads((await programs.run("dffmpeg-client", "worker", "show", "w1", "--json"))[1])["slots"] == 4
    )


async def test_cancel(coordinator: Coordinator, programs: Programs) -> None:
    job = coordinator.job()
    assert await programs.run("dffmpeg-client", "job", "cancel", job.record.job_id) == (
        0,
        b"canceling\n",
        b"",
    )
    assert job.canceled.is_set()
    job.finish(exit_code=0)
    code, out, _ = await programs.run("dffmpeg-client", "job", "cancel", job.record.job_id)
    assert (code, out) == (0, b"finished before\n")


async def test_logs(coordinator: Coordinator, programs: Programs) -> None:
    job = coordinator.job()
    code, out, _ = await programs.run("dffmpeg-client", "job", "logs", job.record.job_id)
    assert (code, out) == (0, b"frame=1\\x1b[2J\n" * 2)
    job.write(b"\xffout")
    job.write(b"err", Kind.STDERR)
    job.finish("failed", exit_code=9)
    result = await programs.run("dffmpeg-client", "job", "logs", "--follow", job.record.job_id)
    assert result == (0, b"\xffout", b"err")


@pytest.mark.parametrize(("status", "ended", "code"), [("failed", 9, 9), ("completed", 0, 124)])
@pytest.mark.parametrize("command", ["attach", "attach --quiet"])
async def test_attach_to_a_finished_job(
    coordinator: Coordinator, programs: Programs, command: str, status: str, ended: int, code: int
) -> None:
    job = coordinator.job()
    job.write(b"0123456789")
    job.kept_from[Kind.STDOUT] = 4
    job.finish(status, exit_code=ended)
    result = await programs.run("dffmpeg-client", "job", *command.split(), job.record.job_id)
    assert result[:2] == (code, b"456789")
    assert_one_line(result[2], f"4 bytes of the stdout of job {job.record.job_id} are not kept")


async def test_a_gap_in_stderr_is_told_where_it_is(coordinator: Coordinator, programs: Programs) -> None:
    job = coordinator.job()
    job.write(b"0123456789", Kind.STDERR)
    job.kept_from[Kind.STDERR] = 4
    job.finish(exit_code=0)
    result = await programs.run("dffmpeg-client", "job", "attach", job.record.job_id)
    assert result == (0, b"", b"dffmpeg: 4 bytes of stderr were not kept\n456789")


async def test_interrupting_attach_only_detaches(coordinator: Coordinator, programs: Programs) -> None:
    job = coordinator.job()
    job.write(b"begun")
    process = await programs.start("dffmpeg-client", "job", "attach", job.record.job_id)
    assert process.stdout is not None
    with trio.fail_after(GUARD):
        await process.stdout.receive_some()
    process.send_signal(signal.SIGINT)
    code, _, err = await ended(process)
    assert code == 130
    assert_one_line(err, f"job attach {job.record.job_id}")
    assert not job.canceled.is_set()


@pytest.mark.parametrize(("command", "code"), [("attach", 9), ("logs --follow", 0)])
async def test_following_in_the_background_of_a_script(
    coordinator: Coordinator, programs: Programs, command: str, code: int
) -> None:
    job = coordinator.job()
    job.write(b"begun")
    # The shell has what it runs so ignore SIGINT.
    line = f"{programs.folder}/dffmpeg-client job {command} {job.record.job_id} & wait $!"
    process = await programs.shell(line)
    assert process.stdout is not None
    with trio.fail_after(GUARD):
        assert await process.stdout.receive_some()
    job.finish("failed", exit_code=9)
    assert await ended(process) == (code, b"", b"")


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("job", "show", "01JNONE"), 122, "no such job"),
        (("job", "attach", "01JNONE"), 122, "no such job"),
        (("job", "show", "../workers"), 120, "not the name of a job"),
        (("job", "show", b"\xff"), 120, "not the name of a job"),
        (("worker", "show", "w9"), 122, "no such worker"),
        (("job",), 120, "COMMAND"),
        ((), 120, "COMMAND"),
        (("job", "list", "--limit", "0"), 120, "whole number above 0"),
        (("submit", "-b", "ffmpeg", "--pending-timeout", "nan"), 120, "expected a duration"),
        (("submit",), 120, "-b"),
        (("submit", "-b", b"\xff"), 120, "not the name of a program"),
        (("submit", "-b", "ffmpeg", "--json"), 120, "needs --detach"),
        (("job", "list", "--", "-i"), 120, "only submit"),
        (("--config", "/nonexistent", "job", "list"), 120, "no such file"),
        (("job", "list", "--config", "/"), 120, "directory"),
    ],
)
@pytest.mark.usefixtures("coordinator")
async def test_what_is_wrong_is_one_line(
    programs: Programs, arguments: tuple[str | bytes, ...], code: int, text: str
) -> None:
    result, out, err = await programs.run("dffmpeg-client", *arguments)
    assert (result, out) == (code, b"")
    assert_one_line(err, text)


async def test_a_wrong_state_is_told_the_names_there_are(programs: Programs) -> None:
    code, _, err = await programs.run("dffmpeg-client", "job", "list", "--state", "nonsense")
    assert code == 120
    # Whether argparse quotes them differs between versions of Python.
    assert_one_line(err.replace(b"'", b""), "(choose from pending, assigned, ")


async def test_an_unreachable_coordinator_is_one_line(programs: Programs) -> None:
    programs.configure(f"http://127.0.0.1:{free_port()}")
    for arguments in (("job", "list"), ("worker", "list"), ("status",), ("job", "attach", "01J")):
        code, _, err = await programs.run("dffmpeg-client", *arguments)
        assert code == 121
        assert_one_line(err, "cannot connect")


async def test_a_wrong_key_is_one_line(coordinator: Coordinator, programs: Programs) -> None:
    programs.configure(coordinator.url, b"x" * 32)
    code, _, err = await programs.run("dffmpeg-client", "job", "list")
    assert code == 122
    assert_one_line(err, "signature does not match")


async def test_nobody_reads_the_table(coordinator: Coordinator, programs: Programs) -> None:
    for _ in range(3000):
        coordinator.job()
    reader, writer = os.pipe()
    os.close(reader)
    try:
        assert await programs.run("dffmpeg-client", "job", "list", stdout=writer) == (
            -signal.SIGPIPE,
            b"",
            b"",
        )
    finally:
        os.close(writer)
    with open("/dev/full", "wb") as full:
        code, _, err = await programs.run("dffmpeg-client", "job", "list", stdout=full)
    assert code == 124
    assert_one_line(err, "No space left")


async def test_any_terminal_encoding_will_do(coordinator: Coordinator, programs: Programs) -> None:
    coordinator.job(arguments=["größe"])
    code, out, _ = await programs.run(
        "dffmpeg-client", "job", "list", env={"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    )
    assert code == 0
    assert b"gr\\xf6" in out
