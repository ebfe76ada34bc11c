"""How `dffmpeg-admin` answers and asks: text for people, JSON for programs, questions on standard error."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from dffmpeg import tables
from dffmpeg.admin.statuses import NotDone
from dffmpeg.command_line import say
from dffmpeg.errors import BadInput


def answer(options: argparse.Namespace, value: Any, text: str) -> None:
    """Print `value`, a struct or plain values, as JSON where `--json` was given, else the text."""
    say(tables.as_json(value) if options.json else text)


def confirm(options: argparse.Namespace, question: str) -> None:
    """Ask whether to go on, unless `--yes` was given.

    Raises:
        NotDone: the answer was no.
        BadInput: there is no terminal to ask at.
    """
    if options.yes:
        return
    if not sys.stdin.isatty():
        raise BadInput(f"{question} There is no terminal to ask at; --yes does it without asking")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise NotDone("nothing was changed")
