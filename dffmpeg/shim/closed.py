"""Descriptors that the caller closed."""

from __future__ import annotations

import os


def reserve() -> None:
    """Fill the places of standard descriptors that the caller closed.

    Otherwise the next file or socket would get that number, and what is meant for the caller would
    go there. What is put in place fails as a closed descriptor does: with EBADF.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is this one, since those below are taken by now.
            os.open(os.devnull, os.O_WRONLY if number == 0 else os.O_RDONLY)
