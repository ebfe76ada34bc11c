"""Output files that a lost attempt made: noticed while they are written, removed before the next one.

ffmpeg asks before it writes over a file, and where nobody can answer it refuses. A repeated attempt is
to be as the first, so what a lost attempt left must not be there before the next. What goes must be beyond
doubt, for others write to the same folders: a regular file in a mapped directory, which the command line
names as an output, which was not there when the attempt began, which its program was seen to hold open
for writing, and which is that same file still. Numbered files stay: the muxers that write them do not ask.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dffmpeg.actors.worker.attempts.vitals import written
from dffmpeg.errors import DffmpegError
from dffmpeg.model import paths
from dffmpeg.wire import bytestring
from dffmpeg.wire.workers import JobRequest


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

    def new(self, begun: Mapping[bytes, int]) -> tuple[bytes, ...]:
        """Those that do not exist, or that earlier attempts made, in the `$Name` form."""
        return tuple(path for path in self._named if self._is_new(path, begun.get(path)))

    def _is_new(self, path: bytes, made: int | None) -> bool:
        try:
            with self._opened(path) as place:
                return place is not None and place.status().st_ino == made
        except FileNotFoundError:
            # Nor is the directory around it, perhaps.
            return True
        except OSError:
            return False

    def made(self, new: Sequence[bytes], pid: int) -> dict[bytes, int]:
        """Those of the new ones that a process, or one below it, holds open for writing, and their inodes."""
        held = written(pid)
        found: dict[bytes, int] = {}
        for path in new:
            with contextlib.suppress(OSError), self._opened(path) as place:
                if place is not None:
                    status = place.status()
                    if (status.st_dev, status.st_ino) in held:
                        found[path] = status.st_ino
        return found

    def remove(self, begun: Mapping[bytes, int], given_up: threading.Event) -> None:
        """Remove what earlier attempts made, where it is still that.

        Args:
            begun: paths in the `$Name` form, and inodes; what the command line does not name is passed over.
            given_up: set when nobody waits for this any more: from then on nothing is removed.

        Raises:
            CannotRemove: as it says.
        """
        for path in self._named:
            if path in begun:
                try:
                    self._remove(path, begun[path], given_up)
                except FileNotFoundError:
                    continue
                except OSError as error:
                    shown = bytestring.display(path)
                    raise CannotRemove(
                        f"{shown}, which an earlier attempt began, cannot be removed: {error.strerror}"
                    ) from error

    def _remove(self, path: bytes, inode: int, given_up: threading.Event) -> None:
        with self._opened(path) as place:
            if place is None:
                return
            status = place.status()
            if status.st_ino != inode or not stat.S_ISREG(status.st_mode):
                return
            if self._owner in (None, status.st_uid) and not given_up.is_set():
                os.unlink(place.name, dir_fd=place.directory)

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


@dataclass(frozen=True, slots=True)
class _Place:
    """A name in an open directory."""

    directory: int
    name: bytes

    def status(self) -> os.stat_result:
        """Of what is there by that name; links are not followed. Raises `FileNotFoundError`."""
        return os.stat(self.name, dir_fd=self.directory, follow_symlinks=False)
