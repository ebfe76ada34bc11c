"""This machine's time zone, for a schedule that names none."""

from __future__ import annotations

import os
from pathlib import Path

from dffmpeg.model.scheduling import hours

_LOCALTIME = Path("/etc/localtime")
_DATABASE = "zoneinfo/"


def in_zone(schedule: str) -> str:
    """A worker's hours with the time zone that they are meant in: this machine's, if they name none.

    Where that has no name (UTC is assumed there) the schedule stays as it is.
    """
    zone = None if hours.has_zone(schedule) else local_zone()
    return schedule if zone is None else f"{schedule} {zone}"


def local_zone() -> str | None:
    """The name of this machine's time zone, such as Europe/Berlin, as far as it can be told."""
    names = [os.environ.get("TZ", "").lstrip(":")]
    if _LOCALTIME.is_symlink():
        # Not resolved to the end: a zone may be a link to another one.
        names.append(str(_LOCALTIME.readlink()).rpartition(_DATABASE)[2])
    for name in names:
        try:
            hours.parse(f"00:00-24:00 {name}")
        except hours.BadHours:
            continue
        if name:
            return name
    return None
