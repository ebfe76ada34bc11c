"""The commands about the cluster as a whole."""

from __future__ import annotations

from typing import Any

from dffmpeg.admin.arguments.parts import add_window, command, subject
from dffmpeg.command_line import count, duration, identifier
from dffmpeg.model.janitor import ACTIONS

DAY = 86_400.0


def add_status(subjects: Any) -> None:
    """Add `status`."""
    status = command(subjects, ("status",), "the cluster at a glance")
    add_window(status, "failed jobs are shown if they failed within TIME (default: 1d)", DAY)


def add(subjects: Any) -> None:
    """Add the others."""
    queue = subject(subjects, "queue", "the queue of all jobs")
    command(queue, ("queue", "status"), "say whether jobs are given to workers")
    pause = command(queue, ("queue", "pause"), "give no more jobs to workers")
    pause.add_argument("--reason", metavar="TEXT", help="why, for others to read")
    command(queue, ("queue", "resume"), "give jobs to workers again")
    janitor = subject(subjects, "janitor", "what sweeps up in the coordinator")
    runs = command(janitor, ("janitor", "list"), "list its latest runs")
    runs.add_argument("--limit", type=count, default=20, metavar="N", help="at most N (default: 20)")
    run = command(janitor, ("janitor", "run"), "have it sweep now, and wait for that")
    run.add_argument("action", choices=ACTIONS, help="run_all is all of the others")
    for action in ACTIONS:
        command(janitor, ("janitor", action), f"the same as: run {action}").set_defaults(action=action)
    audit = command(subjects, ("audit",), "list what administrators did, the newest first")
    audit.add_argument("--by", type=identifier, metavar="USER", help="only what this user did")
    audit.add_argument(
        "--action", metavar="ACTION", help="only this one, such as worker.drain, or all of an area: worker"
    )
    audit.add_argument(
        "--since", type=duration, metavar="TIME", help="only what was done within TIME, such as 30d"
    )
    audit.add_argument("--limit", type=count, default=100, metavar="N", help="at most N (default: 100)")
    command(subjects, ("tree",), "show what runs inside the coordinator")
