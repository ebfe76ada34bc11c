"""The worker's calls to its coordinator.

`Uplink` is what the rest of the worker knows; `HttpUplink` is its form over
signed HTTP requests. The calls about an attempt are repeated until they are
answered: what stops them is cancellation, by the end of the attempt or by the
worker's lease. Registration is tried once a call, because what it says has to be
fresh.
"""

from __future__ import annotations

import contextlib
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Protocol, TypeVar

import trio

from dffmpeg.actors.runtime import Actor
from dffmpeg.actors.worker.links import Links
from dffmpeg.errors import BadInput, Refused, Unreachable
from dffmpeg.model.jobs import Executed
from dffmpeg.model.progress import Progress
from dffmpeg.supervisors import Backoff
from dffmpeg.transports.signed_http import SignedHttp
from dffmpeg.wire import codec, frames
from dffmpeg.wire.bytestring import to_wire
from dffmpeg.wire.frames import Frame
from dffmpeg.wire.jobs import AttemptReport, AttendRequest, Begun, FinishReport, OutputReply, StatusReply
from dffmpeg.wire.link import CallRoute
from dffmpeg.wire.records import executed_command
from dffmpeg.wire.workers import AttemptRef, DeregisterRequest, RegisterReply, RegisterRequest, VerifyRequest

logger = logging.getLogger("dffmpeg.worker.uplink")

T = TypeVar("T")

_PROMPT = 10.0
_HELD = 30.0
"""The answer to output may be held for about 10 s while the job's owner does not read."""


LONGEST_COMMAND = 32 * 1024
"""Bytes of JSON up to which a command is told as it is run: it has to fit into a message with the rest."""

_PATHS: Mapping[CallRoute, str] = {
    "accept": "accept",
    "reject": "reject",
    "heartbeat": "worker_heartbeat",
    "finish": "status",
}


class Uplink(Protocol):
    """What a worker may say to its coordinator.

    Every method raises `Refused` for an answer that repeating would not change.
    `register`, `verify` and `deregister` also raise `Unreachable` and temporary
    refusals; the others repeat until they are answered.
    """

    async def register(self, request: RegisterRequest) -> RegisterReply: ...

    async def verify(self, worker_id: str, token: str) -> None: ...

    async def deregister(self, worker_id: str, instance: str) -> None: ...

    async def accept(
        self,
        attempt: AttemptRef,
        substitutions: Mapping[str, str] | None = None,
        executed: Executed | None = None,
    ) -> None: ...

    async def reject(
        self, attempt: AttemptRef, reason: str, *, fault: bool = False, unfit: bool = False
    ) -> None: ...

    async def heartbeat(
        self, attempt: AttemptRef, progress: Progress | None = None, begun: Mapping[bytes, int] | None = None
    ) -> None: ...

    async def output(self, attempt: AttemptRef, body: bytes) -> OutputReply: ...

    async def attend(self, attempt: AttemptRef, request: Callable[[], AttendRequest]) -> list[Frame]: ...

    async def finish(self, job_id: str, report: FinishReport) -> None: ...


class Reachability:
    """Says once what is wrong with the coordinator, and once that it is mended, however many calls fail."""

    def __init__(self) -> None:
        self._cause: str | None = None

    def failed(self, error: Unreachable | Refused) -> None:
        cause = str(error)
        if cause != self._cause:
            self._cause = cause
            logger.warning("cannot work with the coordinator, trying again: %s", cause)

    def answered(self) -> None:
        if self._cause is not None:
            self._cause = None
            logger.info("the coordinator answers again")


def passing(error: Unreachable | Refused) -> bool:
    """Whether the same call may succeed later.

    A refused key (401) may: an administrator can add it, or set a clock right,
    while this worker's jobs run on within their lease.
    """
    return isinstance(error, Unreachable) or error.temporary or error.status == 401


def gone(error: Refused) -> bool:
    """Whether a refusal about an attempt means that it is not, or no longer, this worker's."""
    return error.status in (403, 404, 409)


