"""What the table says of a route."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec

FRAMES = "application/octet-stream"
NDJSON = "application/x-ndjson"
TEXT = "text/plain"
EVENTS = "text/event-stream"
JSON = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """Of the query, or a header.

    Attributes:
        kind: a type as msgspec has them, with its bounds.
        example: one that fits; None where the name says all.
    """

    name: str
    kind: Any
    text: str
    example: Any = None
    place: str = "query"


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A body.

    Attributes:
        kind: its model; None where it is no JSON.
        example: a value of the model; for what is no JSON a text, or nothing.
        media: what else it may be, besides the first.
    """

    text: str
    kind: Any = None
    example: Any = None
    media: Sequence[str] = (JSON,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """One route.

    Attributes:
        answers: by status, those that are no errors.
        body: what a request carries; None for nothing.
        may_be_empty: the body may be left out.
        errors: by status, what it means here; those that every such route has need not be named.
    """

    tag: str
    summary: str
    text: str = ""
    parameters: Sequence[Parameter] = ()
    body: Content | None = None
    may_be_empty: bool = False
    answers: Mapping[int, Content]
    errors: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What travels on a WebSocket.

    Attributes:
        kind: the model of a text message; None for one of bytes.
    """

    text: str
    kind: Any = None
    example: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One WebSocket.

    Attributes:
        receives: what the coordinator takes.
        sends: what comes from it.
        closes: by close code, what it means.
    """

    tag: str
    summary: str
    text: str = ""
    parameters: Sequence[Parameter] = ()
    receives: Sequence[Message] = ()
    sends: Sequence[Message] = ()
    closes: Mapping[int, str] = field(default_factory=dict)


Described = Description | Channel


def window(default: str, text: str) -> Parameter:
    """How far back to look."""
    kind = Annotated[float, msgspec.Meta(ge=0, le=31_622_400)]
    return Parameter(
        name="window", kind=kind, text=f"{text}, seconds; {default} where it is not said", example=3600
    )


def limit(most: int, default: int) -> Parameter:
    """How many."""
    kind = Annotated[int, msgspec.Meta(ge=1, le=most)]
    return Parameter(
        name="limit", kind=kind, text=f"at most so many; {default} where it is not said", example=100
    )
