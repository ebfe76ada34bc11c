"""Path views: what has to be mounted where, for a program to find directories under the client's names.

A view is a mount namespace made with bubblewrap. It shows the worker's own file
system, with each mapped directory bound to where the client has it. Nothing is ever
made on the worker's real file system: where a directory is missing, what is above
it is replaced by an empty file system in memory, into which everything that
was beside it is bound again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
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

MAX_NEIGHBOURS = 1000
"""Entries beside a missing directory, each of which is a mount."""


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
    """

    name: str
    target: bytes
    source: bytes
    identity: tuple[int, int]
    same: bool


@dataclass(frozen=True, slots=True)
class ViewPlan:
    """How to make a view. Equal plans are the same view.

    Attributes:
        arguments: bubblewrap's, without a command.
        identities: of what is bound.
        targets: where directories of the client's are bound.
        replaced: directories that became file systems in memory.
    """

    arguments: tuple[bytes, ...]
    identities: tuple[tuple[int, int], ...]
    targets: tuple[bytes, ...]
    replaced: tuple[bytes, ...]

    def hides(self, folder: bytes) -> bool:
        """Whether a folder that was made after the view is not to be seen in it."""
        return folder.rpartition(b"/")[0] in self.replaced or any(
            _within(folder, target) for target in self.targets
        )


def plan(
    binds: Iterable[Bind], required: Collection[str], kept: Sequence[bytes], tree: Tree
) -> ViewPlan | None:
    """Plan a view.

    Args:
        binds: all directories that client and worker both map.
        required: names that the job uses; others are left out if they cannot be shown.
        kept: directories that must stay what they are: the program's, and its tools'.

    Returns:
        None if every directory has the client's name already.

    Raises:
        ViewError: a required one cannot be shown.
    """
    wanted = {bind.name: bind for bind in sorted(binds, key=lambda bind: (bind.name in required, bind.name))}
    while True:
        shown = _shown(wanted.values())
        if not shown:
            return None
        try:
            for bind in shown:
                _check(bind, kept)
            return _Plan(tree).make(shown)
        except ViewError as error:
            if error.name in required:
                raise
            del wanted[error.name]


def _shown(binds: Collection[Bind]) -> list[Bind]:
    """What has to be mounted: what differs, and what that would cover. The last of equal targets wins."""
    differing = [bind for bind in binds if not bind.same]
    shown = {
        bind.target: bind
        for bind in binds
        if not bind.same or any(_within(bind.target, other.target) for other in differing)
    }
    return sorted(shown.values(), key=lambda bind: bind.target)


def _check(bind: Bind, kept: Sequence[bytes]) -> None:
    for directory in (*SYSTEM_DIRECTORIES, *kept):
        if _within(directory, bind.target):
            raise ViewError(bind.name, f"{_text(bind.target)} would cover {_text(directory)}")
    if is_system(bind.target):
        raise ViewError(bind.name, f"{_text(bind.target)} is in a system directory")


def is_system(path: bytes) -> bool:
    """Whether a path is the system's, where a view changes nothing."""
    if any(_within(path, directory) for directory in _OPEN_DIRECTORIES):
        return False
    return any(_within(path, directory) for directory in SYSTEM_DIRECTORIES)


def _within(path: bytes, directory: bytes) -> bool:
    return path == directory or path.startswith(directory.rstrip(b"/") + b"/")


@dataclass(slots=True)
class _Node:
    """A component of some client's directory."""

    bind: Bind | None = None
    children: dict[bytes, _Node] = field(default_factory=dict)

    def any_name(self) -> str:
        """A path variable at or below it, to name in an error."""
        node = self
        while node.bind is None:
            node = next(iter(node.children.values()))
        return node.bind.name


