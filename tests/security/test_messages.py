"""Every message on every WebSocket: first and later, with each role, about its own and about others' jobs.

A real coordinator, real sockets. What is expected comes out of `dffmpeg.web.access` alone; what is refused
changes nothing, neither in the store nor in what the job's actor knows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import get_args

import httpx
import msgspec
import pytest
import trio
from trio_websocket import ConnectionRejected

from dffmpeg.model.access import Reach
from dffmpeg.model.identities import Role
from dffmpeg.web import run
from dffmpeg.web.access import ACCESS, MESSAGES, Refusal, reach, reach_of_message
from dffmpeg.wire.frames import Frame, Kind
from dffmpeg.wire.jobs import FinishReport
from dffmpeg.wire.link import CallRoute
from tests.security.messages import (
    BARRIER,
    GENUINE,
    REPORTS,
    Line,
    begin,
    headers_of,
    message,
    new_job,
    spoken,
    submission,
    truth,
)
from tests.security.test_cells import NAMES, Ground, ground
from tests.web.conftest import KEYS, sign
from tests.web.live import identity

WHO = (*NAMES.values(), "visitor", "nobody")
"""A visitor comes from where one may look without a signature, nobody from elsewhere."""

RUN, FOLLOW = "WEBSOCKET /jobs/run", "WEBSOCKET /jobs/<job_id>/follow"
DOWNLINKS = [route for route in MESSAGES if "/downlink" in route]
SILENT = [route for route, messages in MESSAGES.items() if not messages]


def role_of(route: str, who: str) -> Role | None:
    """As what somebody comes in, without a look at whose it is; None for who does not."""
    role = {"visitor": Role.VIEWER, "nobody": None}.get(who) or (KEYS[who][0] if who in KEYS else None)
    roles = ACCESS[route]
    assert roles is not None
    return role if role in roles else None


def door(route: str, who: str, whose: str) -> int:
    """With what a handshake has to be answered."""
    role = role_of(route, who)
    if role is None:
        return 403 if who in KEYS else 401
    return 403 if whose == "another's" and reach(route, role) is Reach.OWN else 101


def target_of(route: str, job_id: str, worker: str = "worker") -> str:
    path = route.partition(" ")[2].replace("<job_id>", job_id)
    return path.replace("<worker_id>", worker).replace("<instance>", "X")


@asynccontextmanager
async def others_jobs(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Ground, dict[str, str]]]:
    """Another's jobs, by state. What runs ends as its own worker says, with what that one sent."""
    async with ground(folder, monkeypatch) as site:
        states = ("pending", "assigned", "running")
        theirs = {state: await new_job(site, "other", site.others, state) for state in states}
        before = {state: await truth(site, job_id) for state, job_id in theirs.items()}
        yield site, theirs
        operations, others = site.running.coordinator.operations, site.others.who
        # What is held against the one who tried is its own.
        for state, job_id in theirs.items():
            assert without_workers(await truth(site, job_id)) == without_workers(before[state]), state
        end = Frame(Kind.STDOUT, 1, len(GENUINE), b", all of it", eof=True)
        await operations.output(others, theirs["running"], [end])
        report = FinishReport(status="failed", exit_code=7, attempt=1)
        await operations.finish(others, theirs["running"], report)
        record = await operations.job(identity("other"), theirs["running"])
        assert (record.status, record.exit_code, record.attempt) == ("failed", 7, 1)
        path = f"/api/v1/jobs/{theirs['running']}/log/download?stream=stdout"
        async with httpx.AsyncClient(base_url=site.running.url, trust_env=False) as client:
            log = await client.get(path, headers=sign("other", "GET", path))
        assert log.content == GENUINE + b", all of it"


def without_workers(known: object) -> object:
    assert isinstance(known, list)
    return known[:2] + known[4:]


