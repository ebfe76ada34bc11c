"""The files that a command line of ffmpeg is about to write, and where they are."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from dffmpeg.model.paths.places import Use, places_in

MOST = 64
"""Outputs that are looked at."""

_SCHEME = re.compile(rb"[A-Za-z][A-Za-z0-9+.,-]*:")
_VARIABLE = re.compile(rb"\$([A-Za-z_][A-Za-z0-9_]*)(?:~[0-9])?(/.*|)\Z", re.DOTALL)


def outputs_of(program: str, arguments: Sequence[bytes]) -> list[bytes]:
    """The paths of the outputs, in the form that travels, each once; none for a program that only reads.

    Addresses of other machines and pipes are none of them.

    Args:
        program: its name.
        arguments: in the `$Name` form.
    """
    if not program.startswith("ffmpeg"):
        return []
    found = dict.fromkeys(
        place.path
        for place in places_in(arguments)
        if place.use is Use.OUTPUT and place.path != b"-" and not _SCHEME.match(place.path)
    )
    return list(found)[:MOST]


def located(
    path: bytes,
    directories: Mapping[str, bytes],
    names: Collection[str],
    working_directory: bytes | None = None,
) -> bytes | None:
    """Where a path that travelled is on this machine; None where that is in no mapped directory for certain.

    Args:
        path: from `outputs_of`.
        directories: this machine's.
        names: the variables that the sender says it used.
        working_directory: in the form that travels.
    """
    if path.startswith(b"$$"):
        path = path[1:]
    elif path.startswith(b"$"):
        found = _VARIABLE.match(path)
        name = "" if found is None else found[1].decode("ascii")
        if found is None or name not in names or name not in directories or _climbs(found[2]):
            return None
        return directories[name] + found[2]
    if path.startswith(b"/") or _climbs(path) or working_directory is None:
        return None
    if not working_directory.startswith(b"$") or working_directory.startswith(b"$$"):
        return None
    around = located(working_directory, directories, names)
    return None if around is None else around + b"/" + path


def variables_written(
    paths: Iterable[bytes], names: Collection[str], working_directory: bytes | None = None
) -> tuple[str, ...]:
    """The path variables in whose directories files are, sorted; see `located`."""
    folders = {name: b"/" + name.encode("utf-8", "surrogateescape") for name in names}
    places = (located(path, folders, names, working_directory) for path in paths)
    found = {place.split(b"/")[1].decode("utf-8", "surrogateescape") for place in places if place is not None}
    return tuple(sorted(found))


def _climbs(path: bytes) -> bool:
    return b".." in path.split(b"/")
