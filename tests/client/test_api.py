"""The Python interface against a server on real sockets."""

from __future__ import annotations

import os

import pytest
import trio

from dffmpeg.client.api import Client
from dffmpeg.client.events import Event, Gap, Output, Status
from dffmpeg.client.options import JobOptions
from dffmpeg.client.progress import OutputDiffers, OutputLost
from dffmpeg.errors import BadInput, ConfigurationError, NotConnected, Refused
from dffmpeg.transports.follow_websocket import WebSocketUnavailable
from dffmpeg.wire.frames import Frame, Kind
from dffmpeg.wire.jobs import JobRecord
from dffmpeg.wire.signature import encode_key
from tests.client.conftest import config_for
from tests.client.coordinator import Coordinator, Job, free_port, running, worker


class Sinks:
    """Gathers a job's output."""

    def __init__(self) -> None:
        self.out = bytearray()
        self.err = bytearray()

    async def stdout(self, data: bytes) -> None:
        self.out += data

    async def stderr(self, data: bytes) -> None:
        self.err += data


async def follow_all(client: Client, job_id: str, *, owner: bool = False) -> list[Event]:
    async with client.follow(job_id, owner=owner) as events:
        return [event async for event in events]


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


async def test_broken_connections_lose_and_repeat_nothing(coordinator: Coordinator, client: Client) -> None:
    data = os.urandom(600_000)
    coordinator.close_after = [0, 1, 65_536, 65_537, 300_000]
    coordinator.overlap = 1000

    async def behave(job: Job) -> None:
        job.start()
        job.write(data)
        job.finish(exit_code=0)

    coordinator.behave = behave
    sinks = Sinks()
    await client.run("ffmpeg", [], stdout=sinks.stdout, stderr=sinks.stderr)
    assert sinks.out == data
    assert coordinator.close_after == []


async def test_a_new_attempt_continues_where_the_old_one_ended(
    coordinator: Coordinator, client: Client
) -> None:
    delivered = trio.Event()

    async def behave(job: Job) -> None:
        job.start()
        job.write(b"0123456789")
        job.write(b"first", Kind.STDERR)
        await delivered.wait()
        job.start()
        job.write(b"0123456789abc")
        job.write(b"second", Kind.STDERR)
        job.finish(exit_code=0)

    coordinator.behave = behave
    sinks = Sinks()

    async def stdout(data: bytes) -> None:
        await sinks.stdout(data)
        if sinks.out == b"0123456789" and sinks.err == b"first":
            delivered.set()

    async def stderr(data: bytes) -> None:
        await sinks.stderr(data)
        if sinks.out == b"0123456789" and sinks.err == b"first":
            delivered.set()

    await client.run("ffmpeg", [], stdout=stdout, stderr=stderr)
    assert (bytes(sinks.out), bytes(sinks.err)) == (b"0123456789abc", b"firstsecond")


async def test_a_new_attempt_that_differs_fails_and_cancels(coordinator: Coordinator, client: Client) -> None:
    delivered = trio.Event()

    async def behave(job: Job) -> None:
        job.start()
        job.write(b"0123456789")
        await delivered.wait()
        job.start()
        job.write(b"012345678X")
        await job.canceled.wait()

    coordinator.behave = behave
    sinks = Sinks()

    async def stdout(data: bytes) -> None:
        await sinks.stdout(data)
        delivered.set()

    with pytest.raises(OutputDiffers):
        await client.run("ffmpeg", [], stdout=stdout, stderr=sinks.stderr)
    assert sinks.out == b"0123456789"
    assert next(iter(coordinator.jobs.values())).canceled.is_set()


async def test_a_slow_sink_holds_acknowledgements_back_but_not_the_other_stream(
    coordinator: Coordinator, client: Client
) -> None:
    coordinator.window = 1000
    stuck, go_on, told = trio.Event(), trio.Event(), trio.Event()

    async def behave(job: Job) -> None:
        job.start()
        job.write(bytes(5000))
        await stuck.wait()
        job.write(b"still here", Kind.STDERR)
        await told.wait()
        assert job.position.stdout == 0
        go_on.set()
        job.finish(exit_code=0)

    coordinator.behave = behave
    sinks = Sinks()

    async def stdout(data: bytes) -> None:
        stuck.set()
        await go_on.wait()
        await sinks.stdout(data)

    async def stderr(data: bytes) -> None:
        told.set()

    await client.run("ffmpeg", [], stdout=stdout, stderr=stderr)
    assert sinks.out == bytes(5000)


