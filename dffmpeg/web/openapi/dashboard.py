"""The cluster as a whole, as the dashboard's pages read it."""

from __future__ import annotations

from collections.abc import Mapping

from dffmpeg.web.openapi import examples
from dffmpeg.web.openapi.description import Content, Described, Description, Parameter
from dffmpeg.wire.dashboard import (
    Alert,
    ClusterOverview,
    History,
    HistoryPoint,
    OverviewWorker,
    ProgressEvent,
    Rates,
    Span,
)

ALERT = Alert(
    kind="quarantined",
    severity="warning",
    subject="worker2",
    text="Worker worker2 is in quarantine and gets no jobs: 3 failures in a row. "
    "Find out what ails it, then resume it.",
    since="2026-01-31T11:40:00.000000+00:00",
)
OVERVIEW = ClusterOverview(
    counts={"pending": 12, "assigned": 0, "running": 3, "canceling": 0}
    | {"completed": 9120, "failed": 14, "canceled": 2},
    queue=examples.QUEUE,
    workers=[
        OverviewWorker(
            worker_id=examples.WORKER_ID, status="online", slots=4, used_slots=3, load=0.82, speed=7.4
        )
    ],
    rates=Rates(submitted=20, started=18, ended=17),
    alerts=[ALERT],
)
PROGRESS = ProgressEvent(
    job_id=examples.JOB_ID,
    attempt=1,
    fraction=0.25,
    speed=2.5,
    fps=60.0,
    out_time=900.0,
    size=52_428_800,
    remaining=1080.0,
    at="2026-01-31T12:00:00.000000+00:00",
)
_HISTORY = History(
    step=60,
    points=[
        HistoryPoint(at="2026-01-31T11:58:00.000000+00:00"),
        HistoryPoint(
            at="2026-01-31T11:59:00.000000+00:00",
            submitted=20,
            started=18,
            completed=16,
            failed=1,
            canceled=0,
            waited_mean=1.5,
            waited_max=4.25,
            queued=11.5,
            running=3.0,
            slots=4.0,
            used_slots=3.0,
            bytes=73_400_320,
        ),
    ],
)

DASHBOARD: Mapping[str, Described] = {
    "GET /api/v1/overview": Description(
        tag="Observation",
        summary="The cluster at a glance",
        text=(
            "Told out of memory: what it costs does not depend on how many jobs there are. Jobs that have "
            "ended are counted anew every 15 s at most where something else than their ends changed them."
        ),
        answers={200: Content(text="as the feed tells it too", kind=ClusterOverview, example=OVERVIEW)},
    ),
    "GET /api/v1/alerts": Description(
        tag="Observation",
        summary="What somebody should look at",
        text=(
            "Errors first. What is only a moment's does not come here, and what is over goes after 10 s. "
            "`since` is as far back as this coordinator knows."
        ),
        answers={200: Content(text="all of them", kind=list[Alert], example=[ALERT])},
    ),
    "GET /api/v1/history": Description(
        tag="Observation",
        summary="How busy the cluster was",
        text="Of all coordinators together. Where nobody recorded anything a point has only its time.",
        parameters=(
            Parameter(
                name="span",
                kind=Span,
                text="`hour` is 60 points of a minute, `day` 96 of a quarter of an hour; else `hour`",
                example="day",
            ),
        ),
        answers={
            200: Content(
                text="points without a gap; the last one is not over yet", kind=History, example=_HISTORY
            )
        },
    ),
}
