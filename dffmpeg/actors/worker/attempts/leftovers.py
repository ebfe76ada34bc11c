"""Output files that earlier attempts of a job began: found out beforehand, and removed before the next one.

ffmpeg asks before it writes over a file, and where nobody can answer it refuses. A repeated attempt is
to be as the first, so what was not there before the first must not be there before the next. Only regular
files go, in mapped directories, which the command line itself names as its outputs.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from collections.abc import Iterator, Mapping, Sequence

from dffmpeg.errors import DffmpegError
from dffmpeg.model import paths
from dffmpeg.wire import bytestring
from dffmpeg.wire.workers import JobRequest

MOST = 100_000
"""Numbered files that are removed, and entries of a directory that are looked at for them."""


class CannotRemove(DffmpegError):
    """A file that an earlier attempt began cannot be removed; the text says why."""


class Outputs:
    """A job's outputs on this machine. Its methods use the file system, so they may hang where that does.

    Args:
        present: variable to directory, of those that are there.
        owner: whose files alone may be removed; None for no matter.
    """

    def __init__(self, request: JobRequest, present: Mapping[str, bytes], owner: int | None = None) -> None:
        self._request = request
        self._present = present
        self._owner = owner
        self._directory: bytes | None = None
        if request.working_directory is not None:
            self._directory = bytestring.from_wire(request.working_directory, "working_directory")
        arguments = bytestring.list_from_wire(request.arguments, "arguments")
        self._named = paths.outputs_of(request.binary_name, arguments)

    def new(self) -> tuple[bytes, ...]:
        """Those that do not exist, in the `$Name` form."""
        return tuple(path for path in self._named if self._is_new(path))

    def _is_new(self, path: bytes) -> bool:
        try:
            with self._opened(path) as place:
                return place is not None and not any(place.entries())
        except FileNotFoundError:
            # Nor is the directory around it.
            return True
        except OSError:
            return False

    def remove(self, begun: Sequence[bytes], given_up: threading.Event) -> None:
        """Remove what is there of those that earlier attempts may have begun.

        Args:
            begun: in the `$Name` form; what the command line does not name is passed over.
            given_up: set when nobody waits for this any more: from then on nothing is removed.

        Raises:
            CannotRemove: as it says.
        """
        for path in self._named:
            if path in begun:
                try:
                    self._remove(path, given_up)
                except FileNotFoundError:
                    continue
                except OSError as error:
                    shown = bytestring.display(path)
                    raise CannotRemove(
                        f"{shown}, which an earlier attempt began, cannot be removed: {error.strerror}"
                    ) from error

    def _remove(self, path: bytes, given_up: threading.Event) -> None:
        with self._opened(path) as place:
            if place is None:
                return
            for name in place.entries():
                status = os.stat(name, dir_fd=place.directory, follow_symlinks=False)
                if not stat.S_ISREG(status.st_mode) or self._owner not in (None, status.st_uid):
                    continue
                if given_up.is_set():
                    return
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=place.directory)

    def _is_mapped(self, real: bytes) -> bool:
        # Those that the job uses first: any other may lie on a mount that has just stopped answering.
        used = [self._present[name] for name in self._request.paths if name in self._present]
        return any(
            paths.inside(real, [os.path.realpath(directory) for directory in directories])
            for directories in (used, self._present.values())
        )

    @contextlib.contextmanager
    def _opened(self, path: bytes) -> Iterator[_Place | None]:
        """The directory around an output, held open so that it cannot become another; None where that is
        in no mapped directory.

        Raises:
            OSError: it cannot be opened.
        """
        here = paths.located(path, self._present, self._request.paths, self._directory)
        around, name = (b"", b"") if here is None else os.path.split(here)
        if not name:
            yield None
            return
        number = os.open(around, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # Asked of what is open, because a link on the way may lead elsewhere, or may have changed.
            real = os.readlink(b"/proc/self/fd/%d" % number)
            yield _Place(number, name) if self._is_mapped(real) else None
        finally:
            os.close(number)


class _Place:
    """A name, or a pattern of names, in an open directory."""

    def __init__(self, directory: int, name: bytes) -> None:
        self.directory = directory
        self._name = name
        self._numbered = paths.numbered(name)

    def entries(self) -> Iterator[bytes]:
        """What is there by that name, of whatever kind; links are not followed."""
        if self._numbered is None:
            with contextlib.suppress(FileNotFoundError):
                os.stat(self._name, dir_fd=self.directory, follow_symlinks=False)
                yield self._name
            return
        with os.scandir(self.directory) as listed:
            found = [os.fsencode(entry.name) for entry, _ in zip(listed, range(MOST), strict=False)]
        yield from (name for name in found if self._numbered.match(name))
