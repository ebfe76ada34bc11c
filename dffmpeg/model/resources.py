"""Which of a worker's resources encoders take a slot of. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

RESOURCES: Mapping[str, Sequence[str]] = {
    "nvenc": ("*_nvenc",),
    "qsv": ("*_qsv",),
    "vaapi": ("*_vaapi",),
    "amf": ("*_amf",),
    "videotoolbox": ("*_videotoolbox",),
    "v4l2m2m": ("*_v4l2m2m",),
    "rkmpp": ("*_rkmpp",),
    "vulkan": ("*_vulkan",),
}
"""Resource to patterns of encoders, where nothing else is configured."""


def taken_by(encoders: Iterable[str], patterns: Mapping[str, Sequence[str]] = RESOURCES) -> dict[str, int]:
    """Slots by resource that a job with these encoders takes, where its worker declares that resource.

    Args:
        patterns: resource to shell patterns of encoders.
    """
    names = tuple(encoders)
    return {
        resource: 1
        for resource, shapes in patterns.items()
        if any(fnmatchcase(name, shape) for name in names for shape in shapes)
    }
