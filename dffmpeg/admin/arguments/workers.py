"""`dffmpeg-admin worker …`."""

from __future__ import annotations

from typing import Any

from dffmpeg.admin.arguments.parts import add_yes, command, subject
from dffmpeg.command_line import duration

HOLDS = {
    "pause": "give a worker nothing new",
    "drain": "give a worker nothing new, because it is to be stopped",
    "quarantine": "give a worker nothing new, because it does not work",
}


def add(subjects: Any) -> None:
    """Add the subject and its actions."""
    actions = subject(subjects, "worker", "the workers")
    command(actions, ("worker", "list"), "list all workers that are known")
    show = command(actions, ("worker", "show"), "everything about a worker")
    show.add_argument("worker", metavar="WORKER")
    show.add_argument("--abilities", action="store_true", help="also name all that its programs can do")
    for verb, text in HOLDS.items():
        hold = command(actions, ("worker", verb), text)
        hold.add_argument("worker", metavar="WORKER")
        hold.add_argument("--reason", required=True, metavar="TEXT", help="why, for others to read")
        if verb != "drain":
            hold.add_argument(
                "--for",
                dest="seconds",
                type=duration,
                metavar="TIME",
                help="resume it after TIME, such as 2h",
            )
    resume = command(actions, ("worker", "resume"), "give a worker jobs again, whatever held it back")
    resume.add_argument("worker", metavar="WORKER")
    probe = command(actions, ("worker", "probe"), "have a worker find out anew what its programs can do")
    probe.add_argument("worker", metavar="WORKER")
    probe.add_argument("--benchmark", action="store_true", help="and how fast it is")
    remove = command(actions, ("worker", "remove"), "forget a worker that is offline")
    remove.add_argument("worker", metavar="WORKER")
    add_yes(remove)
