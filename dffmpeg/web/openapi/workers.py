"""What workers say, and what others ask of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dffmpeg.web.openapi import examples
from dffmpeg.web.openapi.description import FRAMES, Content, Described, Description, window
from dffmpeg.web.openapi.jobs import POLLED, POLLING
from dffmpeg.wire.administration import HoldRequest, ProbeRequest
from dffmpeg.wire.jobs import (
    AttemptReport,
    AttendRequest,
    FinishReport,
    LogsRequest,
    OutputReply,
    StatusReply,
    StreamAck,
)
from dffmpeg.wire.workers import (
    DeregisterRequest,
    RegisterReply,
    RegisterRequest,
    VerifyRequest,
    WorkerRecord,
)

_OK = Content(text="it is done", kind=StatusReply, example=examples.OK)
_RECORD = Content(text="the worker", kind=WorkerRecord, example=examples.WORKER)
_FENCED = {
    409: "the attempt is not the caller's any more, or the job's state does not allow it; nothing was changed"
}
_REPORT = Content(text="the attempt", kind=AttemptReport, example=AttemptReport(attempt=1))
_SELF = "a worker speaks for itself only"


def _report(summary: str, **fields: Any) -> Description:
    defaults = {"body": _REPORT, "may_be_empty": True, "answers": {200: _OK}, "errors": _FENCED}
    return Description(tag="Attempts", summary=summary, **{**defaults, **fields})


def _hold(summary: str) -> Description:
    return Description(
        tag="Workers",
        summary=summary,
        text="It gets nothing new; what it runs goes on.",
        body=Content(
            text="why, and for how long",
            kind=HoldRequest,
            example=HoldRequest(reason="new disks", seconds=3600),
        ),
        answers={200: _RECORD},
    )


_POLL = Description(
    tag="Attempts",
    summary="Messages for the calling worker",
    parameters=POLLING,
    answers={200: POLLED},
    errors={409: "the http_polling downlink is not enabled, or the worker is another process"},
)

WORKERS: Mapping[str, Described] = {
    "GET /workers": Description(
        tag="Workers",
        summary="Workers by id, as one array",
        parameters=(window("a day", "workers that were seen within so long"),),
        answers={
            200: Content(text="without their abilities", kind=list[WorkerRecord], example=[examples.WORKER])
        },
    ),
    "GET /workers/<worker_id>": Description(
        tag="Workers",
        summary="One worker",
        answers={200: _RECORD},
        errors={403: _SELF},
    ),
    "POST /workers/<worker_id>/pause": _hold("Pause a worker"),
    "POST /workers/<worker_id>/drain": _hold("Drain a worker"),
    "POST /workers/<worker_id>/quarantine": _hold("Quarantine a worker"),
    "POST /workers/<worker_id>/resume": Description(
        tag="Workers", summary="Take a worker's hold away, whichever it is", answers={200: _RECORD}
    ),
    "POST /workers/<worker_id>/probe": Description(
        tag="Workers",
        summary="Have a worker find out anew what its programs can do",
        body=Content(
            text="whether it also measures how fast it is",
            kind=ProbeRequest,
            example=ProbeRequest(benchmark=True),
        ),
        may_be_empty=True,
        answers={202: Content(text="it was asked", kind=StatusReply, example=examples.OK)},
        errors={409: "it is not there to hear it"},
    ),
    "DELETE /workers/<worker_id>": Description(
        tag="Workers",
        summary="Forget a worker that is offline",
        answers={200: _OK},
        errors={409: "it is not offline"},
    ),
    "POST /worker/register": Description(
        tag="Attempts",
        summary="Register, or renew the lease",
        body=Content(
            text="what the worker offers, and what it holds",
            kind=RegisterRequest,
            example=examples.REGISTRATION,
        ),
        answers={200: Content(text="what it should do", kind=RegisterReply, example=examples.REGISTERED)},
        errors={403: _SELF},
    ),
    "POST /worker/<worker_id>/verify": Description(
        tag="Attempts",
        summary="Complete the registration",
        body=Content(
            text="what came over the downlink",
            kind=VerifyRequest,
            example=VerifyRequest(registration_token="c2VjcmV0"),  # noqa: S106 - an example
        ),
        answers={
            200: Content(
                text="`detail` is the worker's state", kind=StatusReply, example=StatusReply(detail="online")
            )
        },
        errors={403: _SELF, 409: "it is another token"},
    ),
    "POST /worker/deregister": Description(
        tag="Attempts",
        summary="Leave; what the worker holds moves to others",
        body=Content(
            text="the worker", kind=DeregisterRequest, example=DeregisterRequest(worker_id=examples.WORKER_ID)
        ),
        answers={200: _OK},
        errors={403: _SELF},
    ),
    "GET /poll/worker": _POLL,
    "GET /poll/worker/<instance>": _POLL,
    "POST /jobs/<job_id>/accept": _report("Take an attempt; only then may its process start"),
    "POST /jobs/<job_id>/reject": _report("Do not take an attempt, or give it back as lost"),
    "POST /jobs/<job_id>/worker_heartbeat": _report(
        "Renew an attempt's lease",
        answers={
            200: Content(
                text="`detail` is the job's state", kind=StatusReply, example=StatusReply(detail="running")
            )
        },
    ),
    "POST /jobs/<job_id>/output": _report(
        "Hand over pieces of an attempt's outputs",
        body=Content(text="frames, one behind the other", media=(FRAMES,)),
        may_be_empty=False,
        answers={
            200: Content(
                text="up to where each output has arrived",
                kind=OutputReply,
                example=OutputReply(
                    stdout=StreamAck(received=0, acked=0), stderr=StreamAck(received=512, acked=512)
                ),
            )
        },
    ),
    "POST /jobs/<job_id>/attend": _report(
        "Get the inputs of an attempt, for workers without a WebSocket",
        body=Content(
            text="how far its inputs are", kind=AttendRequest, example=AttendRequest(attempt=1, wait=20)
        ),
        may_be_empty=False,
        answers={200: Content(text="frames of inputs", media=(FRAMES,))},
    ),
    "POST /jobs/<job_id>/status": _report(
        "Report an attempt's end; it and its output are durable when the answer comes",
        body=Content(
            text="how it ended",
            kind=FinishReport,
            example=FinishReport(status="completed", exit_code=0, attempt=1),
        ),
        may_be_empty=False,
    ),
    "POST /jobs/<job_id>/logs": _report(
        "Hand over lines, as older workers do",
        body=Content(text="lines", kind=LogsRequest, example=LogsRequest(logs=[examples.LINE])),
        may_be_empty=False,
    ),
}
