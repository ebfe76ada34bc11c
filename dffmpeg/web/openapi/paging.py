"""What is the same for all lists by pages."""

from __future__ import annotations

from typing import Annotated

import msgspec

from dffmpeg.web.lists import LIMIT, MAX_CURSOR, MAX_LIMIT, MAX_OFFSET
from dffmpeg.web.openapi.description import Parameter, limit

LINKED = "a page; a `Link` header leads to the next one"

PAGES = (
    limit(MAX_LIMIT, LIMIT),
    Parameter(
        name="cursor",
        kind=Annotated[str, msgspec.Meta(max_length=MAX_CURSOR)],
        text="`next` of the page before; all else has to stay the same",
    ),
    Parameter(
        name="offset",
        kind=Annotated[int, msgspec.Meta(ge=0, le=MAX_OFFSET)],
        text="how many to leave out; not together with `cursor`",
        example=0,
    ),
)
