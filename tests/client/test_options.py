"""Flags of `dffmpeg-client submit`, and what `client.toml` says for every job, at a coordinator."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from functools import partial

import msgspec
import pytest
import trio

from dffmpeg.client.api import Client
from dffmpeg.client.options import JobOptions
from dffmpeg.model.rules import Rules
from dffmpeg.wire.jobs import SubmitRequest
from tests.client.conftest import config_for
from tests.client.coordinator import Coordinator
from tests.client.jobs import Job
from tests.client.programs import Programs, assert_one_line

ALL_FLAGS = (
    *("--name", "The film", "--label", "tv", "--label", "night", "--priority", "urgent"),
    *("--require", "encoder=hevc_nvenc", "--require", "label=gpu"),
    *("--after", "01JA,01JB", "--after", "01JC", "--size", "2e9"),
    *("--pending-timeout", "10m", "--assignment-timeout", "5s", "--lease", "90"),
    *("--run-timeout", "2h", "--stall-timeout", "1m30s", "--max-attempts", "5"),
    *("--retry-on-exit", "69,187", "--retry-on-exit", "1", "--retry-on-stderr", "device.*lost"),
    *("--fail-if-impossible", "--retention", "7d", "--hook", "https://media.example/done"),
)
EXPECTED = {
    "name": "The film",
    "labels": ["tv", "night"],
    "priority": "urgent",
    "require": ["encoder=hevc_nvenc", "label=gpu"],
    "after": ["01JA", "01JB", "01JC"],
    "size": 2e9,
    "pending_timeout": 600.0,
    "assignment_timeout": 5.0,
    "lease": 90.0,
    "run_timeout": 7200.0,
    "stall_timeout": 90.0,
    "max_attempts": 5,
    "retry_exit_codes": [69, 187, 1],
    "retry_stderr": ["device.*lost"],
    "impossible": "fail",
    "retention": 604_800.0,
    "hooks": ["https://media.example/done"],
}


async def complete(job: Job) -> None:
    job.start()
    job.finish(exit_code=0)


def said(sent: SubmitRequest) -> dict[str, object]:
    """What is said of the job beyond what it runs."""
    about = {"binary_name", "arguments", "job_id", "launch", "supported_transports", "monitor"}
    about |= {"heartbeat_interval", "client_paths", "paths", "working_directory"}
    values: dict[str, object] = msgspec.to_builtins(sent)
    return {name: value for name, value in values.items() if name not in about}


@pytest.mark.parametrize("detached", [True, False])
async def test_every_flag_arrives(coordinator: Coordinator, programs: Programs, detached: bool) -> None:
    coordinator.behave = complete
    mode = ["--detach", "--idempotency-key", "night 7"] if detached else []
    code, _, err = await programs.run(
        "dffmpeg-client", "submit", *mode, *ALL_FLAGS, "-b", "ffmpeg", "--", "-x"
    )
    assert (code, err) == (0, b"")
    [sent] = coordinator.submitted
    assert sent.arguments == ["-x"]
    assert said(sent) == EXPECTED | ({"idempotency_key": "night 7"} if detached else {})


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2040-01-31T22:00Z", 2_211_660_000.0),
        ("2040-01-31T22:00+02:00", 2_211_652_800.0),
        ("2040-01-31 22:00", datetime(2040, 1, 31, 22).timestamp()),
        ("+10m", None),
    ],
)
async def test_a_start(coordinator: Coordinator, programs: Programs, text: str, moment: float | None) -> None:
    before = time.time()
    await programs.run("dffmpeg-client", "submit", "--detach", "--start-at", text, "-b", "ffmpeg")
    found = coordinator.submitted[0].start_at
    assert found is not None
    if moment is None:
        assert before + 600 <= found <= time.time() + 600
    else:
        assert found == moment


@pytest.mark.parametrize("detached", [True, False])
async def test_a_start_that_has_passed_is_told(
    coordinator: Coordinator, programs: Programs, detached: bool
) -> None:
    coordinator.behave = complete
    flags = ["--detach"] if detached else []
    arguments = ["submit", *flags, "--start-at", "2020-01-31T22:00Z", "-b", "ffmpeg"]
    code, _, err = await programs.run("dffmpeg-client", *arguments)
    assert code == 0
    assert_one_line(err, "has passed, so the job does not wait for it")
    assert coordinator.submitted[0].start_at == 1_580_508_000.0


async def test_what_the_file_says_is_said_of_stand_ins_too(
    coordinator: Coordinator, programs: Programs
) -> None:
    coordinator.behave = complete
    section = """
    [job]
    priority = -20
    labels = ["plex"]
    run_timeout = 36000.0
    retry_exit_codes = [187]
    impossible = "fail"
    """
    programs.configure(coordinator.url, more=section)
    file = {
        "priority": -20,
        "labels": ["plex"],
        "run_timeout": 36000.0,
        "retry_exit_codes": [187],
        "impossible": "fail",
    }
    await programs.run("ffmpeg", "-i", "x")
    assert said(coordinator.submitted[0]) == file
    await programs.run("dffmpeg-client", "submit", "--detach", "--priority", "5", "-b", "ffmpeg")
    assert said(coordinator.submitted[1]) == file | {"priority": 5}
    await programs.run("dffmpeg-client", "submit", "--label", "by-hand", "-b", "ffmpeg")
    assert said(coordinator.submitted[2]) == file | {"labels": ["by-hand"]}


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (("--label", "two words"), "--label: expected letters, digits"),
        (("--priority", "101"), "--priority: expected a number from -100 to 100"),
        (("--priority", "very high"), "--priority: expected letters, digits"),
        (("--after", "a,,b"), "--after: expected letters, digits"),
        (("--start-at", "tomorrow"), "--start-at: expected a time such as"),
        (("--start-at", "+soon"), "--start-at: expected a duration"),
        (("--retention", "forever"), "--retention: expected a duration"),
        (("--run-timeout", "0"), "--run-timeout: expected a duration"),
        (("--max-attempts", "101"), "--max-attempts: expected a whole number from 1 to 100"),
        (("--retry-on-exit", "0"), "--retry-on-exit: expected exit codes from 1 to 255; 0 is no failure"),
        (("--lease", "0.1"), "--lease: expected at least 1s"),
        (("--hook", "https://media.example/#here"), "--hook: expected a URL without a fragment"),
        (("--retry-on-exit", "1,256"), "--retry-on-exit: expected exit codes from 1 to 255"),
        (("--retry-on-stderr", "(lost"), "--retry-on-stderr: expected a regular expression"),
        (("--hook", "file:///etc/passwd"), "--hook: expected a URL"),
        (("--size", "big"), "--size: expected a number"),
        (("--name", ""), "--name: expected 1 to 200 characters"),
        (("--idempotency-key", "k"), "--idempotency-key needs --detach"),
    ],
)
async def test_what_does_not_fit_is_said_before_anything_is_sent(
    coordinator: Coordinator, programs: Programs, flags: tuple[str, ...], text: str
) -> None:
    code, out, err = await programs.run("dffmpeg-client", "submit", *flags, "-b", "ffmpeg")
    assert (code, out) == (120, b"")
    assert_one_line(err, text)
    assert coordinator.submitted == []


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("priority = 101", "job.priority: expected an integer from -100 to 100 or a string, got 101"),
        ('labels = ["two words"]', "job.labels[0]: expected letters, digits"),
        ("retry_exit_codes = [256]", "job.retry_exit_codes[0]: expected a number from 1 to 255"),
        ('retry_stderr = ["("]', "job.retry_stderr[0]: expected a regular expression"),
        ('hooks = ["file:///x"]', "job.hooks[0]: expected a URL"),
        ("run_timeout = 0", "job.run_timeout: expected a number above 0"),
    ],
)
async def test_a_section_that_does_not_fit(
    coordinator: Coordinator, programs: Programs, line: str, text: str
) -> None:
    programs.configure(coordinator.url, more=f"[job]\n{line}")
    code, _, err = await programs.run("dffmpeg-client", "submit", "--detach", "-b", "ffmpeg")
    assert code == 120
    assert_one_line(err, text)


async def test_all_of_it_is_shown(coordinator: Coordinator, programs: Programs) -> None:
    job = coordinator.job(
        "pending",
        name="The film",
        labels=["tv"],
        priority=7,
        after=["01JA", "01JB"],
        blocked=1,
        rules=Rules(
            run_timeout=7200.0, retention=86_400.0, retry_exit_codes=(69,), hooks=("https://media.example/",)
        ),
    )
    _, out, _ = await programs.run("dffmpeg-client", "job", "show", job.record.job_id)
    shown = {line.split("  ")[0]: line.split("  ")[-1].strip() for line in out.decode().splitlines()}
    assert shown["name"] == "The film"
    assert shown["labels"] == "tv"
    assert shown["priority"] == "7"
    assert shown["after"] == "01JA, 01JB (1 of them not completed yet)"
    assert (shown["run timeout"], shown["retention"]) == ("2h", "1d")
    assert (shown["run again on exit"], shown["hooks"]) == ("69", "https://media.example/")
    _, out, _ = await programs.run("dffmpeg-client", "job", "list")
    header, row = out.decode().splitlines()
    assert "NAME" in header
    assert "The film" in row


async def test_a_job_that_was_canceled_waits_for_no_other(
    coordinator: Coordinator, programs: Programs
) -> None:
    job = coordinator.job("canceled", after=["01JA"], blocked=1)
    _, out, _ = await programs.run("dffmpeg-client", "job", "show", job.record.job_id)
    (line,) = [line for line in out.decode().splitlines() if line.startswith("after")]
    assert line.split() == ["after", "01JA"]


@asynccontextmanager
async def losing_the_first_answer(coordinator: Coordinator) -> AsyncIterator[str]:
    """A way to the coordinator on which the first answer gets lost; yields its URL."""
    host, _, port = coordinator.url.removeprefix("http://").partition(":")
    lost: list[bytes] = []

    async def pump(source: trio.SocketStream, sink: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async for data in source:
                await sink.send_all(data)

    async def serve(near: trio.SocketStream) -> None:
        far = await trio.open_tcp_stream(host, int(port))
        async with near, far, trio.open_nursery() as nursery:
            nursery.start_soon(pump, near, far)
            if lost:
                await pump(far, near)
            else:
                lost.append(await far.receive_some())
            nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        listeners: list[trio.SocketListener] = await nursery.start(
            partial(trio.serve_tcp, serve, 0, host=host)
        )
        yield f"http://{host}:{listeners[0].socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


async def test_a_submission_with_a_key_is_sent_again_when_its_answer_was_lost(
    coordinator: Coordinator,
) -> None:
    async with losing_the_first_answer(coordinator) as url, Client(config_for(url)) as client:
        record = await client.submit("ffmpeg", [], monitor=True, job=JobOptions(idempotency_key="k"))
    first, second = coordinator.submitted
    assert first == second
    assert (record.job_id, first.idempotency_key) == (first.job_id, "k")


async def test_one_without_a_key_is_the_same_job_by_its_id(coordinator: Coordinator) -> None:
    async with losing_the_first_answer(coordinator) as url, Client(config_for(url)) as client:
        record = await client.submit("ffmpeg", [])
    first, second = coordinator.submitted
    assert first == second
    assert record.job_id == first.job_id
