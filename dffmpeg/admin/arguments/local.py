"""The commands on files and databases of this machine."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from dffmpeg.admin.arguments.parts import add_yes, command, subject
from dffmpeg.command_line import count, duration, later

PROCESSES = ("coordinator", "worker", "client")
LONGEST_LINK = 7 * 24 * 60
"""Minutes for which a login link may be good."""

SHELLS = ("bash", "zsh", "fish")


def add(subjects: Any) -> None:
    """Add them."""
    _add_user(subjects)
    _add_token(subjects)
    _add_login(subjects)
    _add_database(subjects)
    _add_security(subjects)
    _add_config(subjects)
    completion = command(subjects, ("completion",), "print a shell's completion of this program")
    completion.add_argument("shell", choices=SHELLS)


def _add_user(subjects: Any) -> None:
    actions = subject(subjects, "user", "users and their keys")
    add = command(actions, ("user", "add"), "add a user and make its key")
    add.add_argument("id")
    add.add_argument("--role", choices=("client", "worker", "admin", "viewer"), default="client")
    add.add_argument("--network", action="append", metavar="CIDR", help="only from there (default: anywhere)")
    _add_expiry(add, "until when it may come (default: for ever)")
    _add_writing(add)
    add.add_argument(
        "--path", action="append", metavar="NAME=DIR", help="a path variable in the written configuration"
    )
    listing = command(actions, ("user", "list"), "list all users")
    listing.add_argument("--show-key", action="store_true")
    show = command(actions, ("user", "show"), "show one user")
    show.add_argument("id")
    show.add_argument("--show-key", action="store_true")
    rotate = command(actions, ("user", "rotate-key"), "give a user a new key")
    rotate.add_argument("id")
    rotate.add_argument(
        "--overlap",
        type=duration,
        metavar="TIME",
        help="for how long the old key is good beside it, such as 1d (default: not at all)",
    )
    _add_expiry(rotate, "until when the user may come (default: as it is)")
    _add_writing(rotate)
    scope = command(actions, ("user", "set-scope"), "say from where a user may come")
    scope.add_argument("id")
    where = scope.add_mutually_exclusive_group(required=True)
    where.add_argument("--network", action="append", metavar="CIDR")
    where.add_argument("--any", action="store_true", help="from anywhere")
    expiry = command(actions, ("user", "set-expiry"), "say until when a user may come")
    expiry.add_argument("id")
    until = expiry.add_mutually_exclusive_group(required=True)
    _add_expiry(until, "until then")
    until.add_argument("--never", action="store_true", help="for ever")
    delete = command(actions, ("user", "delete"), "delete a user")
    delete.add_argument("id")
    add_yes(delete)


def _add_token(subjects: Any) -> None:
    actions = subject(subjects, "token", "tokens by which new workers join, once")
    create = command(actions, ("token", "create"), "print a token, and how a worker joins by it")
    create.add_argument(
        "--role", default="worker", metavar="ROLE", help="as what it joins (worker, the default)"
    )
    create.add_argument("--name", metavar="NAME", help="under this name only (default: as it likes)")
    create.add_argument(
        "--valid", type=duration, default=3600.0, metavar="TIME", help="for how long (default: 1h)"
    )
    create.add_argument(
        "--network", action="append", metavar="CIDR", help="only from there (default: anywhere)"
    )
    create.add_argument(
        "--url", metavar="URL", help="where the worker has the coordinator (default: where it listens)"
    )
    command(actions, ("token", "list"), "list tokens, used ones too until their time is over")
    delete = command(actions, ("token", "delete"), "delete a token; who has joined by it stays")
    delete.add_argument("id", metavar="ID", help="as `token list` names it")


def _add_login(subjects: Any) -> None:
    link = command(subjects, ("login-link",), "print a link that signs in at the dashboard, once")
    link.add_argument(
        "--as", dest="who", metavar="ID", help="whom it signs in (default: the only administrator)"
    )
    link.add_argument(
        "--url", metavar="URL", help="where the browser has the coordinator (default: where it listens)"
    )
    link.add_argument(
        "--minutes", type=_minutes, default=10, metavar="N", help="how long it is good (default: 10)"
    )


def _minutes(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= LONGEST_LINK):
        raise argparse.ArgumentTypeError(f"expected minutes from 1 to {LONGEST_LINK}, got {text!r}")
    return int(text)


def _add_config(subjects: Any) -> None:
    actions = subject(subjects, "config", "configuration files")
    init = command(actions, ("config", "init"), "write a commented configuration with the defaults")
    init.add_argument("process", choices=PROCESSES)
    init.add_argument("--output", "-o", type=Path, metavar="FILE", help="default: standard output")
    init.add_argument("--force", action="store_true", help="overwrite an existing file")
    check = command(actions, ("config", "check"), "say whether a configuration can be used")
    check.add_argument("process", choices=PROCESSES)
    check.add_argument("file", nargs="?", type=Path, metavar="FILE", help="default: where it would be found")


def _add_expiry(parser: argparse._ActionsContainer, text: str) -> None:
    parser.add_argument(
        "--expires",
        type=later,
        metavar="WHEN",
        help=f"{text}: a time from now, such as 90d, or a moment, such as 2030-01-31 or 2030-01-31T18:00Z",
    )


def _add_writing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--write-config", type=Path, metavar="FILE", help="write the key into a configuration of its user"
    )
    parser.add_argument("--coordinator-url", metavar="URL", help="for that configuration")


def _add_database(subjects: Any) -> None:
    actions = subject(subjects, "db", "the database")
    command(actions, ("db", "migrate"), "bring the database's tables up to this version")
    command(actions, ("db", "check"), "look for damage and contradictions")
    backup = command(actions, ("db", "backup"), "copy the database, also while it is used")
    backup.add_argument("target", type=Path, metavar="FILE", help="a new file")
    copy = command(actions, ("db", "copy"), "copy everything into the databases of another configuration")
    copy.add_argument(
        "--to", type=Path, required=True, metavar="FILE", help="a coordinator's configuration that names them"
    )


def _add_security(subjects: Any) -> None:
    actions = subject(subjects, "security", "the encryption of stored keys")
    command(actions, ("security", "generate-key"), "print a new encryption key")
    anew = command(
        actions, ("security", "re-encrypt"), "encrypt all users' keys with the first encryption key"
    )
    anew.add_argument(
        "--batch", type=count, default=500, metavar="N", help="users in one transaction (default: 500)"
    )
    add_yes(anew)
