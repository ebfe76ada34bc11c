"""What a page about one job shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from dffmpeg.web.job_log import MAX_OFFSET
from dffmpeg.web.openapi import examples
from dffmpeg.web.openapi.description import (
    FRAMES,
    TEXT,
    Channel,
    Content,
    Described,
    Description,
    Message,
    Parameter,
)
from dffmpeg.web.openapi.sockets import CLOSES
from dffmpeg.wire.dashboard import JobCommand, JobCommands, JobPage, TimelineEntry


class LogMark(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What stands between the bytes of a log: one of them.

    Attributes:
        attempt: the bytes behind it are this attempt's.
        offset: of the next byte, within its attempt's stream.
        dropped: so many bytes are not kept, or not kept any more.
        end: all has been sent, and the job has ended.
    """

    attempt: int | None = None
    offset: int | None = None
    dropped: int | None = None
    end: bool = False


_STREAM = Parameter(
    name="stream",
    kind=Literal["stderr", "stdout"],
    text="which output; `stderr` where it is not said",
    example="stderr",
)
_ATTEMPT = Parameter(
    name="attempt",
    kind=Annotated[int, msgspec.Meta(ge=0, lt=1 << 31)],
    text="which attempt; the latest where it is not said, or 0",
    example=0,
)
_TAG = "Jobs"


def _mark(text: str, example: LogMark) -> Message:
    return Message(text=text, kind=LogMark, example=example)


_LINE = "ffmpeg -i '$Movies/a.mkv' -c:v libx264 '$Movies/a.mp4'"
_DIRECTORY = "/srv/media/movies"
_EXECUTED = ["/usr/bin/ffmpeg", "-i", f"{_DIRECTORY}/a.mkv", "-c:v", "libx264", f"{_DIRECTORY}/a.mp4"]
_PAGE = JobPage(
    job=examples.JOB,
    commands=JobCommands(
        mapped=JobCommand(line=_LINE, arguments=["ffmpeg", *examples.ARGUMENTS]),
        client=None,
        worker=JobCommand(line=" ".join(_EXECUTED), arguments=[*_EXECUTED]),
    ),
    timeline=[
        TimelineEntry(at=examples.NOON, what="submitted", text="submitted by player"),
        TimelineEntry(
            at=examples.NOON,
            what="assigned",
            text=f"given to {examples.WORKER_ID}",
            attempt=1,
            worker_id=examples.WORKER_ID,
        ),
    ],
    attempts=[examples.ATTEMPT],
)

JOB_PAGES: Mapping[str, Described] = {
    "GET /api/v1/jobs/<job_id>": Description(
        tag=_TAG,
        summary="A job in full",
        text=(
            "Its record, its command as each sees it, what happened to it, and while it is pending why it "
            "waits. For its requester and whoever may see everything."
        ),
        answers={200: Content(text="the job", kind=JobPage, example=_PAGE)},
        errors={403: "another client's job", 404: "there is no such job"},
    ),
    "WEBSOCKET /api/v1/jobs/<job_id>/log": Channel(
        tag=_TAG,
        summary="Read along what a job writes",
        text=(
            "From an offset on, to the job's end, through all of its attempts; a job that has ended too. The "
            "job never waits for a reader: one that falls behind goes on with what is kept. After 15 s "
            "without anything comes an empty object."
        ),
        parameters=(
            _STREAM,
            _ATTEMPT,
            Parameter(
                name="from",
                kind=Annotated[int, msgspec.Meta(ge=0, le=MAX_OFFSET)],
                text="the offset to begin at; 0 where it is not said",
                example=0,
            ),
        ),
        sends=(
            Message(text="bytes as the program wrote them"),
            _mark("an attempt begins", LogMark(attempt=1)),
            _mark("where the next bytes stand; the first, and behind each gap", LogMark(offset=2048)),
            _mark("a gap", LogMark(dropped=4096)),
            _mark("the job has ended; the connection is closed behind it", LogMark(end=True)),
        ),
        closes=CLOSES,
    ),
    "GET /api/v1/jobs/<job_id>/log/download": Description(
        tag=_TAG,
        summary="What is kept of an output, as a file",
        text=(
            "Where something is not kept, a line in stderr says how much; nothing stands in its place in "
            "stdout. Of a job that runs: what was stored so far."
        ),
        parameters=(_STREAM, _ATTEMPT),
        answers={
            200: Content(
                text="stderr as text, stdout as bytes", example="frame=  100 fps= 50\n", media=(TEXT, FRAMES)
            )
        },
        errors={403: "another client's job", 404: "there is no such job, or its stderr goes elsewhere"},
    ),
}
