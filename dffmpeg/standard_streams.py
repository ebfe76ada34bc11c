"""Standard input, output and error where whoever started us closed some of them."""

from __future__ import annotations

import io
import sys
from typing import TextIO

from dffmpeg.shim.closed import reserve as reserve_descriptors


def reserve() -> None:
    """The same, and text streams for them, where Python has put None in their place.

    `print` takes None as an order to be silent, and `print(file=sys.stderr)` as one to use standard
    output: a failure would go unnoticed, or stand among the answers.
    """
    reserve_descriptors()
    if sys.stdout is None:
        sys.stdout = _text(1)
    if sys.stderr is None:
        sys.stderr = _text(2)


def _text(number: int) -> TextIO:
    # Unbuffered, so that each write fails by itself and nothing is left to fail at the interpreter's end.
    raw = io.FileIO(number, "w", closefd=False)
    return io.TextIOWrapper(raw, "utf-8", "backslashreplace", write_through=True)
