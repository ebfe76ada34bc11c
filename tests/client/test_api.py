"""The Python interface against a server on real sockets."""

from __future__ import annotations

import os

import pytest
import trio

from dffmpeg.client.api import Client
from dffmpeg.client.options import JobOptions
from dffmpeg.errors import BadInput, ConfigurationError, NotConnected, Refused
from dffmpeg.transports.follow_websocket import WebSocketUnavailable
from dffmpeg.wire.frames import Frame, Kind
from dffmpeg.wire.jobs import JobRecord
from dffmpeg.wire.signature import encode_key
from tests.client.conftest import config_for
from tests.client.coordinator import Coordinator, free_port, worker
from tests.client.jobs import Job
from tests.client.sinks import Sinks


async def test_run_returns_output_and_exit_code(coordinator: Coordinator, client: Client) -> None:
    data = os.urandom(5_000_000)

    async def behave(job: Job) -> None:
        job.start()
        job.write(b"frame=1\rframe=2\r\xff\xfe", Kind.STDERR)
        job.write(data)
        job.finish(exit_code=3, status="failed")

    coordinator.behave = behave
    sinks = Sinks()
    outcome = await client.run("ffmpeg", ["-i", b"\xff.mkv"], stdout=sinks.stdout, stderr=sinks.stderr)
    assert sinks.out == data
    assert sinks.err == b"frame=1\rframe=2\r\xff\xfe"
    assert (outcome.exit_code, outcome.signal, outcome.problem) == (3, None, None)
    assert coordinator.submitted[0].monitor


@pytest.mark.parametrize("status", [404, 426, 501, 403])
async def test_where_no_websocket_gets_through_it_polls(
    coordinator: Coordinator, client: Client, status: int
) -> None:
    coordinator.refuse_websocket = status
    data = os.urandom(1_000_000)

    async def behave(job: Job) -> None:
        job.start()
        for begin in range(0, len(data), 100_000):
            job.write(data[begin : begin + 100_000])
        job.write(b"e", Kind.STDERR)
        job.finish(exit_code=0)

    coordinator.behave = behave
    sinks = Sinks()
    outcome = await client.run("ffmpeg", [], stdout=sinks.stdout, stderr=sinks.stderr)
    assert (bytes(sinks.out), bytes(sinks.err), outcome.exit_code) == (data, b"e", 0)
    assert sum(request.startswith("WS") for request in coordinator.requests) == 1


async def test_polling_alone_when_the_configuration_says_so(coordinator: Coordinator) -> None:
    coordinator.behave = _hello
    async with Client(config_for(coordinator.url, transports=["http_polling"])) as client:
        sinks = Sinks()
        await client.run("ffmpeg", [], stdout=sinks.stdout, stderr=sinks.stderr)
    assert sinks.out == b"hello"
    assert not any(request.startswith("WS") for request in coordinator.requests)


async def test_websocket_alone_says_why_it_cannot(coordinator: Coordinator) -> None:
    coordinator.refuse_websocket = 426
    coordinator.behave = _hello
    async with Client(config_for(coordinator.url, transports=["websocket"])) as client:
        sinks = Sinks()
        with pytest.raises(WebSocketUnavailable, match="HTTP 426"):
            await client.run("ffmpeg", [], stdout=sinks.stdout, stderr=sinks.stderr)


async def _hello(job: Job) -> None:
    job.start()
    job.write(b"hello")
    job.finish(exit_code=0)


async def test_a_cancelled_run_cancels_the_job(coordinator: Coordinator, client: Client) -> None:
    with trio.CancelScope() as scope:

        async def behave(job: Job) -> None:
            job.start()
            job.write(b"x")

        async def stdout(data: bytes) -> None:
            scope.cancel()

        coordinator.behave = behave
        await client.run("ffmpeg", [], stdout=stdout, stderr=Sinks().stderr)
    assert scope.cancelled_caught
    assert next(iter(coordinator.jobs.values())).canceled.is_set()


async def test_a_gap_that_is_filled_is_no_loss(coordinator: Coordinator, client: Client) -> None:
    coordinator.behave = _hello
    dropped = False

    def drop_first(found: list[Frame]) -> list[Frame]:
        nonlocal dropped
        if not dropped and any(frame.payload == b"hello" for frame in found):
            dropped = True
            return [Frame(Kind.STDOUT, 1, 3, b"lo")]
        return found

    coordinator.mangle = drop_first
    sinks = Sinks()
    await client.run("ffmpeg", [], stdout=sinks.stdout, stderr=sinks.stderr)
    assert (bytes(sinks.out), dropped) == (b"hello", True)


