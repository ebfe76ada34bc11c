"""How far an encode is, as ffmpeg's own status lines tell it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What is known of a running attempt; None is what ffmpeg did not say (or said as N/A).

    Attributes:
        time: seconds of output that are done.
        speed: seconds of output for each second.
        size: bytes written.
        duration: seconds of input, from its header.
        fraction: done, 0 to 1.
        remaining: seconds.
    """

    time: float | None = None
    frame: int | None = None
    fps: float | None = None
    speed: float | None = None
    size: int | None = None
    duration: float | None = None
    fraction: float | None = None
    remaining: float | None = None
