"""The WebSocket on which jobs are run, one after the other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import trio
from trio_websocket import ConnectionClosed, ConnectionRejected, WebSocketConnection
from ulid import ULID

from dffmpeg.actors.coordinator.operations import Conflict
from dffmpeg.wire import codec, frames
from dffmpeg.wire.frames import Frame, Kind
from dffmpeg.wire.jobs import JobRecord, SubmitRequest
from tests.web.conftest import Site

PATIENCE = 60.0


@asynccontextmanager
async def running(site: Site, name: str = "client") -> AsyncIterator[WebSocketConnection]:
    with trio.fail_after(PATIENCE):
        async with site.websocket("/jobs/run", name) as connection:
            yield connection


def submission(**fields: Any) -> str:
    given = {"binary_name": "ffmpeg", "monitor": True, "job_id": str(ULID()), **fields}
    return codec.encode({"submit": SubmitRequest(**given)}).decode()


async def submit(connection: WebSocketConnection, **fields: Any) -> JobRecord:
    await connection.send_message(submission(**fields))
    return msgspec.convert(await answer(connection, "job"), JobRecord)


async def answer(connection: WebSocketConnection, key: str) -> dict[str, Any]:
    message = await connection.get_message()
    assert isinstance(message, str)
    given: dict[str, Any] = codec.decode(message, dict[str, Any])
    assert list(given) == [key]
    found: dict[str, Any] = given[key]
    return found


async def to_the_end(connection: WebSocketConnection) -> list[Frame]:
    news: list[Frame] = []
    while True:
        message = await connection.get_message()
        assert isinstance(message, bytes)
        news += frames.decode_all(message)
        if news[-1].kind is Kind.STATUS and codec.decode(news[-1].payload, JobRecord).finished:
            return news


async def closed(connection: WebSocketConnection) -> int:
    while True:
        try:
            await connection.get_message()
        except ConnectionClosed as error:
            return 0 if error.reason is None else int(error.reason.code)


async def test_one_job_after_the_other(site: Site) -> None:
    async with running(site) as connection:
        for number in range(3):
            job = await submit(connection, arguments=[str(number)])
            assert site.operations.all[job.job_id].record.arguments == [str(number)]
            site.operations.write(job.job_id, Kind.STDOUT, b"out")
            site.operations.end(job.job_id, exit_code=number)
            news = await to_the_end(connection)
            assert b"".join(frame.payload for frame in news if frame.kind is Kind.STDOUT) == b"out"
            assert codec.decode(news[-1].payload, JobRecord).exit_code == number
            # One that comes late belongs to a job that has ended: nobody looks at it.
            await connection.send_message('{"position":{"attempt":1,"stdout":3,"owner":true}}')
    assert all(not job.positions for job in site.operations.all.values())


async def test_positions_and_input_reach_the_job(site: Site) -> None:
    async with running(site) as connection:
        job = await submit(connection)
        known = site.operations.all[job.job_id]
        await connection.send_message('{"position":{"attempt":1,"stdout":3,"owner":true}}')
        await site.operations.until(lambda: bool(known.positions))
        piece = Frame(Kind.INPUT, 1, 0, b"q", descriptor=0)
        await connection.send_message(frames.encode(piece))
        await site.operations.until(lambda: known.inputs == [piece])
        assert (known.positions[0].stdout, known.positions[0].owner) == (3, True)


async def test_an_owner_that_goes_is_noticed(site: Site) -> None:
    async with running(site) as connection:
        job = await submit(connection)
        await connection.get_message()
    with trio.fail_after(PATIENCE):
        await site.operations.until(lambda: bool(site.operations.departures))
    assert site.operations.departures == [(job.job_id, True, True)]


async def test_what_is_refused_is_told_and_the_connection_goes_on(site: Site) -> None:
    async with running(site) as connection:
        for wrong in (submission(job_id=None), submission(monitor=False)):
            await connection.send_message(wrong)
            assert (await answer(connection, "error"))["status"] == 422
        site.operations.failure = Conflict("there is another job")
        await connection.send_message(submission())
        assert await answer(connection, "error") == {"status": 409, "detail": "there is another job"}
        site.operations.failure = None
        await submit(connection)


@pytest.mark.parametrize(
    ("message", "code"),
    [("{", 1008), ('{"submit":{"binary_name":1}}', 1008), ('{"submit":"' + "x" * 2_100_000 + '"}', 1009)],
    ids=["no JSON", "not a submission", "too large"],
)
async def test_bad_messages(site: Site, message: str, code: int) -> None:
    async with running(site) as connection:
        await connection.send_message(message)
        assert await closed(connection) == code


async def test_one_job_at_a_time(site: Site) -> None:
    async with running(site) as connection:
        await submit(connection)
        await connection.send_message(submission())
        await connection.send_message(submission())
        assert await closed(connection) == 1008


async def test_a_large_submission_fits(site: Site) -> None:
    async with running(site) as connection:
        job = await submit(connection, arguments=["x" * 900_000])
        assert len(str(job.arguments[0])) == 900_000


async def test_workers_run_nothing(site: Site) -> None:
    with pytest.raises(ConnectionRejected) as caught:
        async with running(site, "worker"):
            pass
    assert caught.value.status_code == 403


async def test_a_stop_sends_callers_elsewhere(site: Site) -> None:
    async with running(site) as connection:
        await submit(connection)
        site.app.closing.begin()
        assert await closed(connection) == 1012
    # It is not the owner who went.
    assert all(not gone for _, _, gone in site.operations.departures)
