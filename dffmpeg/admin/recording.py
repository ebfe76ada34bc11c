"""The audit trail of what is done on the coordinator's machine, straight on the database."""

from __future__ import annotations

import os
import pwd
import time

from ulid import ULID

from dffmpeg.model.audit import AuditEntry, Via, bounded, shortened
from dffmpeg.store import Store


async def record(store: Store, action: str, subject: str | None = None, **details: object) -> None:
    """Add what was just done to the audit trail.

    Args:
        action: its area and its verb, as `dffmpeg.web.audited` has them.
        subject: which user, job or worker.
        details: what else there is to know; never a secret.

    Raises:
        StoreError: it cannot be added; what was done stays done.
    """
    now = time.time()
    # What sudo says is a hint only: whoever is root could say anything.
    said = {"sudo": os.environ.get("SUDO_USER"), **details}
    entry = AuditEntry(
        entry_id=str(ULID.from_timestamp(now)),
        at=now,
        actor=local_user(),
        via=Via.MACHINE,
        action=action,
        subject=None if subject is None else shortened(subject),
        details=bounded(said),
    )
    await store.audit.add(entry)


def local_user() -> str:
    """Who runs this process, by the machine's own list: what the environment says anybody can set."""
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name[:128]
    except KeyError:
        return f"uid-{number}"
