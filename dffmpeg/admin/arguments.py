"""The command line of `dffmpeg-admin`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from dffmpeg import __version__
from dffmpeg.command_line import Parser

PROCESSES = ("coordinator", "worker", "client")


def build_parser() -> Parser:
    """The parser; it sets `command` to the words of the command, such as ("user", "add")."""
    parser = Parser(prog="dffmpeg-admin", description="Administer a dffmpeg cluster.")
    parser.add_argument("--version", action="version", version=f"dffmpeg {__version__}")
    _add_common(parser, config=None, json=False)
    subjects = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_user(subjects.add_parser("user", help="users and their keys"))
    _add_config(subjects.add_parser("config", help="configuration files"))
    tree = _command(subjects, ("tree",), "show what runs inside the coordinator")
    tree.add_argument("--client-config", type=Path, metavar="FILE", help="an admin's client.toml")
    database = subjects.add_parser("db", help="the database").add_subparsers(required=True, metavar="ACTION")
    _command(database, ("db", "migrate"), "bring the database's tables up to this version")
    return parser


def _add_user(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    add = _command(actions, ("user", "add"), "add a user and make its key")
    add.add_argument("id")
    add.add_argument("--role", choices=("client", "worker", "admin"), default="client")
    add.add_argument("--network", action="append", metavar="CIDR", help="only from there (default: anywhere)")
    _add_writing(add)
    add.add_argument(
        "--path", action="append", metavar="NAME=DIR", help="a path variable in the written configuration"
    )
    listing = _command(actions, ("user", "list"), "list all users")
    listing.add_argument("--show-key", action="store_true")
    show = _command(actions, ("user", "show"), "show one user")
    show.add_argument("id")
    show.add_argument("--show-key", action="store_true")
    rotate = _command(actions, ("user", "rotate-key"), "give a user a new key")
    rotate.add_argument("id")
    _add_writing(rotate)
    scope = _command(actions, ("user", "set-scope"), "say from where a user may come")
    scope.add_argument("id")
    where = scope.add_mutually_exclusive_group(required=True)
    where.add_argument("--network", action="append", metavar="CIDR")
    where.add_argument("--any", action="store_true", help="from anywhere")
    delete = _command(actions, ("user", "delete"), "delete a user")
    delete.add_argument("id")
    delete.add_argument("--yes", "-y", action="store_true", help="do not ask")


def _add_config(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    init = _command(actions, ("config", "init"), "write a commented configuration with the defaults")
    init.add_argument("process", choices=PROCESSES)
    init.add_argument("--output", "-o", type=Path, metavar="FILE", help="default: standard output")
    init.add_argument("--force", action="store_true", help="overwrite an existing file")
    check = _command(actions, ("config", "check"), "say whether a configuration can be used")
    check.add_argument("process", choices=PROCESSES)
    check.add_argument("file", nargs="?", type=Path, metavar="FILE", help="default: where it would be found")


def _add_writing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--write-config", type=Path, metavar="FILE", help="write the key into a configuration of its user"
    )
    parser.add_argument("--coordinator-url", metavar="URL", help="for that configuration")


def _command(parent: Any, words: tuple[str, ...], text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = parent.add_parser(
        words[-1], help=text, description=f"{text}.".capitalize()
    )
    parser.set_defaults(command=words)
    # Where a person writes them does not matter: before the command or behind it.
    _add_common(parser, config=argparse.SUPPRESS, json=argparse.SUPPRESS)
    return parser


def _add_common(parser: argparse.ArgumentParser, *, config: Any, json: Any) -> None:
    parser.add_argument(
        "--config", "-c", type=Path, default=config, metavar="FILE", help="the coordinator's configuration"
    )
    parser.add_argument("--json", action="store_true", default=json, help="answer in JSON")
