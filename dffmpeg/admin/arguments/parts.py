"""What the commands' parsers are made of."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from dffmpeg.command_line import duration


def subject(parent: Any, name: str, text: str) -> Any:
    """A subject, such as `job`, below which actions are added."""
    parser = parent.add_parser(name, help=text, description=f"{text}.".capitalize())
    return parser.add_subparsers(required=True, metavar="ACTION")


def command(parent: Any, words: tuple[str, ...], text: str) -> argparse.ArgumentParser:
    """A command; its last word is what it is called below `parent`."""
    parser: argparse.ArgumentParser = parent.add_parser(
        words[-1], help=text, description=f"{text[:1].upper()}{text[1:]}."
    )
    parser.set_defaults(command=words)
    # Where a person writes them does not matter: before the command or behind it.
    add_common(parser, top=False)
    return parser


def add_common(parser: argparse.ArgumentParser, *, top: bool) -> None:
    """The options that every command takes.

    Args:
        top: whether this parser sets their defaults; those of commands must not undo what stood before them.
    """
    absent = argparse.SUPPRESS

    def default(value: Any) -> Any:
        return value if top else absent

    parser.add_argument(
        "--config",
        "-c",
        type=Path,
        default=default(None),
        metavar="FILE",
        help="the coordinator's configuration",
    )
    parser.add_argument(
        "--client-config",
        type=Path,
        default=default(None),
        metavar="FILE",
        help="an administrator's client.toml",
    )
    parser.add_argument(
        "--offline",
        action="store_true",
        default=default(False),
        help="straight on the database, without a coordinator",
    )
    parser.add_argument("--json", action="store_true", default=default(False), help="answer in JSON")


def add_yes(parser: argparse.ArgumentParser) -> None:
    """For what asks first."""
    parser.add_argument("--yes", "-y", action="store_true", help="do not ask")


def add_window(parser: argparse.ArgumentParser, text: str, default: float) -> None:
    """How far to look back."""
    parser.add_argument("--window", type=duration, default=default, metavar="TIME", help=text)
