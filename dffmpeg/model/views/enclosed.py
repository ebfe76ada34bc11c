"""Mapped directories, what a program needs of the machine, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dffmpeg.model.views.parts import Bind, Tree, ViewError, ViewPlan, check, text, within


@dataclass(frozen=True, slots=True)
class Fixtures:
    """What an enclosed view shows of the machine, under its own names; what is not there is left out.

    Attributes:
        read, write: files and directories.
        scratch: where the temporary directories of programs are made.
        devices: device nodes.
        identities: of those that are replaced when they change, which makes another view.
    """

    read: tuple[bytes, ...]
    write: tuple[bytes, ...] = ()
    scratch: bytes = b""
    devices: tuple[bytes, ...] = ()
    identities: tuple[tuple[int, int], ...] = ()


TEMPORARY = b"/tmp"
_DESCRIPTORS = ((b"/dev/fd", b""), (b"/dev/stdin", b"/0"), (b"/dev/stdout", b"/1"), (b"/dev/stderr", b"/2"))


def enclosed(binds: Iterable[Bind], fixtures: Fixtures, kept: Sequence[bytes], tree: Tree) -> ViewPlan:
    """Plan a view that shows these directories, the fixtures, and nothing else.

    Args:
        binds: the directories that the job uses.
        kept: directories that must stay what they are: the program's, and its tools'.

    Raises:
        ViewError: one of the directories cannot be shown.
    """
    shown = sorted({bind.target: bind for bind in binds}.values(), key=lambda bind: bind.target)
    room = _Room()
    # First, so that what lies below it on the machine can be shown in it.
    room.show([b"--perms", b"1777", b"--tmpfs", TEMPORARY], TEMPORARY, empty=True)
    for path in fixtures.read:
        room.show([b"--ro-bind-try", path, path], path)
    room.show([b"--dev-bind", b"/proc", b"/proc", b"--ro-bind-try", b"/sys", b"/sys"], b"/proc")
    for path in fixtures.devices:
        room.show([b"--dev-bind-try", path, path], path)
    for path, descriptor in _DESCRIPTORS:
        room.show([b"--symlink", b"/proc/self/fd" + descriptor, path], path)
    for path in (*fixtures.write, *((fixtures.scratch,) if fixtures.scratch else ())):
        room.show([b"--bind-try", path, path], path)
    holders = [(path, path) for path in fixtures.write]
    closed: list[bytes] = []
    for bind in shown:
        if not bind.same:
            check(bind, kept)
        if any(within(bind.target, target) for target in closed):
            continue
        _check_place(bind, holders, tree)
        room.show(bind.words(bind.target, b"--bind"), bind.target)
        if bind.reachable:
            holders.append((bind.target, bind.source))
        else:
            closed.append(bind.target)
    return ViewPlan(
        arguments=(*room.words, b"--remount-ro", b"/"),
        identities=(*(bind.identity for bind in shown), *fixtures.identities),
        targets=tuple(bind.target for bind in shown),
        replaced=(),
        enclosed=True,
        scratch=fixtures.scratch,
    )


class _Room:
    """Collects the arguments of an enclosed view.

    bubblewrap makes the directories above what it mounts for its own user alone, and programs may run
    under another one. So they are made by name, which lets everybody through.
    """

    def __init__(self) -> None:
        self.words: list[bytes] = []
        self._made: set[bytes] = set()
        self._full: set[bytes] = set()

    def show(self, words: Iterable[bytes], path: bytes, *, empty: bool = False) -> None:
        """Mount at `path`; on an `empty` file system directories can be made."""
        parts = path.strip(b"/").split(b"/")
        for end in range(1, len(parts)):
            above = b"/" + b"/".join(parts[:end])
            if above in self._full:
                break
            if above not in self._made:
                self.words += [b"--dir", above]
                self._made.add(above)
        self.words += words
        self._made.add(path)
        if not empty:
            self._full.add(path)


def _check_place(bind: Bind, holders: Iterable[tuple[bytes, bytes]], tree: Tree) -> None:
    """What is to be shown in a directory of the worker's must have its place there: none is made.

    Args:
        holders: targets and sources of what is mounted before, in that order.
    """
    around = [(target, source) for target, source in holders if within(bind.target, target)]
    if not around:
        return
    target, source = around[-1]
    place = source + bind.target[len(target) :]
    entry = tree.look(place)
    if entry is None or entry.kind != "directory":
        raise ViewError(bind.name, f"there is no directory {text(place)} to hold it")
