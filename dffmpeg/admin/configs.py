"""`dffmpeg-admin config`: configuration files are written and checked."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from dffmpeg.admin.examination import doubts, refuse_what_cannot_start
from dffmpeg.admin.output import answer
from dffmpeg.command_line import say
from dffmpeg.configuration import load, locate, naming
from dffmpeg.configuration.client import ClientConfig
from dffmpeg.configuration.common import Section
from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.configuration.worker import WorkerConfig
from dffmpeg.configuration.writing import render, write_file

KINDS: Mapping[str, type[Section]] = {
    "coordinator": CoordinatorConfig,
    "worker": WorkerConfig,
    "client": ClientConfig,
}


def init(options: argparse.Namespace) -> None:
    """Write a commented configuration; one that will hold a key is for its owner's eyes only."""
    text = render(KINDS[options.process])
    if options.output is None:
        say(text.removesuffix("\n"))
        return
    mode = 0o644 if options.process == "coordinator" else 0o600
    write_file(options.output, text, mode=mode, overwrite=options.force)
    answer(options, {"file": str(options.output)}, f"wrote {options.output}")


def check(options: argparse.Namespace) -> None:
    """Say whether a configuration can be used, and what of it is missing on this machine."""
    file = locate(options.process, options.file)
    config = load(KINDS[options.process], options.process, file)
    with naming(file):
        refuse_what_cannot_start(config)
    found = list(doubts(config))
    lines = [f"{file}: ok", *(f"warning: {line}" for line in found)]
    answer(options, {"file": str(file), "ok": True, "warnings": found}, "\n".join(lines))
