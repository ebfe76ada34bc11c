"""The routes of older programs: polling for messages, and logs by lines."""

from __future__ import annotations

from dffmpeg.actors.job_messages import OfferLines
from dffmpeg.actors.operations.base import Base, require
from dffmpeg.actors.refusals import Conflict
from dffmpeg.model.identities import Identity, Role
from dffmpeg.model.jobs import Attempt
from dffmpeg.model.retries import ended_with
from dffmpeg.model.streams import Stream
from dffmpeg.transports.http_polling_server import HttpPollingDownlink
from dffmpeg.wire.jobs import LogLine, LogsRequest, StatusReply
from dffmpeg.wire.workers import DownlinkMessage

LOG_BYTES = 1 << 20
"""How much of a stream one answer by lines reads."""


class MessageOperations(Base):
    """Each may raise `NotFound`, `Forbidden` and `Unavailable`."""

    def _polling(self) -> HttpPollingDownlink:
        downlink = self._services.downlinks.get("http_polling")
        if not isinstance(downlink, HttpPollingDownlink):
            raise Conflict("the http_polling downlink is not enabled here")
        return downlink

    async def poll_worker(self, who: Identity, *, last: str | None, wait: float) -> list[DownlinkMessage]:
        """Messages behind `last` for the calling worker; waits up to `wait` seconds for one."""
        require(who, Role.WORKER)
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
        await self._report(job_id, OfferLines(who.client_id, texts))
        return StatusReply()

    async def log_lines(
        self, who: Identity, job_id: str, *, since: str | None, limit: int
    ) -> tuple[list[LogLine], str | None]:
        """What is kept of a job's stderr, by lines: of all attempts in order, with a line of ours before
        each but the first. A line's id is its attempt's and its end's offset.
        """
        await self._visible(who, job_id)
        lines: list[LogLine] = []
        first, offset = _place(since)
        previous: Attempt | None = None
        for attempt in await self._services.store.jobs.attempts(job_id):
            if attempt.attempt >= first:
                if attempt.attempt > first:
                    offset = 0
                if previous is not None and offset == 0 and since != _begin(attempt):
                    lines.append(_mark(previous, attempt))
                found, whole = await self._lines(attempt, offset, limit - len(lines))
                lines += found
                if not whole or len(lines) >= limit:
                    break
            previous = attempt
        return lines, lines[-1].id if lines else since

    async def _lines(self, attempt: Attempt, offset: int, limit: int) -> tuple[list[LogLine], bool]:
        """Lines of one attempt from an offset on, and whether they reach its end."""
        number = attempt.attempt
        read = self._services.store.streams.read
        part = await read(attempt.job_id, number, Stream.STDERR, offset, LOG_BYTES)
        lines: list[LogLine] = []
        position = part.offset
        for raw in part.data.splitlines(keepends=True)[: max(0, limit)]:
            position += len(raw)
            text = raw.rstrip(b"\r\n").decode("utf-8", "replace")
            lines.append(LogLine(stream="stderr", content=text, id=f"{number}-{position}"))
        return lines, position >= part.end


def _begin(attempt: Attempt) -> str:
    return f"{attempt.attempt}-0"


def _mark(previous: Attempt, attempt: Attempt) -> LogLine:
    """The line that stands between two attempts in a job's log, and nowhere else."""
    why = previous.reason
    if why is None and (previous.exit_code, previous.signal) != (None, None):
        why = ended_with(previous.exit_code, previous.signal)
    outcome = "ended" if previous.outcome is None else previous.outcome.value.replace("_", " ")
    text = f"dffmpeg: attempt {previous.attempt} on {previous.worker_id}: {outcome}"
    text += f" ({why})" if why else ""
    text += f"; attempt {attempt.attempt} on {attempt.worker_id} begins"
    return LogLine(stream="stderr", content=text, id=_begin(attempt))


def _place(since: str | None) -> tuple[int, int]:
    """The attempt and the offset at which the line behind an id begins."""
    number, _, offset = (since or "").partition("-")
    if number.isascii() and number.isdigit() and offset.isascii() and offset.isdigit():
        return int(number), int(offset)
    return 1, 0
