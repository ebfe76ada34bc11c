"""What commands print for people: aligned tables, short times; and JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from dffmpeg.wire import codec, times

COMMAND_WIDTH = 60


def table(header: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str) -> str:
    """Rows under a header, columns aligned.

    Args:
        empty: what to say instead where there are no rows.
    """
    if not rows:
        return empty
    lines = [list(header), *([plain(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def fields(pairs: Sequence[tuple[str, object]]) -> str:
    """Names and values below each other; what is None is left out."""
    given = [(name, plain(value)) for name, value in pairs if value is not None]
    width = max((len(name) for name, _ in given), default=0)
    return "\n".join(f"{name.ljust(width)}  {value}".rstrip() for name, value in given)


def plain(cell: object) -> str:
    """A cell's text, without what would move the cursor of a terminal or break the line."""
    text = "-" if cell is None else str(cell)
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def shortened(text: str, width: int = COMMAND_WIDTH) -> str:
    """A text's beginning, where it is longer than `width` characters."""
    return text if len(text) <= width else text[: width - 1] + "…"


def age(time: str | None, now: float) -> str | None:
    """How long ago a time of the wire was, seen from `now` (Unix seconds): `12 s`, `3 min`, `2 h`, `5 d`."""
    if time is None:
        return None
    try:
        seconds = max(0.0, now - times.from_wire(time))
    except ValueError:
        return time
    for limit, size, unit in ((90, 1, "s"), (90 * 60, 60, "min"), (36 * 3600, 3600, "h")):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86400:.0f} d"


def moment(time: str | None) -> str | None:
    """A time of the wire in the local time zone, to the second."""
    if time is None:
        return None
    try:
        return datetime.fromtimestamp(times.from_wire(time)).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
    except (ValueError, OverflowError, OSError):
        return time


def as_json(value: Any) -> str:
    """A struct, or a list of them, as indented JSON."""
    return json.dumps(codec.to_builtins(value), indent=2)