class _Plan:
    """Collects bubblewrap's arguments, from the root downwards."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._words: list[bytes] = []
        self._replaced: list[bytes] = []

    def make(self, binds: Sequence[Bind]) -> ViewPlan:
        root = _Node()
        for bind in binds:
            node = root
            for component in bind.target.strip(b"/").split(b"/"):
                node = node.children.setdefault(component, _Node())
            node.bind = bind
        if not self._lacking(root, b"/"):
            self._words += [b"--dev-bind", b"/", b"/"]
        self._descend(root, b"/", b"/", mapped=False)
        return ViewPlan(
            arguments=tuple(self._words),
            identities=tuple(bind.identity for bind in binds),
            targets=tuple(bind.target for bind in binds),
            replaced=tuple(self._replaced),
        )

    def _lacking(self, node: _Node, source: bytes) -> list[bytes]:
        """The children that have no directory of their own to be mounted on or descended into."""
        found = []
        for name in node.children:
            entry = self._tree.look(_join(source, name))
            if entry is None or entry.kind != "directory":
                found.append(name)
        return found

    def _descend(self, node: _Node, path: bytes, source: bytes, *, mapped: bool) -> None:
        """Arrange what is below `path`, which shows the worker's directory `source`.

        Args:
            mapped: it is one of the mapped directories, where files are made: it must not be replaced.
        """
        lacking = self._lacking(node, source)
        if lacking:
            lost = node.children[lacking[0]]
            if mapped:
                raise ViewError(
                    lost.any_name(), f"there is no directory {_text(_join(source, lacking[0]))} to hold it"
                )
            self._replace(path, source, lacking, lost.any_name())
        for name, child in node.children.items():
            below = _join(path, name)
            if child.bind is not None:
                self._bind(child.bind.source, below)
                self._descend(child, below, child.bind.source, mapped=True)
            elif name in lacking:
                self._enter_lacking(child, below, _join(source, name))
            else:
                self._descend(child, below, _join(source, name), mapped=mapped)
        if lacking and self._mode(source) & 0o002 == 0:
            # What is written beside a missing directory would be lost in memory: it shall fail.
            self._words += [b"--remount-ro", path]

    def _replace(self, path: bytes, source: bytes, lacking: Sequence[bytes], name: str) -> None:
        if is_system(path):
            raise ViewError(name, f"it would change the system directory {_text(path)}")
        neighbours = self._tree.listing(source)
        if len(neighbours) > MAX_NEIGHBOURS:
            raise ViewError(name, f"{_text(source)} has more than {MAX_NEIGHBOURS} entries")
        self._replaced.append(path.rstrip(b"/"))
        if path != b"/":
            self._words += [b"--perms", b"%04o" % self._mode(source), b"--tmpfs", path]
        for neighbour, entry in sorted(neighbours.items()):
            if neighbour in lacking:
                continue
            if entry.kind == "link":
                self._words += [b"--symlink", entry.link, _join(path, neighbour)]
            else:
                self._words += [b"--dev-bind-try", _join(source, neighbour), _join(path, neighbour)]

    def _enter_lacking(self, node: _Node, path: bytes, source: bytes | None) -> None:
        """Descend into what is no directory at the worker: a link to one becomes that, else an empty one."""
        entry = None if source is None else self._tree.look(source)
        if entry is not None and entry.real is not None:
            self._bind(entry.real, path)
            self._descend(node, path, entry.real, mapped=False)
            return
        for name, child in node.children.items():
            below = _join(path, name)
            if child.bind is not None:
                self._bind(child.bind.source, below)
                self._descend(child, below, child.bind.source, mapped=True)
            else:
                self._enter_lacking(child, below, None)

    def _bind(self, source: bytes, path: bytes) -> None:
        self._words += [b"--dev-bind", source, path]

    def _mode(self, source: bytes) -> int:
        entry = self._tree.look(source)
        return 0o755 if entry is None else entry.mode


def _join(directory: bytes, name: bytes) -> bytes:
    return directory.rstrip(b"/") + b"/" + name


def _text(path: bytes) -> str:
    return path.decode("utf-8", "replace")
