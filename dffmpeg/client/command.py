"""What every command of `dffmpeg-client` gets, and how it prints."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from dffmpeg import tables
from dffmpeg.client.api import Client
from dffmpeg.client.endings import Ending


@dataclass(frozen=True, slots=True)
class Invocation:
    """A command line, parsed, and the client to carry it out with.

    Attributes:
        options: what argparse made of it.
        program_arguments: what stood behind `--`, as bytes.
    """

    client: Client
    options: argparse.Namespace
    program_arguments: list[bytes]

    def print(self, value: Any, text: Callable[[], str]) -> None:
        """Print a value: as JSON with `--json`, else the text."""
        say_out(tables.as_json(value) if self.options.json else text())


Command = Callable[[Invocation], Awaitable[Ending]]


class LocalCommand:
    """A command that speaks to no coordinator by itself, outside of any event loop.

    Args:
        run: takes the options.
    """

    def __init__(self, run: Callable[[argparse.Namespace, list[bytes]], Ending]) -> None:
        self.run = run


def say_out(text: str) -> None:
    """A text on standard output.

    Raises:
        OSError: nobody reads it, or it cannot be written.
    """
    print(text, flush=True, file=sys.stdout)
