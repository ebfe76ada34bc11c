"""The command line of `dffmpeg-client`: the table of its commands and their options."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from dffmpeg import __version__
from dffmpeg.client import agents, endings, foreground, jobs, stand_ins, submit_flags, workers
from dffmpeg.client.command import Command, LocalCommand
from dffmpeg.client.endings import Ending
from dffmpeg.client.live import watches
from dffmpeg.command_line import count, duration, identifier
from dffmpeg.model.jobs import JobState

STATES = tuple(state.value for state in JobState)


class ArgumentParser(argparse.ArgumentParser):
    """argparse's, which ends a wrong usage as every other failure of ours: 2 may be a job's own exit code."""

    def error(self, message: str) -> NoReturn:
        endings.finish(Ending(endings.CONFIGURATION, line=f"{message}; see {self.prog} --help"))


def parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Parse a command line; ends the process with a usage message where it does not fit.

    Returns:
        The options, of which `command` is what to do; and what stood behind `--`.
    """
    parser = _parser()
    own, behind = _split(list(arguments))
    options = parser.parse_args(own)
    submits = options.command is jobs.submit
    if behind is not None and not submits:
        parser.error("only submit takes arguments behind --")
    if submits and options.json and not options.detach:
        parser.error("submit --json needs --detach: without it, standard output is the program's")
    if submits and options.idempotency_key is not None and not options.detach:
        parser.error("--idempotency-key needs --detach: a job's output has one caller")
    if submits and not options.detach:
        options.command = foreground.submit
    if options.command is workers.status:
        _check_status(parser, options)
    return options, behind or []


def _check_status(parser: ArgumentParser, options: argparse.Namespace) -> None:
    if options.watch and options.job is not None:
        parser.error(f"status --watch shows everything; for one job: job watch {options.job}")
    if options.quiet and not options.watch:
        parser.error("status --quiet needs --watch")
    if options.watch:
        options.command = watches.status


def _split(arguments: list[str]) -> tuple[list[str], list[str] | None]:
    # By hand, because argparse would look for options of its own behind the `--` too.
    if "--" not in arguments:
        return arguments, None
    place = arguments.index("--")
    return arguments[:place], arguments[place + 1 :]


def _parser() -> ArgumentParser:
    parser = ArgumentParser("dffmpeg-client", description="Runs FFmpeg on other machines as if it ran here.")
    parser.set_defaults(config=None, json=False, verbose=False)
    parser.add_argument("--version", action="version", version=f"dffmpeg {__version__}")
    _common(parser)
    groups = parser.add_subparsers(required=True, metavar="COMMAND")

    submit = _command(groups, "submit", jobs.submit, "run a program; its arguments stand behind --")
    submit.usage = "dffmpeg-client submit [options] -b PROGRAM -- [ARGUMENT ...]"
    submit.add_argument("-b", "--binary", required=True, metavar="PROGRAM", help="such as ffmpeg or ffprobe")
    submit.add_argument("--detach", action="store_true", help="only queue it, and print the job's id")
    submit_flags.add(submit)

    agent = _command(groups, "agent", agents.run, "keep the stand-ins' connection to the coordinator warm")
    agent.add_argument("--idle", type=duration, metavar="T", help="end after T without a call")
    agent.add_argument("--status", action="store_true", help="only show which agents run")

    stand_in = _command(groups, "stand-in", stand_ins.write, "write programs that stand in for ffmpeg, …")
    stand_in.add_argument("folder", type=Path, metavar="DIR", help="where to put them")
    stand_in.add_argument("names", nargs="*", metavar="NAME", help="by default ffmpeg and ffprobe")

    status = _command(groups, "status", workers.status, "the cluster and your unfinished jobs, or one job")
    status.add_argument("job", nargs="?", metavar="JOB")
    status.add_argument("-w", "--watch", action="store_true", help="live, until Ctrl-C")
    status.add_argument("-q", "--quiet", action="store_true", help="with --watch: nothing but errors")

    job = groups.add_parser("job", help="your jobs").add_subparsers(required=True, metavar="COMMAND")
    listed = _command(job, "list", jobs.show_all, "active and lately finished jobs")
    listed.add_argument("--window", type=duration, metavar="T", help="finished within the last T")
    listed.add_argument(
        "--state", action="append", choices=STATES, help="only in this state; may be repeated"
    )
    listed.add_argument(
        "--label",
        action="append",
        type=identifier,
        metavar="LABEL",
        help="only with this label; if repeated, with each",
    )
    listed.add_argument("--name", metavar="NAME", help="only of this name; a * stands for anything")
    listed.add_argument("--limit", type=count, metavar="N", help="at most N jobs")
    _command(job, "show", jobs.show, "everything about a job").add_argument("job", metavar="JOB")
    _command(job, "cancel", jobs.cancel, "cancel jobs").add_argument("jobs", nargs="+", metavar="JOB")
    logs = _command(job, "logs", jobs.logs, "what a job wrote")
    logs.add_argument("--follow", action="store_true", help="as it comes, until the job ends")
    _views(logs)
    logs.add_argument("job", metavar="JOB")
    attach = _command(job, "attach", jobs.attach, "follow a job, and end as it does; Ctrl-C detaches")
    _views(attach)
    attach.add_argument("job", metavar="JOB")

    watched = _command(job, "watch", watches.job, "see live how far a job is, and end as it does")
    watched.add_argument("-q", "--quiet", action="store_true", help="nothing; only end as it does")
    watched.add_argument("job", metavar="JOB")

    worker = groups.add_parser("worker", help="the workers").add_subparsers(required=True, metavar="COMMAND")
    seen = _command(worker, "list", workers.show_all, "all workers")
    seen.add_argument("--window", type=duration, metavar="T", help="seen within the last T")
    shown = _command(worker, "show", workers.show, "everything about a worker")
    shown.add_argument("--abilities", action="store_true", help="also name all that its programs can do")
    shown.add_argument("worker", metavar="WORKER")
    return parser


def _command(groups: Any, name: str, command: Command | LocalCommand, text: str) -> ArgumentParser:
    parser: ArgumentParser = groups.add_parser(name, help=text, description=text)
    parser.set_defaults(command=command)
    _common(parser)
    return parser


def _views(parser: ArgumentParser) -> None:
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument(
        "--progress", action="store_true", help="on a terminal, a line of progress instead of its stderr"
    )
    shown.add_argument("-q", "--quiet", action="store_true", help="neither its stderr nor a line of progress")


def _common(parser: ArgumentParser) -> None:
    # Accepted before and behind the command; suppressed defaults do not undo the other place.
    absent = argparse.SUPPRESS
    parser.add_argument(
        "-c", "--config", type=Path, metavar="FILE", default=absent, help="the configuration to use"
    )
    parser.add_argument("--json", action="store_true", default=absent, help="print JSON")
    parser.add_argument("-v", "--verbose", action="store_true", default=absent, help="tell about reconnects")
