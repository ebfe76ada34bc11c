"""How far a job is, in figures for people."""

from __future__ import annotations

from dffmpeg.model.progress import Progress


def figures(progress: Progress) -> str:
    """All that is known, without the bar."""
    share = None if progress.fraction is None else f"{progress.fraction:.1%}"
    frame = None if progress.frame is None else f"frame {progress.frame}"
    return ", ".join(part for part in (share, frame, *known(progress)) if part)


def known(progress: Progress) -> list[str | None]:
    """Each figure besides the share; None is what nobody knows."""
    remaining = progress.remaining
    return [
        None if remaining is None else f"{clock(remaining)} left",
        None if progress.time is None else f"time {clock(progress.time)}",
        None if progress.speed is None else f"{progress.speed:.3g}x",
        None if progress.fps is None else f"{progress.fps:.3g} fps",
        None if progress.size is None else _size(progress.size),
    ]


def clock(seconds: float) -> str:
    """Seconds as `1:02:03` or `2:03`."""
    whole = round(seconds)
    minutes, rest = whole // 60, whole % 60
    hours, minutes = minutes // 60, minutes % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _size(size: int) -> str:
    for limit, unit in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= limit:
            return f"{size / limit:.1f} {unit}"
    return f"{size} B"
