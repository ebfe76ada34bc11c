"""What the kernel has mounted, as /proc/self/mountinfo tells it, proc_pid_mountinfo(5)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mounted:
    """One line of it.

    Attributes:
        number: another one each time that something is mounted.
        kind: the file system's type.
    """

    number: int
    kind: str


_MAY_HANG = ("nfs", "cifs", "smb", "fuse", "9p", "ceph", "gluster", "afs", "lustre", "gpfs", "beegfs", "coda")
_AUTOMOUNTER = "autofs"


def mount_points(text: bytes) -> dict[bytes, Mounted]:
    """By mount point, what is on top there."""
    found: dict[bytes, Mounted] = {}
    for line in text.splitlines():
        fields, _, others = line.partition(b" - ")
        words, kinds = fields.split(b" "), others.split(b" ")
        if len(words) > 4 and words[0].isdigit():
            found[_unescaped(words[4])] = Mounted(int(words[0]), kinds[0].decode("ascii", "replace"))
    return found


def _unescaped(path: bytes) -> bytes:
    first, *others = path.split(b"\\")
    return first + b"".join(bytes([int(part[:3], 8)]) + part[3:] for part in others)


def covering(path: bytes, points: Mapping[bytes, Mounted]) -> Mounted | None:
    """What is mounted where a path lies, by its text."""
    while path not in points:
        if path in (b"/", b""):
            return None
        path = os.path.dirname(path)
    return points[path]


def is_mounted(path: bytes, points: Mapping[bytes, Mounted]) -> bool:
    """Whether something is mounted just there; an automounter that waits is nothing yet."""
    return path in points and points[path].kind != _AUTOMOUNTER


def may_hang(path: bytes, points: Mapping[bytes, Mounted]) -> bool:
    """Whether a path lies on a file system whose other end can fall silent."""
    mounted = covering(path, points)
    return mounted is None or mounted.kind == _AUTOMOUNTER or mounted.kind.startswith(_MAY_HANG)
