"""Where paths lead once symbolic links are followed, as a program in its view follows them."""

from __future__ import annotations

import os
from collections.abc import Mapping

_LINKS = 40
"""More in one path are a loop, path_resolution(7)."""


def resolved(path: bytes, shown: Mapping[bytes, bytes]) -> bytes:
    """The real path here of an absolute path in a view; `os.path.realpath` where nothing is shown elsewhere.

    Args:
        path: as the program would open it. What does not exist leads where its name says.
        shown: directories by the names that they have in the view, without links.
    """
    ahead = _components(path)
    current = b"/"
    links = 0
    while ahead:
        component = ahead.pop()
        if component == b"..":
            current = os.path.dirname(current)
            continue
        below = os.path.join(current, component)
        if any(target == below or target.startswith(below + b"/") for target in shown):
            # A link in the way of what is shown was replaced by a directory.
            current = below
            continue
        try:
            target = os.readlink(_here(below, shown))
        except OSError:
            # No link, or not there.
            current = below
            continue
        links += 1
        if links > _LINKS:
            current = below
            continue
        ahead += _components(target)
        if target.startswith(b"/"):
            current = b"/"
    return os.path.realpath(_here(current, shown))


def _components(path: bytes) -> list[bytes]:
    """Those of a path, the first one last."""
    return [component for component in reversed(path.split(b"/")) if component not in (b"", b".")]


def _here(path: bytes, shown: Mapping[bytes, bytes]) -> bytes:
    """What a path of the view is on this machine; the last component is not followed."""
    for target in sorted(shown, key=len, reverse=True):
        if path == target or path.startswith(target + b"/"):
            return shown[target] + path[len(target) :]
    return path