async def outcome(site: Ground, line: Line, job_id: str, before: object) -> Refusal | None:
    """How a message was refused; None where it was taken, and changed something."""
    while True:
        found = line.refusal()
        changed = await truth(site, job_id) != before
        if found is not None:
            assert not changed, f"{found}, and yet it changed something"
            return found
        if changed:
            return None
        await trio.lowlevel.checkpoint()


def cells(route: str) -> list[tuple[str, str, str, str]]:
    """Message, who says it, about whose, and whether it is the first."""
    return [
        (name, who, whose, stage)
        for name, kind in MESSAGES[route].items()
        for role, who in NAMES.items()
        if reach_of_message(route, name, role) is not Reach.NONE
        for whose in (("own", "another's") if kind.refusal is not None else ("own",))
        for stage in ("first", "later")
    ]


def expected(route: str, name: str, whose: str) -> Refusal | None:
    return None if whose == "own" else MESSAGES[route][name].refusal


# Who comes in


@pytest.mark.parametrize("by", ["signature", "session"])
async def test_every_door(by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong: list[str] = []
    async with others_jobs(tmp_path, monkeypatch) as (site, theirs):
        own = {who: await new_job(site, who, site.mine, "pending") for who in ("client", "admin")}
        for route in MESSAGES:
            for who in WHO if by == "signature" else site.sessions:
                for whose in ("own", "another's"):
                    job_id = own.get(who, theirs["pending"]) if whose == "own" else theirs["running"]
                    target = target_of(route, job_id, "worker" if whose == "own" else "worker2")
                    headers = headers_of(who, target) if by == "signature" else site.sessions[who]
                    found = await answered(site, target, headers)
                    if found != door(route, who, whose):
                        wrong.append(f"{route} as {who}, {whose}: {found}, not {door(route, who, whose)}")
    assert not wrong, "\n".join(wrong)


async def answered(site: Ground, target: str, headers: dict[str, str]) -> int:
    """With what a handshake is."""
    try:
        async with spoken(site, target, headers):
            return 101
    except ConnectionRejected as rejection:
        return rejection.status_code


# What is said then


async def test_messages_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong: list[str] = []
    async with others_jobs(tmp_path, monkeypatch) as (site, theirs):
        for name, who, whose, stage in cells(RUN):
            async with spoken(site, "/jobs/run", headers_of(who, "/jobs/run")) as line:
                if stage == "later":
                    await run_one(site, line, who)
                jobs = len(line.answers("job"))
                if name == "submit" and whose == "own":
                    await line.say(submission(path="Nowhere"))
                    await submitted(line, jobs + 1)
                    continue
                if name == "submit":
                    job_id = theirs["running"]
                else:
                    await line.say(submission())
                    job_id = await submitted(line, jobs + 1)
                    await site.running.coordinator.until(job_id, "assigned")
                    await begin(site, job_id, who, site.mine)
                before = await truth(site, job_id)
                await line.say(*message(RUN, name, job_id, 1))
                found = await outcome(site, line, job_id, before)
                if found != expected(RUN, name, whose):
                    wrong.append(f"{name} of {who}, {whose}, {stage}: {found}")
                if found is Refusal.ERROR:
                    # It follows no job now: nobody looks at these, and the next submission is as good as any.
                    for later in ("position", "inputs"):
                        await line.say(*message(RUN, later, job_id, 1))
                    await line.say(submission(path="Nowhere"))
                    await submitted(line, jobs + 1)
                    assert await truth(site, job_id) == before
    assert not wrong, "\n".join(wrong)


async def submitted(line: Line, count: int) -> str:
    """The job of so many submissions' answers."""
    while len(line.answers("job")) < count:
        assert line.code is None
        await trio.lowlevel.checkpoint()
    return msgspec.convert(line.answers("job")[-1], dict[str, object])["job_id"]  # type: ignore[return-value]


async def run_one(site: Ground, line: Line, who: str) -> None:
    """A job from its submission to its end."""
    await line.say(submission(path="Nowhere"))
    job_id = await submitted(line, 1)
    await site.running.coordinator.operations.cancel(identity(who), job_id)
    while not any(isinstance(one, bytes) and b'"canceled"' in one for one in line.heard):
        await trio.lowlevel.checkpoint()


async def test_messages_of_a_follower(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong: list[str] = []
    async with others_jobs(tmp_path, monkeypatch) as (site, theirs):
        for name, who, whose, stage in cells(FOLLOW):
            if door(FOLLOW, who, whose) != 101:
                continue
            # A position counts for a job without an actor, too: in its row.
            state = "pending" if (name, stage) == ("position", "first") else "running"
            job_id = await new_job(site, who, site.mine, state) if whose == "own" else theirs[state]
            target = target_of(FOLLOW, job_id)
            before = await truth(site, job_id)
            async with spoken(site, target, headers_of(who, target)) as line:
                if stage == "later":
                    await line.say("{}" if name == "position" else '{"owner":true}')
                await line.say(*message(FOLLOW, name, job_id, 1))
                if name == "position" and whose != "own":
                    # Whoever is closed for this has been heard out.
                    await line.say("no position")
                    assert await line.closed() == 1008
                    found = None if await truth(site, job_id) != before else Refusal.IGNORED
                else:
                    found = await outcome(site, line, job_id, before)
            # Whoever begins with frames has not said that it is the owner.
            begins = (name, stage) == ("inputs", "first")
            wanted = Refusal.CLOSED if begins else expected(FOLLOW, name, whose)
            if found != wanted:
                wrong.append(f"{name} of {who}, {whose}, {stage}: {found}, expected {wanted}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("route", DOWNLINKS)
async def test_messages_of_a_worker(route: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong: list[str] = []
    async with others_jobs(tmp_path, monkeypatch) as (site, theirs):
        target = target_of(route, "")
        for name, who, whose, stage in cells(route):
            state = "assigned" if name in ("accept", "reject") else "running"
            for attempt in (1, 2):
                # Of its own job another attempt is none of its own either.
                mine = whose == "own" and attempt == 1
                job_id = await new_job(site, "other", site.mine, state) if whose == "own" else theirs[state]
                before = await truth(site, job_id)
                async with spoken(site, target, headers_of(who, target)) as line:
                    if stage == "later" or name == "ping":
                        await line.say("ping")
                        while "pong" not in line.heard:
                            await trio.lowlevel.checkpoint()
                    if name == "ping":
                        continue
                    await line.say(*message(route, name, job_id, attempt))
                    found = await outcome(site, line, job_id, before)
                wanted = None if mine else MESSAGES[route][name].refusal
                if found != wanted:
                    wrong.append(f"{name} of {whose} attempt {attempt}, {stage}: {found}, expected {wanted}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("route", SILENT)
async def test_where_nothing_is_to_be_said(
    route: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with others_jobs(tmp_path, monkeypatch) as (site, theirs):
        job_id = theirs["running"]
        before = await truth(site, job_id)
        said = ["", "ping", "{"]
        for other, messages in MESSAGES.items():
            for name in messages:
                said += message(other, name, job_id, 1)  # type: ignore[arg-type]
        for who in WHO:
            if door(route, who, "another's") != 101:
                continue
            target = target_of(route, job_id)
            async with spoken(site, target, headers_of(who, target)) as line:
                await line.say(*said, BARRIER)
                assert await line.closed() == 1009, who
        assert await truth(site, job_id) == before


def test_every_message_is_in_the_table() -> None:
    assert set(MESSAGES) == {route for route in ACCESS if route.startswith("WEBSOCKET ")}
    assert set(MESSAGES[RUN]) == {*run._Message.__struct_fields__, "inputs"}
    assert set(REPORTS) == set(get_args(CallRoute))
    for route in DOWNLINKS:
        assert set(MESSAGES[route]) == {"ping", "outputs", "acknowledgements", *REPORTS}
