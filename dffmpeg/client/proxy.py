"""`dffmpeg_proxy`: stands in for ffmpeg and ffprobe.

Called as `ffmpeg` (by a symlink), it runs ffmpeg; by its own name, the program that its first
argument names. Imports are inside functions, so that a signal is answered from the first moment on.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from dffmpeg.client.endings import Ending
    from dffmpeg.configuration.client import ClientConfig

OWN_NAMES = (b"dffmpeg_proxy", b"dffmpeg-proxy", b"proxy.py")


def main() -> NoReturn:
    """The console script; ends the process."""
    from dffmpeg.standard_streams import reserve_descriptors

    die_quietly()
    reserve_descriptors()
    from dffmpeg.client import endings

    endings.finish(_stand_in([os.fsencode(argument) for argument in sys.argv]))


def die_quietly() -> None:
    """Let SIGINT end us as any program, without a traceback, until somebody handles it."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def called_as(argv: list[bytes]) -> tuple[bytes, list[bytes]] | None:
    """The program that is meant and its arguments; None where none is named."""
    name, arguments = os.path.basename(argv[0]), argv[1:]
    if name not in OWN_NAMES:
        return name, arguments
    return (os.path.basename(arguments[0]), arguments[1:]) if arguments else None


def _stand_in(argv: list[bytes]) -> Ending:
    import trio

    from dffmpeg.client import endings
    from dffmpeg.client.endings import Ending
    from dffmpeg.errors import DffmpegError

    meant = called_as(argv)
    if meant is None:
        return Ending(endings.CONFIGURATION, line="usage: dffmpeg_proxy PROGRAM [ARGUMENT...]")
    binary, arguments = meant
    try:
        return trio.run(_run, _configuration(), os.fsdecode(binary), arguments)
    except DffmpegError as error:
        return endings.of_error(error)


def _configuration() -> ClientConfig:
    from dffmpeg.configuration import locate, parse, read
    from dffmpeg.configuration.client import ClientConfig
    from dffmpeg.errors import ConfigurationError

    # Not `load`: its advice on file modes would stand in the program's stderr.
    try:
        file = locate("client", None)
        return parse(ClientConfig, read(file), file)
    except OSError as error:
        raise ConfigurationError(f"{error.filename or 'configuration'}: {error.strerror}") from None


async def _run(config: ClientConfig, binary: str, arguments: list[bytes]) -> Ending:
    from dffmpeg.client import endings
    from dffmpeg.client.api import Client
    from dffmpeg.client.foreground import Foreground

    verbose = config.log_level == "DEBUG"
    async with Client(config, note=endings.say if verbose else lambda line: None) as client:
        return await Foreground(client).run(lambda: client.submit(binary, arguments, monitor=True))


if __name__ == "__main__":
    main()
