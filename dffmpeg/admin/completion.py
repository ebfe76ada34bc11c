"""`dffmpeg-admin completion SHELL`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from dffmpeg.admin.arguments import build_parser
from dffmpeg.command_line import say


def show(options: argparse.Namespace) -> None:
    """Print a shell's completion, made from the parser itself."""
    # No other command wants it.
    import shtab

    parser = build_parser()
    _complete_files(parser, {"FILE": shtab.FILE, "DIR": shtab.DIRECTORY})
    say(shtab.complete(parser, options.shell).removesuffix("\n"))


def _complete_files(parser: argparse.ArgumentParser, kinds: Mapping[str, Any]) -> None:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                _complete_files(below, kinds)
        elif isinstance(action.metavar, str) and action.metavar in kinds:
            # The library looks for this attribute.
            vars(action)["complete"] = kinds[action.metavar]
