"""Lengths of time as people write them: `90`, `90s`, `1.5h`, `2h30m`, `7d`."""

from __future__ import annotations

import re

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 7 * 86_400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)([smhdw])", re.ASCII)
_WHOLE = re.compile(rf"(?:{_PART.pattern})+", re.ASCII)
_PLAIN = re.compile(r"\d+(?:\.\d+)?", re.ASCII)

LONGEST = 31_536_000.0
"""Seconds of a year, the most that travels."""

EXPECTED = "expected a duration above 0 and at most a year, such as 90, 90s, 10m, 2h or 7d"


def parse(text: str) -> float:
    """Seconds of a duration; a plain number is seconds.

    Raises:
        ValueError: it is none, or not above 0 and at most a year.
    """
    if _PLAIN.fullmatch(text):
        value = float(text)
    elif _WHOLE.fullmatch(text):
        value = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    else:
        raise ValueError(f"{EXPECTED}: {text!r}")
    if not 0 < value <= LONGEST:
        raise ValueError(f"{EXPECTED}: {text!r}")
    return value


def show(seconds: float) -> str:
    """A duration in its largest units: `90 s` is `1m30s`."""
    if seconds != int(seconds):
        return f"{seconds:g}s"
    left = int(seconds)
    parts = []
    for unit in ("d", "h", "m", "s"):
        number, left = divmod(left, int(_UNITS[unit]))
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts) or "0s"
