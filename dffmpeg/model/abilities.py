"""What the programs of a worker can do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """Of one program, as probing it found. Names as ffmpeg lists them; each a sorted tuple.

    Attributes:
        version: the first line of `-version`.
        encoders: those that work: hardware encoders were tried.
        broken: encoders that are listed and do not work here.
    """

    version: str = ""
    encoders: tuple[str, ...] = ()
    decoders: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    hwaccels: tuple[str, ...] = ()
    muxers: tuple[str, ...] = ()
    demuxers: tuple[str, ...] = ()
    protocols: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
