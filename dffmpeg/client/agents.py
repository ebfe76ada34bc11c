"""`dffmpeg-client agent`."""

from __future__ import annotations

import argparse

from dffmpeg.client.command import LocalCommand
from dffmpeg.client.endings import Ending


def _run(options: argparse.Namespace, program_arguments: list[bytes]) -> Ending:
    from dffmpeg.client.agent.main import command

    command(options.config, options.idle, status=options.status)
    return Ending()


run = LocalCommand(_run)
"""Run an agent in the foreground, or show those that run."""
