"""`dffmpeg-admin worker …`."""

from __future__ import annotations

from typing import Any

from dffmpeg.admin.arguments.parts import add_yes, command, subject


def add(subjects: Any) -> None:
    """Add the subject and its actions."""
    actions = subject(subjects, "worker", "the workers")
    command(actions, ("worker", "list"), "list all workers that are known")
    command(actions, ("worker", "show"), "everything about a worker").add_argument("worker", metavar="WORKER")
    remove = command(actions, ("worker", "remove"), "forget a worker that is offline")
    remove.add_argument("worker", metavar="WORKER")
    add_yes(remove)
