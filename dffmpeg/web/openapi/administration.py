"""The queue, the coordinator itself, and what monitoring reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from dffmpeg.supervisors.tree import TreeNode
from dffmpeg.web.admin import MAX_RUNS, JanitorRequest
from dffmpeg.web.debug import CrashRequest
from dffmpeg.web.openapi import examples
from dffmpeg.web.openapi.description import (
    JSON,
    TEXT,
    Content,
    Described,
    Description,
    Parameter,
    limit,
    window,
)
from dffmpeg.web.tree import CoordinatorTree
from dffmpeg.wire.administration import Overview, PauseRequest
from dffmpeg.wire.janitor import JanitorRecord
from dffmpeg.wire.jobs import StatusReply
from dffmpeg.wire.observation import Readiness, Slots, Stats
from dffmpeg.wire.scheduling import QueueState


class Health(msgspec.Struct, kw_only=True):
    """GET /health; databases and transports only if they were asked for."""

    status: str
    version: str
    databases: dict[str, str] | msgspec.UnsetType = msgspec.UNSET
    transports: dict[str, str] | msgspec.UnsetType = msgspec.UNSET


class Counts(msgspec.Struct, kw_only=True):
    """GET /metrics.json: jobs that live, or did within so long."""

    total: dict[str, int]
    per_binary: dict[str, dict[str, int]]
    per_worker: dict[str, dict[str, int]]


_QUEUE = Content(text="the queue", kind=QueueState, example=examples.QUEUE)
_COUNTS = Counts(total={"current": 2, "last_1m": 3, "last_5m": 9}, per_binary={}, per_worker={})
_RUN = Content(text="what it did", kind=JanitorRecord, example=examples.RUN)


def _queue(summary: str, **fields: Any) -> Description:
    return Description(tag="Administration", summary=summary, answers={200: _QUEUE}, **fields)


def _health(status: str) -> Content:
    return Content(text=f"`{status}`", kind=Health, example=Health(status=status, version="1.0.0"))


ADMINISTRATION: Mapping[str, Described] = {
    "GET /queue": _queue("Whether jobs are given to workers"),
    "POST /queue/pause": _queue(
        "Give no more jobs to workers; what runs goes on",
        body=Content(text="why", kind=PauseRequest, example=PauseRequest(reason="new disks")),
        may_be_empty=True,
    ),
    "POST /queue/resume": _queue("Give jobs to workers again"),
    "GET /admin/overview": Description(
        tag="Administration",
        summary="Everything at a glance",
        parameters=(window("a day", "how far back failed jobs are shown"),),
        answers={200: Content(text="the cluster", kind=Overview, example=examples.OVERVIEW)},
    ),
    "GET /admin/tree": Description(
        tag="Administration",
        summary="The supervision tree",
        answers={200: Content(text="its root, and all below it", kind=TreeNode, example=examples.TREE)},
        errors={404: "this coordinator has none"},
    ),
    "GET /api/v1/tree": Description(
        tag="Observation",
        summary="The supervision tree, as much of it as a picture has room for",
        text=(
            "That of the coordinator which answers; each has its own. Of each supervisor's children the "
            "first 200 are shown, the oldest; `hidden` says how many more there are. The change feed tells "
            "by `tree` what changes."
        ),
        answers={
            200: Content(
                text="its root, and what is below it", kind=CoordinatorTree, example=examples.COORDINATOR_TREE
            )
        },
        errors={404: "this coordinator has none"},
    ),
    "GET /admin/janitor": Description(
        tag="Administration",
        summary="The janitor's latest runs, the last one first",
        parameters=(limit(MAX_RUNS, 20),),
        answers={200: Content(text="runs", kind=list[JanitorRecord], example=[examples.RUN])},
    ),
    "POST /admin/janitor": Description(
        tag="Administration",
        summary="Have the janitor sweep, and wait until it has",
        body=Content(text="what to do", kind=JanitorRequest, example=JanitorRequest(action="run_all")),
        answers={200: _RUN},
    ),
    "POST /debug/crash": Description(
        tag="Administration",
        summary="Crash an actor on purpose; only with `[debug] routes`",
        body=Content(text="which", kind=CrashRequest, example=CrashRequest(path="coordinator/scheduler")),
        answers={202: Content(text="it was crashed", kind=StatusReply, example=examples.OK)},
        errors={404: "there is no such child"},
    ),
    "GET /health": Description(
        tag="Observation",
        summary="Whether the process serves",
        parameters=(
            Parameter(name="deep", kind=bool, text="also ask databases and downlinks", example=True),
        ),
        answers={200: _health("online"), 500: _health("unhealthy"), 503: _health("shutdown")},
    ),
    "GET /ready": Description(
        tag="Observation",
        summary="Whether requests should come here",
        answers={
            200: Content(text="yes", kind=Readiness, example=Readiness(status="ready")),
            503: Content(
                text="not yet, or not any more",
                kind=Readiness,
                example=Readiness(status="waiting", waits_for=["scheduler is restarting"]),
            ),
        },
    ),
    "GET /stats": Description(
        tag="Observation",
        summary="The cluster in numbers",
        answers={
            200: Content(
                text="how many of what",
                kind=Stats,
                example=Stats(
                    version="1.0.0",
                    jobs={"pending": 3, "running": 4},
                    workers={"online": 2, "held": 0},
                    slots=Slots(total=8, used=4),
                    queue=QueueState(paused=False),
                ),
            )
        },
    ),
    "GET /metrics": Description(
        tag="Observation",
        summary="Everything that is counted, for Prometheus",
        text=(
            "Without a signature only from `allowed_metrics_ips`. JSON where the request asks for it, or is "
            "signed and asks for nothing in particular."
        ),
        answers={
            200: Content(
                text="metrics",
                kind=Counts,
                example="dffmpeg_queue_paused 0.0\n",
                media=(TEXT, "application/openmetrics-text", JSON),
            )
        },
        errors={401: "a signature that is wrong", 403: "not signed, and not from there"},
    ),
    "GET /metrics.json": Description(
        tag="Observation",
        summary="Counts of jobs, as the first dffmpeg had them",
        answers={200: Content(text="in total, and by binary and worker", kind=Counts, example=_COUNTS)},
    ),
}
