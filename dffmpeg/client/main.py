"""`dffmpeg-client`: jobs and workers from the command line.

Imports are inside functions, so that a signal is answered from the first moment on.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from dffmpeg.shim.signals import default_interrupt

if TYPE_CHECKING:
    import argparse

    from dffmpeg.client.endings import Ending


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """The console script; ends the process.

    Args:
        argv: the arguments without the program's name; None are the process's own.
    """
    from dffmpeg import standard_streams

    default_interrupt()
    standard_streams.reserve()
    from dffmpeg.client import endings
    from dffmpeg.client.parser import parse

    # Names and arguments may hold what the terminal's encoding cannot show.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    options, behind = parse(sys.argv[1:] if argv is None else argv)
    endings.finish(_carry_out(options, [os.fsencode(argument) for argument in behind]))


def _carry_out(options: argparse.Namespace, program_arguments: list[bytes]) -> Ending:
    import trio

    from dffmpeg.client import endings
    from dffmpeg.client.command import LocalCommand
    from dffmpeg.client.endings import Ending
    from dffmpeg.errors import DffmpegError

    try:
        if isinstance(options.command, LocalCommand):
            return options.command.run(options, program_arguments)
        return trio.run(_run, options, program_arguments)
    except DffmpegError as error:
        return endings.of_error(error)
    except BrokenPipeError:
        # Of the tables that are printed; streams have their own way. What is left in the
        # buffer must not be tried once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return Ending(signal=signal.SIGPIPE)
    except OSError as error:
        return Ending(endings.LOST, line=f"{error.filename or 'standard output'}: {error.strerror or error}")


async def _run(options: argparse.Namespace, program_arguments: list[bytes]) -> Ending:
    from dffmpeg.client import endings
    from dffmpeg.client.api import Client
    from dffmpeg.client.command import Command, Invocation
    from dffmpeg.configuration import load
    from dffmpeg.configuration.client import ClientConfig

    config = load(ClientConfig, "client", options.config)
    verbose = options.verbose or config.log_level == "DEBUG"
    command: Command = options.command
    async with Client(config, note=endings.say if verbose else lambda line: None) as client:
        return await command(Invocation(client, options, program_arguments))


if __name__ == "__main__":
    main()
