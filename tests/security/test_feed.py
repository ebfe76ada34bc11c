"""The change feed over the wire: who is told of what, of each kind of event, by each way of following it.

A real coordinator, real sockets. What is expected comes out of `dffmpeg.model.access` alone.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
import trio
from trio_websocket import ConnectionRejected

from dffmpeg.model.access import EVENTS, Reach, reach
from dffmpeg.model.identities import Role
from dffmpeg.model.progress import Progress
from dffmpeg.wire.jobs import AttemptReport
from tests.actors.coordinator.tree import PATIENCE, FakeWorker
from tests.security.messages import Line, headers_of, new_job, spoken
from tests.security.test_cells import NAMES, Ground, ground
from tests.web.live import Live
from tests.web.test_events import EVENTS as PATH
from tests.web.test_events import Reader

ROLES = {**{name: role for role, name in NAMES.items()}, "visitor": Role.VIEWER}
"""By name, as what somebody follows. A visitor comes from where one may look without a signature."""

FOLLOWERS = {**ROLES, "other": Role.CLIENT, "worker2": Role.WORKER}
"""With others of the same roles, who follow the same at the same time, and are to be told something else."""

LOGGED = ("job", "worker", "queue")
"""Of these who may not hear of them hears nothing: they are what comes where nobody chooses."""

CHOSEN = ("overview", "alerts", "progress", "tree")

Way = Literal["sse", "websocket", "batch"]
WAYS: tuple[Way, ...] = ("sse", "websocket", "batch")

Told = tuple[str, str]
"""The kind of an event, and its subject."""


class Stream(Reader):
    """As `Reader`, for whoever does not sign too."""

    def __init__(self, running: Live, who: str, query: str) -> None:
        super().__init__(running, "viewer", query)
        self._headers = {"host": "here", **headers_of(who, PATH + query)}

    async def events(self) -> list[tuple[str, Any]]:
        with trio.fail_after(PATIENCE):
            found = await self.next()
        return [(found["event"], json.loads(found["data"]))]


class Socket:
    """The same over a WebSocket."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._taken = 0

    async def events(self) -> list[tuple[str, Any]]:
        while len(self._line.heard) == self._taken:
            assert self._line.code is None
            await trio.lowlevel.checkpoint()
        found = json.loads(self._line.heard[self._taken])
        self._taken += 1
        return [(one["event"], one["data"]) for one in (found if isinstance(found, list) else [found]) if one]


@asynccontextmanager
async def followed(site: Ground, way: Way, who: str, query: str) -> AsyncIterator[Stream | Socket]:
    if way == "sse":
        stream = Stream(site.running, who, query)
        async with stream:
            yield stream
    else:
        target = PATH + query + ("&batch=1" if way == "batch" else "")
        async with spoken(site, target, headers_of(who, target)) as line:
            yield Socket(line)


async def status_of(site: Ground, way: Way, who: str, query: str) -> int:
    """How a feed is answered."""
    if way == "sse":
        async with Stream(site.running, who, query) as stream:
            return stream.status
    try:
        async with followed(site, way, who, query):
            return 200
    except ConnectionRejected as rejection:
        return rejection.status_code


