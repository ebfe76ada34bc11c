"""The life of jobs in whole clusters with a real ffmpeg: lost, stalled, failed and overrun attempts."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from dffmpeg.client.api import Client
from dffmpeg.client.events import Status
from dffmpeg.wire.jobs import AttemptRecord, JobRecord
from tests.cluster.kit import GUARD, Cluster, open_pidfd, program

pytestmark = [pytest.mark.cluster, pytest.mark.ffmpeg]

WORKERS = ("--workers", "2", "--slots", "2")
SOURCE = ["-f", "lavfi", "-i", "testsrc2=s=64x36:r=25:d=20"]
CODEC = ["-c:v", "mpeg4", "-threads", "1", "-bitexact"]
SLOW = ["-re", *SOURCE]
"""In real time, so that there is time to do something to it."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster"), *WORKERS) as running:
        yield running


async def submit(client: Client, arguments: list[str], **rules: Any) -> str:
    request = msgspec.structs.replace(client.request("ffmpeg", arguments), **rules)
    return (await client._http.call("POST", "/jobs/submit", JobRecord, json=request)).job_id


async def finished(client: Client, job_id: str) -> tuple[JobRecord, list[AttemptRecord]]:
    with trio.fail_after(GUARD):
        async with client.follow(job_id) as events:
            async for _event in events:
                pass
        return await client.status(job_id), await client.attempts(job_id)


async def running(client: Client, job_id: str, attempt: int = 1) -> JobRecord:
    """Wait until ffmpeg has got somewhere."""
    with trio.fail_after(GUARD):
        async with client.follow(job_id, progress=True) as events:
            async for event in events:
                if isinstance(event, Status) and event.record.attempt >= attempt and event.record.progress:
                    return event.record
    raise AssertionError("it ended before it began")


def ffmpeg_of(folder: Path, name: str) -> list[int]:
    """The processes that write a file of this name."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                words = Path("/proc", entry, "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if os.path.basename(words[0]) == b"ffmpeg" and any(
                word.endswith(name.encode()) for word in words
            ):
                found.append(int(entry))
    return found


def frames(file: Path) -> int:
    count = ["-count_packets", "-show_entries", "stream=nb_read_packets", "-of", "csv=p=0"]
    probe = subprocess.run(["ffprobe", "-v", "error", *count, file], capture_output=True, check=True)
    assert not probe.stderr
    return int(probe.stdout)


async def test_a_killed_worker_s_file_is_begun_anew_without_y(tmp_path: Path) -> None:
    with Cluster(tmp_path, *WORKERS) as cluster:
        async with cluster.client() as client:
            file = tmp_path / "new.mkv"
            # Without -y ffmpeg would ask whether to write over what the lost attempt began, and refuse.
            job_id = await submit(client, [*SLOW, "-t", "4", *CODEC, str(file)])
            record = await running(client, job_id)
            with trio.fail_after(GUARD):
                while not file.exists():  # noqa: ASYNC110 - another process makes it
                    await trio.sleep(0.05)
            assert record.worker_id is not None
            cluster.kill(record.worker_id)
            final, attempts = await finished(client, job_id)
            assert (final.status, final.exit_code, final.losses) == ("completed", 0, 1)
            assert [one.outcome for one in attempts] == ["lost", "completed"]
            assert attempts[0].worker_id != attempts[1].worker_id
            log = [line.content for line in await client.logs(job_id)]
            assert len([line for line in log if line.startswith("dffmpeg: attempt 1 on")]) == 1
        assert frames(file) == 100


async def test_a_file_that_was_there_before_is_not_touched(cluster: Cluster) -> None:
    file = cluster.folder / "old.mkv"
    file.write_bytes(b"precious")
    async with cluster.client() as client:
        rules = {"retry_exit_codes": [1], "max_attempts": 2}
        job_id = await submit(client, ["-nostdin", *SOURCE, *CODEC, str(file)], **rules)
        final, attempts = await finished(client, job_id)
    assert (final.status, final.exit_code, len(attempts)) == ("failed", 1, 2)
    assert file.read_bytes() == b"precious"
    assert "already exists" in str(attempts[1].stderr_end)


async def test_a_stopped_ffmpeg_is_noticed_and_its_job_moves(cluster: Cluster) -> None:
    file = cluster.folder / "stopped.mkv"
    async with cluster.client() as client:
        job_id = await submit(client, [*SLOW, "-t", "4", *CODEC, str(file)], stall_timeout=2.0)
        first = await running(client, job_id)
        [pid] = ffmpeg_of(cluster.folder, file.name)
        with open_pidfd(pid) as ended:
            os.kill(pid, signal.SIGSTOP)
            final, attempts = await finished(client, job_id)
            assert select.select([ended], [], [], GUARD)[0]
    assert (final.status, final.attempt, final.losses) == ("completed", 2, 1)
    assert final.worker_id != first.worker_id
    assert "stalled" in (attempts[0].reason or "")
    assert "stopped by a signal" in (attempts[0].reason or "")
    assert frames(file) == 100


@contextmanager
def stand_in(cluster: Cluster, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [cluster.data / "bin" / "ffmpeg", *arguments],
        cwd=cluster.folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "DFFMPEG_NO_AGENT": "1"},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster in which whatever stalls is soon lost."""
    with Cluster(tmp_path_factory.mktemp("hasty"), *WORKERS) as running:
        configuration = running.data / "coordinator.toml"
        text = configuration.read_text()
        assert "#: stall = 900.0" in text
        configuration.write_text(text.replace("#: stall = 900.0", "stall = 1.5"))
        running.kill("coordinator")
        running.start("coordinator")
        yield running


