"""Lists by pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from dffmpeg.web.openapi import examples
from dffmpeg.web.openapi.description import Content, Described, Description, Parameter
from dffmpeg.web.openapi.paging import LINKED, PAGES
from dffmpeg.wire.lists import JobList, WorkerList

_Text = Annotated[str, msgspec.Meta(max_length=128)]
_Names = Annotated[str, msgspec.Meta(max_length=4096)]
_CURSOR = "k6pjcmVhdGVkX2F0w8s_8AAAAAAAAKFYAA"


def _fits(name: str, text: str, example: str, kind: Any = _Text) -> Parameter:
    return Parameter(name=name, kind=kind, text=text, example=example)


LISTS: Mapping[str, Described] = {
    "GET /api/v1/jobs": Description(
        tag="Jobs",
        summary="Jobs, page by page",
        text=(
            "Own jobs; an administrator's everybody's. However many jobs there are, a page costs the "
            "same. Where few jobs fit, a page may be short or empty and have a `next` all the same."
        ),
        parameters=(
            *PAGES,
            Parameter(
                name="sort",
                kind=Literal["created_at", "-created_at", "last_update", "-last_update"],
                text="with a minus the newest first; `-created_at` where it is not said",
                example="-last_update",
            ),
            Parameter(
                name="status",
                kind=_Names,
                text="in one of these states, commas between",
                example="pending,running",
            ),
            Parameter(name="state", kind=_Names, text="the same as `status`, and not together with it"),
            _fits("requester", "this user's", "player"),
            Parameter(
                name="worker",
                kind=_Text,
                text="that this worker has, or had last",
                example=examples.WORKER_ID,
            ),
            _fits("binary", "of this program", "ffmpeg"),
            _fits("label", "with all of these labels, commas between", "nightly", _Names),
            _fits("name", "of this name, in which a `*` is anything", "backup*"),
            _fits("text", "with this in one of the arguments", "libx264"),
            _fits(
                "search",
                "with each of these words, spaces between, in the arguments or the name, whatever the case "
                "of ASCII's letters; `searched_until` says how far a page has looked",
                "x264 holiday",
            ),
            Parameter(
                name="created_from",
                kind=_Text,
                text="submitted then or later",
                example="2026-01-31T12:00:00Z",
            ),
            _fits("created_before", "submitted earlier", "2026-02-01T00:00:00Z"),
        ),
        answers={
            200: Content(text=LINKED, kind=JobList, example=JobList(items=[examples.JOB], next=_CURSOR))
        },
        errors={403: "another user's jobs were asked for"},
    ),
    "GET /api/v1/workers": Description(
        tag="Workers",
        summary="Workers, page by page",
        parameters=(
            *PAGES,
            Parameter(
                name="sort",
                kind=Literal["worker_id", "-worker_id", "last_seen", "-last_seen"],
                text="with a minus the last one first; `worker_id` where it is not said",
                example="-last_seen",
            ),
            _fits("status", "with one of these, commas between", "online,paused", _Names),
            _fits("label", "with all of these labels, commas between", "gpu", _Names),
        ),
        answers={
            200: Content(text=LINKED, kind=WorkerList, example=WorkerList(items=[examples.WORKER], next=None))
        },
    ),
}
