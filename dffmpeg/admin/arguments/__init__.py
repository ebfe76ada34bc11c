"""The command line of `dffmpeg-admin`."""

from __future__ import annotations

from dffmpeg import __version__
from dffmpeg.admin.arguments import cluster, jobs, local, workers
from dffmpeg.admin.arguments.parts import add_common
from dffmpeg.command_line import Parser

PROGRAM = "dffmpeg-admin"


def build_parser() -> Parser:
    """The parser; it sets `command` to the words of the command, such as ("user", "add")."""
    parser = Parser(prog=PROGRAM, description="Administer a dffmpeg cluster.")
    parser.add_argument("--version", action="version", version=f"dffmpeg {__version__}")
    add_common(parser, top=True)
    subjects = parser.add_subparsers(required=True, metavar="COMMAND")
    cluster.add_status(subjects)
    jobs.add(subjects)
    workers.add(subjects)
    cluster.add(subjects)
    local.add(subjects)
    return parser
