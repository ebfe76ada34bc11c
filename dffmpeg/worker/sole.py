"""That a worker's process is the only one of its identity on its machine, in a form that can be compared."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from dffmpeg.process_lock import Held, held

logger = logging.getLogger("dffmpeg.worker")

_BOOT = Path("/proc/sys/kernel/random/boot_id")


@contextmanager
def sole(folder: Path | None, coordinator_url: str, client_id: str) -> Iterator[str | None]:
    """Be the only process of this identity here for as long as the block lasts, or the process.

    The kernel gives the lock to one process at a time, and frees it however that ends. So whoever registers
    with the same name for it shows that the process before is gone, and need not wait for its lease.

    Args:
        folder: where the lock's file is, made where it is missing; None is nowhere.

    Yields:
        A name for the lock, of this file and this boot of the machine: it cannot be had anywhere else. None
        where it could not be had: then only the coordinator can tell whether another process is there.
    """
    with ExitStack() as stack:
        name: str | None = None
        if folder is not None:
            who = hashlib.sha256(f"{coordinator_url}\0{client_id}".encode()).hexdigest()[:16]
            file = folder / f"worker-{who}.lock"
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                stack.enter_context(held(file))
                name = _name(file)
            except Held as error:
                logger.warning("process %s has %s: it may be this worker too", error.holder, file)
            except OSError as error:
                logger.info("no lock shows that this worker is alone: %s: %s", file, error.strerror)
        yield name


def _name(file: Path) -> str:
    status = os.stat(file)
    text = f"{_BOOT.read_text('ascii').strip()} {status.st_dev} {status.st_ino}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]
