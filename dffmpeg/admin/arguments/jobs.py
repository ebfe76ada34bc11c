"""`dffmpeg-admin job …`."""

from __future__ import annotations

import argparse
from typing import Any

from dffmpeg.admin.arguments.parts import add_window, add_yes, command, subject
from dffmpeg.command_line import count, duration, identifier, priority
from dffmpeg.model.jobs import TERMINAL, JobState

HOUR = 3600.0


def add(subjects: Any) -> None:
    """Add the subject and its actions."""
    actions = subject(subjects, "job", "everybody's jobs")
    listing = command(actions, ("job", "list"), "list jobs, the newest first")
    _add_filters(listing, list(JobState))
    listing.add_argument(
        "--label",
        action="append",
        type=identifier,
        metavar="LABEL",
        help="only with this label; if repeated, with each",
    )
    listing.add_argument("--name", metavar="NAME", help="only of this name; a * stands for anything")
    add_window(listing, "of those that have ended, only what did so within TIME (default: 1h)", HOUR)
    listing.add_argument("--limit", type=count, default=1000, metavar="N", help="at most N (default: 1000)")
    _with_job(command(actions, ("job", "show"), "everything about a job and its attempts"))
    _with_job(command(actions, ("job", "logs"), "what is kept of a job's standard error"))
    cancel = command(actions, ("job", "cancel"), "cancel jobs")
    _with_jobs(cancel)
    add_yes(cancel)
    _with_jobs(command(actions, ("job", "retry"), "queue jobs that have ended once more, as new ones"))
    urgency = command(actions, ("job", "priority"), "change the priority of pending jobs")
    _with_jobs(urgency)
    urgency.add_argument(
        "priority",
        type=priority,
        metavar="PRIORITY",
        help="from -100 to 100, or a class's name; a higher one goes first",
    )
    _with_job(
        command(actions, ("job", "why"), "say what a job waits for, and what each worker has against it")
    )
    purge = command(actions, ("job", "purge"), "forget jobs that have ended, with their output")
    purge.add_argument("jobs", nargs="*", metavar="JOB")
    purge.add_argument(
        "--ended-before",
        type=duration,
        metavar="TIME",
        help="all that ended longer ago than TIME, such as 30d",
    )
    _add_filters(purge, sorted(TERMINAL))
    add_yes(purge)


def _add_filters(parser: argparse.ArgumentParser, states: list[JobState]) -> None:
    names = [state.value for state in states]
    parser.add_argument("--state", action="append", choices=names, help="only in this state; may be repeated")
    parser.add_argument("--requester", type=identifier, metavar="USER", help="only this user's")


def _with_job(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", metavar="JOB")


def _with_jobs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("jobs", nargs="+", metavar="JOB")