@pytest.mark.parametrize(("code", "status"), [(4401, 401), (4403, 403), (4404, 404)])
async def test_a_final_close_is_an_answer(
    coordinator: Coordinator, client: Client, code: int, status: int
) -> None:
    job = coordinator.job()
    coordinator.close_after, coordinator.close_codes = [0], [code]
    with pytest.raises(Refused) as caught:
        await client.deliver(job.record.job_id, stdout=Sinks().stdout, stderr=Sinks().stderr)
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("changes", "exit_code", "number", "problem"),
    [
        ({"status": "completed", "exit_code": 0}, 0, None, None),
        ({"status": "failed", "exit_code": 187}, 187, None, None),
        ({"status": "failed", "signal": 11}, None, 11, None),
        ({"status": "failed", "reason": "no worker"}, None, None, "no worker"),
        ({"status": "failed"}, None, None, "no exit code was reported"),
        ({"status": "canceled", "exit_code": 255}, 255, None, "was canceled"),
    ],
)
async def test_outcomes(
    coordinator: Coordinator,
    client: Client,
    changes: dict[str, object],
    exit_code: int | None,
    number: int | None,
    problem: str | None,
) -> None:
    job = coordinator.job()
    job.finish(**changes)  # type: ignore[arg-type]
    outcome = await client.deliver(job.record.job_id, stdout=Sinks().stdout, stderr=Sinks().stderr)
    assert (outcome.exit_code, outcome.signal) == (exit_code, number)
    assert (outcome.problem is None) if problem is None else (problem in (outcome.problem or ""))


async def test_paths_become_variables(coordinator: Coordinator) -> None:
    config = config_for(
        coordinator.url, paths={"Movies": "/mnt/movies", "Tv": "/mnt/tv"}, pending_timeout=7.0
    )
    async with Client(config) as client:
        await client.submit(
            "ffmpeg",
            ["-i", "/mnt/movies/a.mkv", b"/mnt/\xff", "$HOME"],
            cwd="/mnt/tv/x",
            job=JobOptions(max_attempts=2),
        )
    sent = coordinator.submitted[0]
    assert sent.arguments[:2] == ["-i", "$Movies/a.mkv"]
    assert sent.arguments[3] == "$$HOME"
    assert sent.working_directory == "$Tv/x"
    assert sent.paths == ["Movies", "Tv"]
    assert sent.client_paths == {"Movies": "/mnt/movies", "Tv": "/mnt/tv"}
    assert (sent.pending_timeout, sent.max_attempts, sent.monitor) == (7.0, 2, False)


async def test_submit_is_repeated_where_that_may_help(coordinator: Coordinator, client: Client) -> None:
    coordinator.refuse_submit = [503, 429, 502, 504]
    await client.submit("ffmpeg", [])
    assert len(coordinator.submitted) == 1
    coordinator.refuse_submit = [500]
    with pytest.raises(Refused):
        await client.submit("ffmpeg", [])


async def test_an_unreachable_coordinator_is_an_error_after_the_time() -> None:
    async with Client(config_for(f"http://127.0.0.1:{free_port()}", connect_timeout=0.3)) as client:
        with pytest.raises(NotConnected, match="is the coordinator running there"):
            await client.submit("ffmpeg", [])


async def test_questions(coordinator: Coordinator, client: Client) -> None:
    job = coordinator.job()
    coordinator.workers = [worker()]
    assert isinstance(await client.status(job.record.job_id), JobRecord)
    assert [each.job_id for each in await client.jobs(60, 5)] == [job.record.job_id]
    assert (await client.cancel(job.record.job_id)).status == "ok"
    assert [each.worker_id for each in await client.workers()] == ["w1"]
    assert (await client.worker("w1")).slots == 4
    assert [line.content for line in await client.logs(job.record.job_id)] == ["frame=1\x1b[2J"] * 2
    with pytest.raises(Refused, match="no such worker"):
        await client.worker("w2")


@pytest.mark.parametrize("text", ["", "../admin", "a/b", "a?b", "ü", "a" * 200])
async def test_an_identifier_cannot_become_another_path(client: Client, text: str) -> None:
    with pytest.raises(BadInput, match="not the name of a job"):
        await client.status(text)


@pytest.mark.parametrize("changes", [{"hmac_key": "x"}, {"paths": {"A": "/"}}])
def test_unusable_configurations(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        Client(config_for("http://127.0.0.1:1", **changes))


async def test_a_wrong_key_is_refused(coordinator: Coordinator) -> None:
    async with Client(config_for(coordinator.url, hmac_key=encode_key(b"x" * 32))) as client:
        with pytest.raises(Refused, match="signature does not match") as caught:
            await client.submit("ffmpeg", [])
    assert caught.value.status == 401