async def test_a_silent_job_is_kept_alive_over_the_websocket(coordinator: Coordinator) -> None:
    async def behave(job: Job) -> None:
        job.start()
        await job.until(lambda: job.signs >= 5)
        job.finish(exit_code=0)

    coordinator.behave = behave
    async with Client(config_for(coordinator.url, heartbeat_interval=0.05)) as client:
        outcome = await client.run("ffmpeg", [], stdout=Sinks().stdout, stderr=Sinks().stderr)
    assert outcome.exit_code == 0


@pytest.mark.parametrize("transport", ["websocket", "http_polling"])
async def test_a_stuck_sink_does_not_cost_the_lease(coordinator: Coordinator, transport: str) -> None:
    go_on = trio.Event()

    async def behave(job: Job) -> None:
        job.start()
        job.write(b"abc")
        before = job.signs
        await job.until(lambda: job.signs + job.heartbeats >= before + 5)
        assert job.position.stdout == 0
        go_on.set()
        job.finish(exit_code=0)

    coordinator.behave = behave
    sinks = Sinks()

    async def stdout(data: bytes) -> None:
        await go_on.wait()
        await sinks.stdout(data)

    config = config_for(coordinator.url, heartbeat_interval=0.05, transports=[transport])
    async with Client(config) as client:
        await client.run("ffmpeg", [], stdout=stdout, stderr=sinks.stderr)
    assert sinks.out == b"abc"


async def test_a_coordinator_that_comes_back_is_found_again() -> None:
    notes: list[str] = []
    sinks = Sinks()
    port = free_port()
    cut, told, ended = trio.Event(), trio.Event(), trio.Event()

    async def stdout(data: bytes) -> None:
        await sinks.stdout(data)
        cut.set()

    def note(line: str) -> None:
        notes.append(line)
        told.set()

    async with (
        Client(config_for(f"http://127.0.0.1:{port}"), note=note) as client,
        trio.open_nursery() as nursery,
    ):
        async with running(port) as first:
            job = first.job()
            job.write(b"0123")

            async def deliver() -> None:
                outcome = await client.deliver(
                    job.record.job_id, stdout=stdout, stderr=sinks.stderr, owner=True
                )
                assert outcome.exit_code == 5
                ended.set()

            nursery.start_soon(deliver)
            await cut.wait()
        await told.wait()
        async with running(port) as second:
            again = second.job()
            again.write(b"01234567")
            again.finish("failed", exit_code=5)
            with trio.fail_after(60):
                await ended.wait()
    assert sinks.out == b"01234567"
    assert "was interrupted, trying again" in notes[0]


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


async def test_follow_hands_out_typed_events(coordinator: Coordinator, client: Client) -> None:
    job = coordinator.job()
    job.write(b"abc")
    job.kept_from[Kind.STDOUT] = 1
    job.finish(exit_code=0)
    seen = await follow_all(client, job.record.job_id)
    assert [type(event) for event in seen] == [Gap, Output, Status]
    assert seen[0] == Gap(Kind.STDOUT, 1)
    assert seen[1] == Output(Kind.STDOUT, b"bc")
    assert isinstance(seen[2], Status)
    assert seen[2].record.status == "completed"
    assert not coordinator.positions[0].owner


async def test_an_event_is_acknowledged_when_the_next_one_is_asked_for(
    coordinator: Coordinator, client: Client
) -> None:
    job = coordinator.job()
    job.write(b"abc")
    async with client.follow(job.record.job_id, owner=True) as events:
        async for event in events:
            if isinstance(event, Output):
                break
        assert job.position.stdout == 0
        job.finish(exit_code=0)
        rest = [event async for event in events]
        assert isinstance(rest[-1], Status)


async def test_following_can_be_left_in_the_middle(coordinator: Coordinator, client: Client) -> None:
    job = coordinator.job()
    job.write(b"abc")
    async with client.follow(job.record.job_id) as events:
        async for _ in events:
            break
    assert not job.canceled.is_set()


async def test_follow_raises_what_is_final(coordinator: Coordinator, client: Client) -> None:
    with pytest.raises(Refused, match="no such job"):
        await follow_all(client, "01JNONE")


async def test_the_owner_does_not_accept_lost_output(coordinator: Coordinator, client: Client) -> None:
    job = coordinator.job()
    job.write(b"abcdef")
    job.kept_from[Kind.STDOUT] = 3
    with pytest.raises(OutputLost, match="gap from byte 0 to 3"):
        await follow_all(client, job.record.job_id, owner=True)


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


async def test_submit_is_repeated_only_where_nothing_happened(
    coordinator: Coordinator, client: Client
) -> None:
    coordinator.refuse_submit = [503, 429]
    await client.submit("ffmpeg", [])
    assert len(coordinator.submitted) == 1
    coordinator.refuse_submit = [502]
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