def until_another_was_lost(cluster: Cluster, name: str) -> None:
    """Have a later job stall, and wait until that was noticed: by then it would have been of an earlier one.

    Args:
        name: of its file.
    """

    async def stall() -> None:
        async with cluster.client() as client:
            job_id = await submit(client, [*SLOW, "-t", "4", *CODEC, str(cluster.folder / name)])
            await running(client, job_id)
            [pid] = ffmpeg_of(cluster.folder, name)
            os.kill(pid, signal.SIGSTOP)
            _, attempts = await finished(client, job_id)
            assert attempts[0].outcome == "lost"

    trio.run(stall)


def test_a_program_whose_caller_has_paused_it_is_not_stalled(hasty: Cluster) -> None:
    arguments = ["-y", *SLOW, "-t", "3", *CODEC, "-f", "matroska", str(hasty.folder / "paused.mkv")]
    with stand_in(hasty, *arguments) as call:
        assert call.stderr is not None
        said = b""
        while b"frame=" not in said:
            assert select.select([call.stderr], [], [], GUARD)[0]
            said += os.read(call.stderr.fileno(), 65536)
        call.send_signal(signal.SIGTSTP)
        until_another_was_lost(hasty, "meanwhile.mkv")
        call.send_signal(signal.SIGCONT)
        _, rest = call.communicate(timeout=GUARD)
        assert call.returncode == 0, said + rest
    assert frames(hasty.folder / "paused.mkv") == 75


