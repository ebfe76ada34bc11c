"""How `dffmpeg-admin` answers: text for people, JSON for programs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

from dffmpeg.command_line import say


def answer(options: argparse.Namespace, value: Any, text: str) -> None:
    """Print `value` as JSON where `--json` was given, else the text."""
    say(json.dumps(value, indent=2, ensure_ascii=False) if options.json else text)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows, the first of them headings, in columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in padded)
