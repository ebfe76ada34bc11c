"""What a job needs of the worker that runs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """Names as ffmpeg writes them; each a sorted tuple without repetitions.

    Attributes:
        labels: of the worker.
        resources: how many slots of each named resource it takes, besides one of the worker's own.
    """

    encoders: tuple[str, ...] = ()
    decoders: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    hwaccels: tuple[str, ...] = ()
    muxers: tuple[str, ...] = ()
    demuxers: tuple[str, ...] = ()
    protocols: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    resources: Mapping[str, int] = field(default_factory=dict)
