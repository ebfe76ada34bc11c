"""Two coordinators that know each other, of which one passes on to the other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

from trio_websocket import CloseReason, ConnectionClosed, WebSocketConnection

from dffmpeg.model.membership import Member
from dffmpeg.wire import frames
from dffmpeg.wire.frames import Kind
from tests.web.conftest import Site, serving

SECRET = "shared by all coordinators of this cluster"
PATIENCE = 60.0


class Town:
    """Who is home to what, as one coordinator sees it."""

    def __init__(self, me: str) -> None:
        self.me = me
        self.others: dict[str, Member] = {}
        self.jobs: dict[str, str] = {}
        self.workers: dict[str, str] = {}
        self.asked = 0

    def members(self) -> Mapping[str, Member]:
        return {self.me: Member(self.me, None, "active"), **self.others}

    async def home_of_worker(self, worker_id: str, *, claim: bool) -> Member | None:
        self.asked += 1
        return self.others.get(self.workers.get(worker_id, self.me))

    async def home_of_job(self, job_id: str) -> Member | None:
        self.asked += 1
        return self.others.get(self.jobs.get(job_id, self.me))


@dataclass
class Pair:
    """Both, of which `edge` takes the requests and `home` has the job."""

    edge: Site
    home: Site
    edges: Town
    homes: Town

    async def job(self, name: str = "client") -> str:
        """A live job of the second one's, which the first knows of."""
        job_id = (await self.home.submit(name)).job_id
        self.edges.jobs[job_id] = self.homes.me
        return job_id

    def misled(self, job_id: str) -> None:
        """The other one sees the first one as the home, which so is nobody's."""
        self.homes.jobs[job_id] = self.edges.me


@asynccontextmanager
async def pair(
    *, edge: dict[str, Any] | None = None, home: dict[str, Any] | None = None, secret: str = SECRET
) -> AsyncIterator[Pair]:
    first, second = Town("01EDGE"), Town("02HOME")
    async with (
        serving({"cluster": {"secret": SECRET}, **(home or {})}, neighbours=second) as there,
        serving({"cluster": {"secret": secret}, **(edge or {})}, neighbours=first) as here,
    ):
        first.others["02HOME"] = Member("02HOME", there.url, "active")
        second.others["01EDGE"] = Member("01EDGE", here.url, "active")
        yield Pair(here, there, first, second)


async def to_the_end(follower: WebSocketConnection) -> tuple[bytes, CloseReason]:
    """What comes of stdout, and how it ends."""
    found: list[bytes] = []
    while True:
        try:
            message = await follower.get_message()
        except ConnectionClosed as closed:
            return b"".join(found), cast("CloseReason", closed.reason)
        assert isinstance(message, bytes)
        found += (frame.payload for frame in frames.decode_all(message) if frame.kind is Kind.STDOUT)