def test_a_program_that_waits_for_its_caller_is_not_stalled(hasty: Cluster) -> None:
    clip = subprocess.run(
        ["ffmpeg", "-v", "error", *SOURCE, "-t", "20", *CODEC, "-b:v", "8M", "-f", "nut", "-"],
        capture_output=True,
        check=True,
    ).stdout
    arguments = ["-y", "-f", "nut", "-i", "-", "-c", "copy", "-f", "nut", "-loglevel", "error", "-"]
    with stand_in(hasty, *arguments) as call:
        assert call.stdin is not None
        assert call.stdout is not None
        call.stdin.write(clip[: len(clip) // 2])
        call.stdin.flush()
        # It has nothing to read, and what it wrote is not read either.
        until_another_was_lost(hasty, "meantime.mkv")
        out, rest = call.communicate(clip[len(clip) // 2 :], timeout=GUARD)
        assert (call.returncode, rest) == (0, b"")
    assert len(out) > len(clip) // 2


async def test_a_rule_by_exit_code_and_one_by_stderr(tmp_path: Path) -> None:
    # A real ffmpeg behind it, once it has failed twice, each time in another way.
    flaky = program(
        tmp_path / "flaky",
        f"echo run >>{tmp_path}/runs\ncase $(wc -l <{tmp_path}/runs) in\n"
        '1) echo "Network is unreachable" >&2; exit 1;;\n2) exit 69;;\nesac\nexec ffmpeg "$@"',
    )
    with Cluster(tmp_path, *WORKERS, "--binary", f"ffmpeg={flaky}") as cluster:
        async with cluster.client() as client:
            rules: dict[str, Any] = {"retry_stderr": ["^Network is"], "retry_exit_codes": [69]}
            arguments = ["-nostdin", *SOURCE, "-t", "1", *CODEC, str(tmp_path / "flaky.mkv")]
            final, attempts = await finished(client, await submit(client, arguments, **rules))
            assert (final.status, final.losses) == ("completed", 2)
            assert [(one.outcome, one.exit_code) for one in attempts] == [
                ("failed", 1),
                ("failed", 69),
                ("completed", 0),
            ]
            plain, attempts = await finished(
                client, await submit(client, ["-i", "nowhere", "x.mkv"], **rules)
            )
            assert (plain.status, plain.exit_code, len(attempts)) == ("failed", 1, 1)
    assert frames(tmp_path / "flaky.mkv") == 25


async def test_what_runs_for_too_long_is_ended_gently_and_fails(cluster: Cluster) -> None:
    file = cluster.folder / "long.mkv"
    async with cluster.client() as client:
        job_id = await submit(client, [*SLOW, *CODEC, str(file)], run_timeout=3.0)
        final, attempts = await finished(client, job_id)
    assert (final.status, final.exit_code, final.attempt) == ("failed", None, 1)
    assert final.reason == "it ran for longer than 3 s"
    assert attempts[0].reason == final.reason
    # SIGINT came first: ffmpeg has finished its file.
    assert 0 < frames(file) < 500


async def test_progress_of_a_real_encode(cluster: Cluster) -> None:
    seen: list[JobRecord] = []
    async with cluster.client() as client:
        job_id = await submit(client, [*SLOW, "-t", "4", *CODEC, "-f", "null", "-"])
        with trio.fail_after(GUARD):
            async with client.follow(job_id, progress=True) as events:
                async for event in events:
                    if isinstance(event, Status):
                        seen.append(event.record)
    fractions = [record.progress.fraction for record in seen if record.progress and record.progress.fraction]
    assert len(fractions) >= 3
    assert fractions == sorted(fractions)
    assert (fractions[-1], seen[-1].status) == (1.0, "completed")
    assert seen[-1].progress is not None
    assert (seen[-1].progress.frame, seen[-1].progress.duration) == (100, 4.0)


async def test_a_line_of_progress_on_a_terminal(cluster: Cluster) -> None:
    async with cluster.client() as client:
        job_id = await submit(client, [*SLOW, "-t", "3", *CODEC, "-f", "null", "-"])
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "dffmpeg.client", "job", "attach", "--progress", job_id]
    command += ["--config", str(cluster.data / "client.toml")]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs
    ) as attached:
        os.close(theirs)
        shown = b""
        while select.select([ours], [], [], GUARD)[0]:
            try:
                shown += os.read(ours, 65536)
            except OSError:
                # Nobody has the other end any more.
                break
        assert attached.wait(GUARD) == 0, shown
    os.close(ours)
    assert re.search(rb"\r +[0-9.]+% \[#+-+\]  0:0[0-9] left  time 0:0[0-9]", shown)
    assert b"Input #0" not in shown
    assert b"frame=" not in shown
    quiet = subprocess.run([*command[:5], "--quiet", *command[6:]], capture_output=True, check=True)
    assert (quiet.stdout, quiet.stderr) == (b"", b"")