@pytest.mark.parametrize("way", WAYS)
async def test_which_kinds_may_be_asked_for(
    way: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong: list[str] = []
    async with ground(tmp_path, monkeypatch) as site:
        for kind in (*LOGGED, *CHOSEN):
            for who in (*ROLES, "nobody"):
                expected = 401 if who == "nobody" else 200
                if who != "nobody" and kind in CHOSEN and reach(EVENTS[kind], ROLES[who]) is Reach.NONE:
                    expected = 403
                found = await status_of(site, way, who, f"?kind={kind}")
                if found != expected:
                    wrong.append(f"{kind} for {who}: {found}, expected {expected}")
        for first, query in (("here", "?interval=0"), ("missed", "?interval=0&last_event_id=gone-1")):
            for who, role in ROLES.items():
                assert reach(EVENTS[first], role) is Reach.ALL
                async with followed(site, way, who, query) as feed:
                    assert (await feed.events())[0][0] == first
    assert not wrong, "\n".join(wrong)


# Who is told of what


class Scene:
    """Jobs of two clients at two workers, and what happens to everything that a feed tells of."""

    def __init__(self, site: Ground) -> None:
        self._site = site
        self._operations = site.running.coordinator.operations
        self.jobs: dict[str, tuple[str, str | None]] = {}
        self._barriers: dict[str, FakeWorker] = {}
        self._fraction = 0.5

    async def begin(self) -> None:
        """Jobs that run all the while."""
        for owner, worker in (("client", self._site.mine), ("other", self._site.others)):
            self._barriers[await new_job(self._site, owner, worker, "running")] = worker

    async def play(self) -> None:
        site = self._site
        for owner in ("client", "other"):
            for worker in (site.mine, site.others):
                job_id = await new_job(site, owner, worker, "running")
                self.jobs[job_id] = (owner, worker.name)
                report = AttemptReport(attempt=1, progress=Progress(fraction=0.25))
                await self._operations.worker_heartbeat(worker.who, job_id, report)
            self.jobs[await new_job(site, owner, site.mine, "pending")] = (owner, None)
        for path in ("/workers/worker/pause", "/workers/worker2/pause", "/queue/pause"):
            assert await site.ask("POST", path, b'{"reason":"x"}', "admin") == 200

    async def barrier(self) -> float:
        """A progress of which everybody is told, of one job or of both, and how far it is."""
        self._fraction += 1 / 1024
        report = AttemptReport(attempt=1, progress=Progress(fraction=self._fraction))
        for job_id, worker in self._barriers.items():
            await self._operations.worker_heartbeat(worker.who, job_id, report)
        return self._fraction

    def expected(self, who: str, kinds: Sequence[str]) -> set[Told]:
        """What somebody who follows these is to be told, and nothing else."""
        role = FOLLOWERS[who]

        def told(kind: str, requester: str | None, worker: str | None) -> bool:
            found = reach(EVENTS[kind], role)
            return found is Reach.ALL or (
                found is Reach.OWN and who == (worker if role is Role.WORKER else requester)
            )

        found = {("job", job) for job, (owner, worker) in self.jobs.items() if told("job", owner, worker)}
        found |= {
            ("progress", job)
            for job, (owner, worker) in self.jobs.items()
            if worker and told("progress", owner, worker)
        }
        found |= {("worker", name) for name in ("worker", "worker2") if told("worker", None, name)}
        found |= {(kind, "") for kind in ("queue", "overview", "alerts", "tree") if told(kind, None, None)}
        return {one for one in found if one[0] in kinds}

    def subject(self, kind: str, data: Any) -> Told | None:
        """What an event is about; None for what happens besides."""
        if kind in ("job", "progress"):
            return None if data["job_id"] in self._barriers else (kind, data["job_id"])
        if kind == "worker":
            return kind, data["worker_id"]
        return None if kind in ("here", "missed") else (kind, "")


async def heard(scene: Scene, feed: Stream | Socket, until: float) -> set[Told]:
    """What is told up to a barrier."""
    found: set[Told] = set()
    while True:
        events = await feed.events()
        found |= {told for kind, data in events if (told := scene.subject(kind, data)) is not None}
        if any(kind == "progress" and data["fraction"] == until for kind, data in events):
            return found


def kinds_of(who: str, which: str) -> list[str]:
    # Who follow the same as all the others may share what they are told, and may not.
    roles = list(Role) if which == "what all may" else [FOLLOWERS[who]]
    chosen = [kind for kind in CHOSEN if all(reach(EVENTS[kind], role) is not Reach.NONE for role in roles)]
    return [*LOGGED, *chosen]


@pytest.mark.parametrize("which", ["what all may", "all that it may"])
@pytest.mark.parametrize("how", ["as it happens", "from behind"])
async def test_who_is_told_of_what(
    how: str, which: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ground(tmp_path, monkeypatch) as site, AsyncExitStack() as stack:
        scene = Scene(site)
        await scene.begin()
        query = "?interval=0&kind="
        if how == "from behind":
            async with Stream(site.running, "admin", "?interval=0") as stream:
                place = (await stream.next())["id"]
            await scene.play()
            query = f"?interval=0&last_event_id={place}&kind="
        feeds: dict[tuple[Way, str], Stream | Socket] = {}
        for way in WAYS:
            for who in FOLLOWERS:
                chosen = query + ",".join(kinds_of(who, which))
                feeds[way, who] = await stack.enter_async_context(followed(site, way, who, chosen))
        found: dict[tuple[Way, str], set[Told]] = {key: set() for key in feeds}
        for turn in range(3):
            if turn == 1 and how == "as it happens":
                await scene.play()
            # What is told together with a barrier has come when the next one is told.
            until = await scene.barrier()
            for key, feed in feeds.items():
                found[key] |= await heard(scene, feed, until)
        for (way, who), told in found.items():
            assert told == scene.expected(who, kinds_of(who, which)), f"{who} by {way}"


def test_every_kind_is_asked_for() -> None:
    assert {*LOGGED, *CHOSEN, "here", "missed"} == EVENTS.keys()