class HttpUplink:
    """`Uplink` over signed HTTP, and for reports over the downlink's connection while that is open.

    Open while an `UplinkActor` runs it.

    Args:
        connect: makes the connection pool, anew for each life of the actor.
        links: where the downlink's connection is found.
    """

    def __init__(
        self, connect: Callable[[], SignedHttp], links: Links, *, backoff: Backoff | None = None
    ) -> None:
        self._connect = connect
        self._links = links
        self._backoff = backoff or Backoff(minimum=0.1, maximum=5.0, jitter=0.5)
        self._http: SignedHttp | None = None
        self._reachability = Reachability()

    @property
    def http(self) -> SignedHttp:
        """The connections, for a downlink that shares them.

        Raises:
            Unreachable: it is not open.
        """
        if self._http is None:
            raise Unreachable("the connection to the coordinator is closed")
        return self._http

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Own the connections."""
        async with self._connect() as http:
            self._http = http
            try:
                yield
            finally:
                self._http = None

    async def register(self, request: RegisterRequest) -> RegisterReply:
        return await self._once(
            lambda: self.http.call("POST", "/worker/register", RegisterReply, json=request, timeout=_PROMPT),
            essential=True,
        )

    async def verify(self, worker_id: str, token: str) -> None:
        request = VerifyRequest(registration_token=token)
        await self._once(lambda: self._post(f"/worker/{worker_id}/verify", request))

    async def deregister(self, worker_id: str, instance: str) -> None:
        request = DeregisterRequest(worker_id=worker_id, instance=instance)
        await self._once(lambda: self._post("/worker/deregister", request))

    async def accept(
        self,
        attempt: AttemptRef,
        substitutions: Mapping[str, str] | None = None,
        executed: Executed | None = None,
    ) -> None:
        report = AttemptReport(attempt=attempt.attempt, substitutions=dict(substitutions or {}))
        command = None if executed is None else executed_command(executed)
        if command is not None and len(codec.encode(command)) <= LONGEST_COMMAND:
            report.executed = command
        await self._report("accept", attempt.job_id, report)

    async def reject(
        self, attempt: AttemptRef, reason: str, *, fault: bool = False, unfit: bool = False
    ) -> None:
        report = AttemptReport(attempt=attempt.attempt, reason=reason[:2000], fault=fault, unfit=unfit)
        await self._report("reject", attempt.job_id, report)

    async def heartbeat(
        self, attempt: AttemptRef, progress: Progress | None = None, begun: Mapping[bytes, int] | None = None
    ) -> None:
        made = [Begun(path=to_wire(path), inode=inode) for path, inode in (begun or {}).items()]
        report = AttemptReport(attempt=attempt.attempt, progress=progress, begun=made)
        await self._report("heartbeat", attempt.job_id, report)

    async def output(self, attempt: AttemptRef, body: bytes) -> OutputReply:
        path = f"/jobs/{attempt.job_id}/output"
        return await self._until_answered(
            lambda: self.http.call("POST", path, OutputReply, body=body, timeout=_HELD)
        )

    async def attend(self, attempt: AttemptRef, request: Callable[[], AttendRequest]) -> list[Frame]:
        """Ask for what the attempt's program is to be given.

        Args:
            request: made anew for each try: what an earlier one said may be too old.
        """
        path = f"/jobs/{attempt.job_id}/attend"

        async def ask() -> list[Frame]:
            body = request()
            answer = await self.http.request("POST", path, json=body, timeout=body.wait + _PROMPT)
            return list(frames.decode_all(answer))

        return await self._until_answered(ask)

    async def finish(self, job_id: str, report: FinishReport) -> None:
        await self._report("finish", job_id, report)

    async def _report(self, route: CallRoute, job_id: str, body: object) -> None:
        await self._until_answered(lambda: self._say(route, job_id, body))

    async def _say(self, route: CallRoute, job_id: str, body: object) -> None:
        link = self._links.current
        if link is not None:
            try:
                await link.call(route, job_id, body)
            except Unreachable:
                # Repeating it is harmless, and a request says for certain whether there is a coordinator.
                pass
            else:
                return
        await self._post(f"/jobs/{job_id}/{_PATHS[route]}", body)

    async def _post(self, path: str, body: object) -> StatusReply:
        return await self.http.call("POST", path, StatusReply, json=body, timeout=_PROMPT)

    async def _once(self, call: Callable[[], Awaitable[T]], *, essential: bool = False) -> T:
        """One try. `essential`: any refusal of this call means that this worker cannot work."""
        try:
            result = await call()
        except BadInput as error:
            raise self._not_a_coordinator(error) from error
        except (Unreachable, Refused) as error:
            if passing(error) or essential:
                self._reachability.failed(error)
            raise
        self._reachability.answered()
        return result

    def _not_a_coordinator(self, error: BadInput) -> Unreachable:
        """An answer that is not one of ours, such as the page of a proxy in between."""
        strange = Unreachable(f"the answer is not a coordinator's: {error}")
        self._reachability.failed(strange)
        return strange

    async def _until_answered(self, call: Callable[[], Awaitable[T]]) -> T:
        attempt = 0
        while True:
            try:
                result = await self._once(call)
            except (Unreachable, Refused) as error:
                if not passing(error):
                    raise
                attempt += 1
                wait = error.retry_after if isinstance(error, Refused) else None
                chance = random.random()  # noqa: S311 - spreads load, guards nothing
                await trio.sleep(max(self._backoff.delay(attempt, chance), wait or 0.0))
            else:
                return result


class UplinkActor(Actor[None]):
    """Keeps an `HttpUplink` open."""

    def __init__(self, uplink: HttpUplink) -> None:
        self._uplink = uplink

    async def run(self) -> None:
        async with self._uplink.open():
            self.context.ready()
            await trio.sleep_forever()
