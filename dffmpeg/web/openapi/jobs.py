"""Jobs, as their clients see them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from dffmpeg.web.openapi import examples
from dffmpeg.web.openapi.description import (
    FRAMES,
    JSON,
    NDJSON,
    Content,
    Described,
    Description,
    Parameter,
    limit,
    window,
)
from dffmpeg.wire.administration import PriorityRequest, RetryRequest
from dffmpeg.wire.jobs import AttemptRecord, JobRecord, LogLine, Position, StatusReply, SubmitRequest
from dffmpeg.wire.scheduling import Explanation
from dffmpeg.wire.workers import Messages


class Logs(msgspec.Struct, kw_only=True):
    """GET /jobs/{id}/logs.

    Attributes:
        last_message_id: to go on from.
    """

    logs: list[LogLine]
    last_message_id: str | None


_TAG = "Jobs"
_RECORD = Content(text="the job", kind=JobRecord, example=examples.JOB)
_DONE = Content(
    text="it is done; `detail` says so where there was nothing to do", kind=StatusReply, example=examples.OK
)
_OTHERS = "another client's job"
_WAIT = Parameter(
    name="wait",
    kind=Annotated[float, msgspec.Meta(ge=0, le=60)],
    text="how long the answer is held while there is no message, seconds; 20 where it is not said",
    example=20,
)
_LAST = Parameter(
    name="last_message_id",
    kind=Annotated[str, msgspec.Meta(max_length=128)],
    text="the last message that the caller has",
    example=examples.MESSAGE.message_id,
)
_POLLED = Content(
    text="what is there; with `Accept: application/x-ndjson` lines without end, each such an object or empty",
    kind=Messages,
    example=Messages(messages=[examples.MESSAGE]),
    media=(JSON, NDJSON),
)
POLLING = (_LAST, _WAIT)
POLLED = _POLLED

_LIST = (
    window("an hour", "jobs that have not ended, or changed within so long"),
    Parameter(
        name="since_id",
        kind=Annotated[str, msgspec.Meta(max_length=128)],
        text="only jobs behind this one in the list",
        example=examples.JOB_ID,
    ),
    limit(10_000, 1000),
    Parameter(
        name="status",
        kind=Annotated[str, msgspec.Meta(max_length=128)],
        text="only jobs in one of these states, with commas between",
        example="pending,running",
    ),
    Parameter(
        name="label",
        kind=Annotated[str, msgspec.Meta(max_length=4096)],
        text="only jobs with all of these, with commas between",
        example="nightly",
    ),
    Parameter(
        name="name",
        kind=Annotated[str, msgspec.Meta(max_length=128)],
        text="only jobs of this name, in which a `*` is anything",
        example="backup*",
    ),
    Parameter(
        name="requester",
        kind=Annotated[str, msgspec.Meta(max_length=128)],
        text="only this user's; of others only for administrators",
        example="player",
    ),
)


def _of_one(summary: str, **fields: Any) -> Description:
    return Description(
        tag=_TAG, summary=summary, **{"answers": {200: _DONE}, "errors": {403: _OTHERS}, **fields}
    )


JOBS: Mapping[str, Described] = {
    "POST /jobs/submit": Description(
        tag=_TAG,
        summary="Queue a job",
        text="The job is durable when the answer comes. Repeating it with the same `job_id` changes nothing.",
        body=Content(text="the job", kind=SubmitRequest, example=examples.SUBMISSION),
        answers={200: _RECORD},
        errors={
            403: "a predecessor is another client's",
            409: "there is another job with this id, or other work with this idempotency key",
            429: "the queue is as long as it may be",
        },
    ),
    "GET /jobs": Description(
        tag=_TAG,
        summary="Jobs, newest first, as one array",
        parameters=_LIST,
        answers={
            200: Content(
                text="own jobs, an administrator's everybody's", kind=list[JobRecord], example=[examples.JOB]
            )
        },
        errors={403: "another user's jobs were asked for"},
    ),
    "GET /jobs/<job_id>/status": _of_one("One job", answers={200: _RECORD}),
    "GET /jobs/<job_id>/attempts": _of_one(
        "Attempts of a job, the first one first",
        answers={200: Content(text="all of them", kind=list[AttemptRecord], example=[examples.ATTEMPT])},
    ),
    "GET /jobs/<job_id>/logs": _of_one(
        "What is kept of a job's stderr, by lines",
        parameters=(
            Parameter(
                name="since_message_id",
                kind=Annotated[str, msgspec.Meta(max_length=128)],
                text="only lines behind this one",
                example="1-2048",
            ),
            limit(10_000, 1000),
        ),
        answers={
            200: Content(
                text="lines of all attempts; one that begins with `dffmpeg: attempt` stands between two",
                kind=Logs,
                example=Logs(logs=[examples.LINE], last_message_id=examples.LINE.id),
            )
        },
    ),
    "GET /jobs/<job_id>/why": _of_one(
        "Why a job waits",
        answers={
            200: Content(
                text="what keeps it, and what each worker has to do with that",
                kind=Explanation,
                example=examples.WHY,
            )
        },
    ),
    "POST /jobs/<job_id>/cancel": _of_one("Cancel a job"),
    "POST /jobs/<job_id>/retry": _of_one(
        "Queue the request of a job that has ended once more",
        body=Content(text="the new job's id, if that matters", kind=RetryRequest, example=RetryRequest()),
        may_be_empty=True,
        answers={200: Content(text="the new job", kind=JobRecord, example=examples.JOB)},
        errors={
            403: _OTHERS,
            409: "it has not ended, or read what was not kept",
            429: "the queue is as long as it may be",
        },
    ),
    "POST /jobs/<job_id>/priority": _of_one(
        "Change a pending job's priority",
        body=Content(
            text="a number, or a class", kind=PriorityRequest, example=PriorityRequest(priority="low")
        ),
        answers={200: _RECORD},
        errors={
            403: "another client's job, or higher than it was, which only administrators may",
            409: "it is not pending",
        },
    ),
    "DELETE /jobs/<job_id>": _of_one("Forget a job that has ended", errors={409: "it has not ended"}),
    "POST /jobs/<job_id>/client_heartbeat": _of_one(
        "Renew the lease of a job's owner",
        parameters=(Parameter(name="monitor", kind=bool, text="means nothing any more", example=True),),
    ),
    "POST /jobs/<job_id>/follow": _of_one(
        "What is new of a job: its state and its output",
        body=Content(text="where the follower is", kind=Position, example=Position(wait=20)),
        may_be_empty=True,
        answers={
            200: Content(text="frames, one behind the other; nothing if nothing is new", media=(FRAMES,))
        },
    ),
    "POST /jobs/<job_id>/input": _of_one(
        "Hand over pieces of a program's inputs; only from the job's owner",
        body=Content(text="frames of inputs", media=(FRAMES,)),
        answers={200: Content(text="frames: an acknowledgement of each input", media=(FRAMES,))},
    ),
    "GET /poll/jobs/<job_id>": _of_one(
        "Messages about a job that was submitted for http_polling",
        parameters=POLLING,
        answers={200: POLLED},
        errors={403: _OTHERS, 409: "the http_polling downlink is not enabled"},
    ),
}
