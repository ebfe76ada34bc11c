"""Priorities: numbers, and the names that classes of them have."""

from __future__ import annotations

from collections.abc import Mapping

from dffmpeg.errors import BadInput

DEFAULT = 0


def resolve(priority: int | str | None, classes: Mapping[str, int]) -> int:
    """A submission's priority as a number from -100 to 100.

    Args:
        priority: a number, a class's name, or None for the usual one.
        classes: by name, the number.

    Raises:
        BadInput: there is no such class.
    """
    if priority is None:
        return DEFAULT
    if isinstance(priority, int):
        return priority
    if priority not in classes:
        known = ", ".join(sorted(classes, key=lambda name: (-classes[name], name))) or "none"
        raise BadInput(f"priority: there is no class {priority!r}; there are: {known}")
    return classes[priority]
