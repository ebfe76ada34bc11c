"""The routes of older programs: polling for messages, and logs by lines."""

from __future__ import annotations

from dffmpeg.actors.coordinator import lookups
from dffmpeg.actors.coordinator.job.messages import OfferLines
from dffmpeg.actors.coordinator.operations.base import Base, require
from dffmpeg.actors.coordinator.refusals import Conflict
from dffmpeg.model.identities import Identity, Role
from dffmpeg.model.streams import Stream
from dffmpeg.transports.http_polling_server import HttpPollingDownlink
from dffmpeg.wire.jobs import LogLine, LogsRequest, StatusReply
from dffmpeg.wire.workers import DownlinkMessage


class MessageOperations(Base):
    """Each may raise `NotFound`, `Forbidden` and `Unavailable`."""

    def _polling(self) -> HttpPollingDownlink:
        downlink = self._services.downlinks.get("http_polling")
        if not isinstance(downlink, HttpPollingDownlink):
            raise Conflict("the http_polling downlink is not enabled here")
        return downlink

    async def poll_worker(
        self, who: Identity, *, last: str | None, wait: float, instance: str | None = None
    ) -> list[DownlinkMessage]:
        """Messages behind `last` for the calling worker; waits up to `wait` seconds for one.

        Args:
            instance: the worker's process, where it has said which it is.

        Raises:
            Conflict: another process is the worker.
        """
        require(who, Role.WORKER)
        await self._require_instance(who.client_id, instance)
        return await self._polling().poll(who.client_id, job_id=None, last=last, wait=wait)

    async def poll_job(
        self, who: Identity, job_id: str, *, last: str | None, wait: float
    ) -> list[DownlinkMessage]:
        """The same for a requester, about one job."""
        job = await self._visible(who, job_id)
        return await self._polling().poll(job.requester_id, job_id=job_id, last=last, wait=wait)

    async def add_log_lines(self, who: Identity, job_id: str, request: LogsRequest) -> StatusReply:
        """Append lines to the streams of the caller's current attempt."""
        require(who, Role.WORKER)
        lines: dict[Stream, list[bytes]] = {Stream.STDOUT: [], Stream.STDERR: []}
        for line in request.logs:
            stream = Stream.STDOUT if line.stream == "stdout" else Stream.STDERR
            lines[stream].append(line.content.encode() + b"\n")
        texts = {stream: b"".join(parts) for stream, parts in lines.items()}
        await self._report(who, job_id, OfferLines(who.client_id, texts))
        return StatusReply()

    async def log_lines(
        self, who: Identity, job_id: str, *, since: str | None, limit: int
    ) -> tuple[list[LogLine], str | None]:
        """What is kept of a job's stderr, by lines, as `lookups.log_lines` has it."""
        job = await self._visible(who, job_id)
        return await lookups.log_lines(self._services.store, job, since=since, limit=limit)
