"""From a job as it travelled to a command of this machine, or to the reason why there is none."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from dffmpeg.actors.spawning import Command
from dffmpeg.errors import BadInput, DffmpegError
from dffmpeg.model import paths
from dffmpeg.model.paths import PathError
from dffmpeg.wire import bytestring
from dffmpeg.wire.workers import JobRequest


class NotRunnable(DffmpegError):
    """This worker cannot run the job, another one may; the text says why."""


def prepare(
    request: JobRequest,
    programs: Mapping[str, bytes],
    present: Mapping[str, bytes],
) -> Command:
    """Resolve a job's binary and paths.

    Reads the file system (symbolic links), so it may hang where that does.

    Args:
        programs: name to absolute path of the executable.
        present: variable to directory, of those mapped directories that are there now.

    Raises:
        NotRunnable: the binary is unknown, a path is not mapped, not there, or leaves its directory.
    """
    program = programs.get(request.binary_name)
    if program is None:
        raise NotRunnable(f"there is no {request.binary_name} on this worker")
    missing = sorted(set(request.paths) - set(present))
    if missing:
        raise NotRunnable(f"the path ${missing[0]} is not mapped or not there on this worker")
    try:
        raw = bytestring.list_from_wire(request.arguments, "arguments")
        arguments = tuple(paths.arguments_to_directories(raw, present, request.paths))
        directory = None
        if request.working_directory is not None:
            travelled = bytestring.from_wire(request.working_directory, "working_directory")
            directory = paths.path_to_directory(travelled, present, request.paths)
            if not directory.startswith(b"/"):
                raise NotRunnable("the working directory is not a mapped path")
    except (BadInput, PathError) as error:
        raise NotRunnable(str(error)) from error
    if request.paths:
        _check_links(arguments, directory, present)
    return Command(program, arguments, directory)


def _check_links(
    arguments: Sequence[bytes], directory: bytes | None, directories: Mapping[str, bytes]
) -> None:
    """A path in a mapped directory must still be in one after symbolic links were followed."""
    mapped = tuple(directories.values())
    real = tuple(os.path.realpath(path) for path in mapped)
    named = [place.path for place in paths.places_in(arguments)]
    for path in named if directory is None else [*named, directory]:
        if paths.inside(path, mapped) and not paths.inside(os.path.realpath(path), real):
            raise NotRunnable(f"{bytestring.display(path)} is a link that leaves the mapped directories")
