"""The worker's own file system, in which mapped directories have the client's names too.

Nothing is ever made on the worker's real file system: where a directory is missing, what is above
it is replaced by an empty file system in memory, into which everything that was beside it is bound again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from dffmpeg.model.views.parts import Bind, Tree, ViewError, ViewPlan, check, is_system, join, text, within

MAX_NEIGHBOURS = 1000
"""Entries beside a missing directory, each of which is a mount."""


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
                check(bind, kept)
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
        if not bind.same or any(within(bind.target, other.target) for other in differing)
    }
    return sorted(shown.values(), key=lambda bind: bind.target)


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
            entry = self._tree.look(join(source, name))
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
                    lost.any_name(), f"there is no directory {text(join(source, lacking[0]))} to hold it"
                )
            self._replace(path, source, lacking, lost.any_name())
        for name, child in node.children.items():
            below = join(path, name)
            if child.bind is not None:
                self._show(child.bind, child, below)
            elif name in lacking:
                self._enter_lacking(child, below, join(source, name))
            else:
                self._descend(child, below, join(source, name), mapped=mapped)
        if lacking and self._mode(source) & 0o002 == 0:
            # What is written beside a missing directory would be lost in memory: it shall fail.
            self._words += [b"--remount-ro", path]

    def _replace(self, path: bytes, source: bytes, lacking: Sequence[bytes], name: str) -> None:
        if is_system(path):
            raise ViewError(name, f"it would change the system directory {text(path)}")
        neighbours = self._tree.listing(source)
        if len(neighbours) > MAX_NEIGHBOURS:
            raise ViewError(name, f"{text(source)} has more than {MAX_NEIGHBOURS} entries")
        self._replaced.append(path.rstrip(b"/"))
        if path != b"/":
            self._words += [b"--perms", b"%04o" % self._mode(source), b"--tmpfs", path]
        for neighbour, entry in sorted(neighbours.items()):
            if neighbour in lacking:
                continue
            if entry.kind == "link":
                self._words += [b"--symlink", entry.link, join(path, neighbour)]
            else:
                self._words += [b"--dev-bind-try", join(source, neighbour), join(path, neighbour)]

    def _enter_lacking(self, node: _Node, path: bytes, source: bytes | None) -> None:
        """Descend into what is no directory at the worker: a link to one becomes that, else an empty one."""
        entry = None if source is None else self._tree.look(source)
        if entry is not None and entry.real is not None:
            self._bind(entry.real, path)
            self._descend(node, path, entry.real, mapped=False)
            return
        # By name, for else it would be open to bubblewrap's own user alone.
        self._words += [b"--dir", path]
        for name, child in node.children.items():
            below = join(path, name)
            if child.bind is not None:
                self._show(child.bind, child, below)
            else:
                self._enter_lacking(child, below, None)

    def _show(self, bind: Bind, node: _Node, path: bytes) -> None:
        self._words += bind.words(path, b"--dev-bind")
        if bind.reachable:
            self._descend(node, path, bind.source, mapped=True)

    def _bind(self, source: bytes, path: bytes) -> None:
        self._words += [b"--dev-bind", source, path]

    def _mode(self, source: bytes) -> int:
        entry = self._tree.look(source)
        return 0o755 if entry is None else entry.mode
