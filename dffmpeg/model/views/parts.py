"""What views are made of, and which of the machine's directories they leave alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from dffmpeg.errors import DffmpegError

SYSTEM_DIRECTORIES = (
    b"/bin",
    b"/boot",
    b"/dev",
    b"/etc",
    b"/lib",
    b"/lib32",
    b"/lib64",
    b"/libx32",
    b"/proc",
    b"/run",
    b"/sbin",
    b"/sys",
    b"/usr",
)
_OPEN_DIRECTORIES = (b"/dev/shm", b"/run/media")
"""Below these people do keep media."""


class ViewError(DffmpegError):
    """A client's directory cannot be shown; the text says why.

    Attributes:
        name: the path variable that it is about.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"${name} cannot have the client's name here: {reason}")
        self.name = name


@dataclass(frozen=True, slots=True)
class Entry:
    """What a path is.

    Attributes:
        link: of a symbolic link, its text.
        real: of a link to a directory, that directory without links.
        mode: permission bits of a directory.
    """

    kind: Literal["directory", "link", "other"]
    link: bytes = b""
    real: bytes | None = None
    mode: int = 0o755


class Tree(Protocol):
    """The worker's file system, as far as a plan needs to know it."""

    def look(self, path: bytes) -> Entry | None:
        """What is at a path, itself not followed; None if nothing is."""

    def listing(self, path: bytes) -> Mapping[bytes, Entry]:
        """What is in a directory."""


@dataclass(frozen=True, slots=True)
class Bind:
    """A mapped directory.

    Attributes:
        target: where the client has it.
        source: where the worker has it.
        identity: device and inode of the source: another one there is another view.
        same: whether the worker has it under the client's name too.
        read_only: nothing in it may be changed.
        reachable: whether the program's user can get there on the worker. The directories above a target
            are not those above its source, and would let everybody through.
    """

    name: str
    target: bytes
    source: bytes
    identity: tuple[int, int]
    same: bool
    read_only: bool = False
    reachable: bool = True

    def words(self, path: bytes, rights: bytes) -> list[bytes]:
        """What shows it at `path`, by this option of bubblewrap's unless it is read-only."""
        if not self.reachable:
            return [b"--perms", b"0000", b"--tmpfs", path, b"--remount-ro", path]
        return [b"--ro-bind" if self.read_only else rights, self.source, path]


@dataclass(frozen=True, slots=True)
class ViewPlan:
    """How to make a view. Equal plans are the same view.

    Attributes:
        arguments: bubblewrap's, without a command.
        identities: of what is bound.
        targets: where directories of the client's are bound.
        replaced: directories that became file systems in memory.
        enclosed: nothing of the machine is to be seen but what was asked for; /tmp is empty.
        scratch: of an enclosed view, where folders that were made after it are to be seen all the same.
    """

    arguments: tuple[bytes, ...]
    identities: tuple[tuple[int, int], ...]
    targets: tuple[bytes, ...]
    replaced: tuple[bytes, ...]
    enclosed: bool = False
    scratch: bytes = b""

    def hides(self, folder: bytes) -> bool:
        """Whether a folder that was made after the view is not to be seen in it."""
        if self.enclosed:
            return not self.scratch or not within(folder, self.scratch)
        return folder.rpartition(b"/")[0] in self.replaced or any(
            within(folder, target) for target in self.targets
        )


def check(bind: Bind, kept: Sequence[bytes]) -> None:
    for directory in (*SYSTEM_DIRECTORIES, *kept):
        if within(directory, bind.target):
            raise ViewError(bind.name, f"{text(bind.target)} would cover {text(directory)}")
    if is_system(bind.target):
        raise ViewError(bind.name, f"{text(bind.target)} is in a system directory")


def is_system(path: bytes) -> bool:
    """Whether a path is the system's, where a view changes nothing."""
    if any(within(path, directory) for directory in _OPEN_DIRECTORIES):
        return False
    return any(within(path, directory) for directory in SYSTEM_DIRECTORIES)


def within(path: bytes, directory: bytes) -> bool:
    return path == directory or path.startswith(directory.rstrip(b"/") + b"/")


def join(directory: bytes, name: bytes) -> bytes:
    return directory.rstrip(b"/") + b"/" + name


def text(path: bytes) -> str:
    return path.decode("utf-8", "replace")
