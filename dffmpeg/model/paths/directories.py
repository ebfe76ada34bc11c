"""Mapped directories, and which of them a path is in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from dffmpeg.errors import DffmpegError

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


class PathError(DffmpegError):
    """A path or a mapping cannot be used: it leaves its directory, or its name is not mapped here."""


def validated(paths: Mapping[str, str]) -> dict[str, bytes]:
    """The mapping of a configuration file, checked and brought into the form that this package works with.

    Args:
        paths: variable to directory, as written in the file.

    Returns:
        Variable to absolute directory, without a slash at the end or doubled ones.

    Raises:
        PathError: a name that cannot be a variable's; a directory that is relative, holds
            `.` or `..` components or a NUL byte, or is `/`, which would give everything away.
    """
    return {name: _directory(name, text) for name, text in paths.items()}


def _directory(name: str, text: str) -> bytes:
    if _NAME.fullmatch(name) is None:
        raise PathError(
            f"paths.{name}: a name holds letters, digits, '_', '.', '-' and begins with none of '.-'"
        )
    raw = text.encode("utf-8", "surrogateescape")
    if not raw.startswith(b"/"):
        raise PathError(f"paths.{name}: expected an absolute directory, got {text!r}")
    components = [component for component in raw.split(b"/") if component]
    if b"\0" in raw or b"." in components or b".." in components:
        raise PathError(f"paths.{name}: {text!r} holds a '.' or '..' component or a NUL byte")
    if not components:
        raise PathError(f"paths.{name}: the root directory cannot be mapped")
    return b"/" + b"/".join(components)


def inside(path: bytes, directories: Iterable[bytes]) -> bool:
    """Whether a path is one of the directories or below one, by its text."""
    return any(path == directory or path.startswith(directory + b"/") for directory in directories)


def longest_first(directories: Mapping[str, bytes]) -> list[tuple[str, bytes]]:
    """The order in which directories are tried, so that the longest wins."""
    return sorted(directories.items(), key=lambda item: len(item[1]), reverse=True)


def directory_of(path: bytes, ordered: Iterable[tuple[str, bytes]]) -> tuple[str, bytes] | None:
    """The first directory that the path is in, by whole components, and does not leave again by `..`."""
    for name, directory in ordered:
        if path.startswith(directory):
            rest = path[len(directory) :]
            if rest[:1] in (b"", b"/") and not leaves(rest):
                return name, directory
    return None


def leaves(rest: bytes) -> bool:
    """Whether a path below a directory steps above it, even if it comes back."""
    if b".." not in rest:
        return False
    depth = 0
    for component in rest.split(b"/"):
        if component == b"..":
            depth -= 1
        elif component not in (b"", b"."):
            depth += 1
        if depth < 0:
            return True
    return False
