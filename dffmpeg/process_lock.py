"""A file that one process at a time has for itself, and that is free the moment its holder is gone."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Held(Exception):
    """Another process has it.

    Attributes:
        holder: that process's id, for people, or `unknown`.
    """

    def __init__(self, holder: str) -> None:
        super().__init__(f"held by process {holder}")
        self.holder = holder


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a lock inside the block; does not wait for it.

    Args:
        path: made where it is missing, for its owner's eyes, and left there: were it removed, one process
            could hold the old file and another a new one. Must be used for nothing else.

    Raises:
        Held: another process, or this one elsewhere, holds it.
        OSError: the file cannot be opened or locked.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    # The lock goes with its holder, however that ends; the process id in it is only told to people.
    with open(descriptor, "r+", encoding="utf-8", errors="replace") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Held(lock.read(20).strip() or "unknown") from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield
