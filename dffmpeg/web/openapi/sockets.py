"""The WebSockets, which OpenAPI has no words for: they stand at their paths as `x-websocket`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from dffmpeg.web.openapi import examples
from dffmpeg.web.openapi.description import Channel, Described, Message
from dffmpeg.wire.jobs import JobRecord, Position, SubmitRequest
from dffmpeg.wire.link import CallRoute, Fenced, Reply
from dffmpeg.wire.workers import DownlinkMessage


class RunMessage(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a caller says on /jobs/run: one of them."""

    submit: SubmitRequest | None = None
    position: Position | None = None


class Refusal(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Why a submission was not taken; seconds to wait before another try, where that helps."""

    status: int
    detail: str
    retry_after: float | None = None


class RunAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The answer to a submission on /jobs/run: the job, or why there is none."""

    job: JobRecord | None = None
    error: Refusal | None = None


class Report(msgspec.Struct, kw_only=True):
    """A `dffmpeg.wire.link.Call`: its number, and what the route of that name takes as its body."""

    call: int
    route: CallRoute
    job_id: str
    body: dict[str, Any] = {}


CLOSES = {
    1000: "all was said",
    1003: "a text message was expected",
    1008: "a message did not fit; the reason names the field",
    1009: "a message was too large",
    1011: "not now, or a fault of the coordinator's own: connect again",
    1012: "the coordinator is stopping: connect again",
    1013: "there is too much of it: try again later",
    4403: "not yours",
    4404: "there is no such job",
    4409: "the state does not allow it, or the attempt is another's",
}
_FRAMES = Message(text="frames, one behind the other, at most 1 MiB in a message")
_INPUT = Message(text="frames of the program's inputs, from the job's owner")
_POSITION = Message(
    text="where the follower is: the first message, and whenever bytes were taken",
    kind=Position,
    example=Position(attempt=1, stderr=2048),
)

_DOWNLINK = Channel(
    tag="Attempts",
    summary="A worker's connection: hints to it, its reports, and its jobs' streams",
    text="The text `ping`, every 5 s, is answered by `pong`; without one for 15 s the worker is gone.",
    receives=(
        Message(
            text="a report, with the body of the route of that name",
            kind=Report,
            example=Report(call=1, route="accept", job_id=examples.JOB_ID, body={"attempt": 1}),
        ),
        Message(text="a job's id, 26 characters, and frames of one of its attempts"),
    ),
    sends=(
        Message(text="a hint", kind=DownlinkMessage, example=examples.MESSAGE),
        Message(text="to a report", kind=Reply, example=Reply(reply=1, status=200)),
        Message(
            text="the attempt is another's: kill it",
            kind=Fenced,
            example=Fenced(fenced=examples.ATTEMPT_REF),
        ),
        Message(text="a job's id, 26 characters, and frames for one of its attempts"),
    ),
    closes=CLOSES,
)

SOCKETS: Mapping[str, Described] = {
    "WEBSOCKET /jobs/<job_id>/follow": Channel(
        tag="Jobs",
        summary="Follow a job to its end",
        receives=(_POSITION, _INPUT),
        sends=(_FRAMES,),
        closes=CLOSES,
    ),
    "WEBSOCKET /jobs/run": Channel(
        tag="Jobs",
        summary="Submit, feed and follow jobs, one after the other",
        receives=(
            Message(
                text="a submission, which has to have `monitor` and a `job_id`, or a position",
                kind=RunMessage,
                example=RunMessage(submit=examples.SUBMISSION),
            ),
            _INPUT,
        ),
        sends=(
            Message(text="to each submission", kind=RunAnswer, example=RunAnswer(job=examples.JOB)),
            _FRAMES,
        ),
        closes=CLOSES,
    ),
    "WEBSOCKET /worker/<worker_id>/downlink": _DOWNLINK,
    "WEBSOCKET /worker/<worker_id>/downlink/<instance>": _DOWNLINK,
}
