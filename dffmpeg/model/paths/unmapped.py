"""Which paths of a command line a worker would look for, or write, in the wrong place."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from dffmpeg.model.paths.directories import inside
from dffmpeg.model.paths.options import name_of
from dffmpeg.model.paths.places import Place, Use, places_in

SYSTEM = (
    *(b"/dev", b"/proc", b"/sys", b"/usr", b"/etc", b"/bin", b"/sbin", b"/run", b"/boot"),
    *(b"/lib", b"/lib32", b"/lib64", b"/libx32"),
)
"""Each machine has its own of these; what is below them is never shared."""

_SCHEME = re.compile(rb"[A-Za-z][A-Za-z0-9+.,-]*:")
_PATTERN = re.compile(rb"%|[*?]")


@dataclass(frozen=True, slots=True)
class Suspect:
    """A path that no mapping covers. It is wrong if it is there for the caller, and else harmless.

    Attributes:
        path: as the program reads it; relative to the working directory if that is not mapped.
        parent_counts: whether it is enough that the directory around it is there, because the program writes
            it, or its name is a pattern.
    """

    path: bytes
    parent_counts: bool


def suspects(
    program: str, arguments: Sequence[bytes], directories: Mapping[str, bytes], *, relative: bool
) -> Iterator[Suspect]:
    """Paths of a command line that no mapping covers.

    Args:
        program: its name; what ffprobe is given is read.
        arguments: without the program's name.
        directories: the mapped ones, from `validated`.
        relative: whether relative paths count too, because the working directory is not mapped.
    """
    mapped = tuple(directories.values())
    for place in _places(program, arguments):
        if place.path.startswith(b"/"):
            if not _covered(place.path, mapped):
                yield _suspect(place)
        elif relative and _plainly_a_file(place):
            yield _suspect(place)
    if relative and program != "ffprobe":
        names = {name_of(argument) for argument in arguments if argument.startswith(b"-")}
        if b"pass" in names and b"passlogfile" not in names:
            yield Suspect(b"ffmpeg2pass-0.log", parent_counts=True)


def covered(
    program: str, arguments: Sequence[bytes], directories: Mapping[str, bytes], *, relative: bool
) -> Iterator[Suspect]:
    """Paths of a command line that a mapping covers by their names; links may lead them elsewhere.

    Args:
        program, arguments, directories: as for `suspects`.
        relative: whether relative paths count too, because the working directory is mapped.
    """
    mapped = tuple(directories.values())
    for place in _places(program, arguments):
        if place.path.startswith(b"/"):
            if inside(_plain(place.path), mapped):
                yield _suspect(place)
        elif relative and _plainly_a_file(place):
            yield _suspect(place)


def _places(program: str, arguments: Sequence[bytes]) -> Iterator[Place]:
    for place in places_in(arguments):
        reads = program == "ffprobe" and place.use is Use.OUTPUT
        yield replace(place, use=Use.READ) if reads else place


def _suspect(place: Place) -> Suspect:
    parent_counts = (
        place.use in (Use.WRITTEN, Use.OUTPUT, Use.OPTION) or _PATTERN.search(place.path) is not None
    )
    return Suspect(place.path, parent_counts)


def _covered(path: bytes, mapped: Sequence[bytes]) -> bool:
    # In a view a path may leave its directory and come back, as it may here.
    plain = _plain(path)
    return inside(plain, mapped) or inside(plain, SYSTEM)


def _plain(path: bytes) -> bytes:
    return b"/" + posixpath.normpath(path).lstrip(b"/")


def _plainly_a_file(place: Place) -> bool:
    # The value of an option or of a filter may be a number or a name just as well.
    if place.use not in (Use.READ, Use.WRITTEN, Use.OUTPUT):
        return False
    return place.path != b"-" and _SCHEME.match(place.path) is None
