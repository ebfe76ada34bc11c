"""`dffmpeg standalone`: coordinator and workers in one command, for trying and for one machine."""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import trio

from dffmpeg import __version__, command_line
from dffmpeg.command_line import Parser, run
from dffmpeg.standalone.cluster import serve
from dffmpeg.standalone.identities import ensure_identities
from dffmpeg.standalone.layout import Layout, claim
from dffmpeg.standalone.options import Options, parse_binaries, parse_mappings
from dffmpeg.standalone.prepare import Plan, prepare


def main(arguments: Sequence[str] | None = None) -> int:
    """The command `dffmpeg`. Returns the exit status: 0, 1 for a failure, 2 for wrong input."""
    return run("dffmpeg", lambda: _command(arguments))


def _command(arguments: Sequence[str] | None) -> int:
    parsed = _parser().parse_args(arguments)
    options = Options(
        data=parsed.data,
        workers=parsed.workers,
        slots=parsed.slots,
        paths=parse_mappings(parsed.path) if parsed.path else None,
        binaries=parse_binaries(parsed.binary) if parsed.binary else None,
        port=parsed.port,
        ready_file=parsed.ready_file and parsed.ready_file.absolute(),
        restart=parsed.restart,
    )
    with _folder(options.data) as layout:
        run_cluster(layout, options, _announce)
    return 0


def run_cluster(layout: Layout, options: Options, announce: Callable[[Plan], None]) -> None:
    """Prepare the folder and run the cluster in it until a signal asks for its end.

    Raises:
        DffmpegError: it cannot be prepared, or did not come up.
    """
    with _logged_into(layout):
        if options.ready_file is not None:
            options.ready_file.unlink(missing_ok=True)
        plan = prepare(layout, options)
        for warning in plan.warnings:
            say(f"warning: {warning}")
        try:
            trio.run(partial(_run, plan, options, announce))
        finally:
            if options.ready_file is not None:
                options.ready_file.unlink(missing_ok=True)


async def _run(plan: Plan, options: Options, announce: Callable[[Plan], None]) -> None:
    await ensure_identities(plan)
    await serve(plan, options, say, announce)


def say(line: str) -> None:
    """One line for the person at the terminal."""
    print(f"dffmpeg: {line}", file=sys.stderr, flush=True)


def _announce(plan: Plan) -> None:
    bin_folder = plan.layout.programs
    count = len(plan.workers)
    lines = [f"dffmpeg is ready: {count} worker{'s' * (count > 1)}. Ctrl-C stops it."]
    lines += [f"  dashboard  {plan.url}/status"]
    lines += [f"  use it as  {bin_folder}/ffmpeg and {bin_folder}/ffprobe, like your own ffmpeg"]
    lines += [f"  path       ${name} = {directory}" for name, directory in plan.client.paths.items()]
    lines += [f"  logs       {plan.layout.logs}"]
    command_line.say("\n".join(lines))


@contextmanager
def _folder(data: Path | None) -> Iterator[Layout]:
    if data is not None:
        with claim(data) as layout:
            yield layout
        return
    with tempfile.TemporaryDirectory(prefix="dffmpeg-") as folder, claim(Path(folder)) as layout:
        yield layout


@contextmanager
def _logged_into(layout: Layout) -> Iterator[None]:
    """What the supervisors have to say goes to a file: the terminal gets one line for each event."""
    handler = logging.FileHandler(layout.log("standalone"), encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("dffmpeg")
    propagate = logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield
    finally:
        logger.propagate = propagate
        logger.removeHandler(handler)
        handler.close()


def _parser() -> Parser:
    parser = Parser(prog="dffmpeg", description="FFmpeg on other machines as if it ran here.")
    parser.add_argument("--version", action="version", version=f"dffmpeg {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    standalone = commands.add_parser(
        "standalone",
        help="run a coordinator and workers on this machine",
        description="Run a coordinator and workers on this machine, on its loopback address only. "
        "Started again on the same folder it goes on with the same state; a flag that is not "
        "given keeps its value.",
    )
    _add_options(standalone)
    return parser


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="keep the state here (default: a temporary one)"
    )
    parser.add_argument("--workers", type=_whole(1, 64), metavar="N", help="how many workers (default: 1)")
    parser.add_argument(
        "--slots", type=_whole(1, 1000), metavar="N", help="jobs at once in each (default: 2)"
    )
    parser.add_argument(
        "--path",
        action="append",
        metavar="NAME=CLIENTDIR[:WORKERDIR]",
        help="map a directory (default: the working directory, as Here). On a folder that is started with "
        "--path from the beginning, a file outside of what is mapped is an error; otherwise absolute paths "
        "need no mapping, which unmapped_paths in client.toml decides. Relative paths always need one",
    )
    parser.add_argument(
        "--binary",
        action="append",
        metavar="NAME=PATH",
        help="a program that jobs may run (default: ffmpeg and ffprobe as found on the PATH)",
    )
    parser.add_argument(
        "--port", type=_whole(1, 65_535), metavar="P", help="the coordinator's (default: a free one)"
    )
    parser.add_argument("--ready-file", type=Path, metavar="FILE", help="made when a job can be submitted")
    parser.add_argument("--restart", action="store_true", help="start again what ends by itself")


def _whole(low: int, high: int) -> Callable[[str], int]:
    def whole(text: str) -> int:
        if not (text.isascii() and text.isdigit() and low <= int(text[:9]) <= high):
            raise argparse.ArgumentTypeError(f"expected a whole number from {low} to {high}, got {text!r}")
        return int(text)

    return whole


if __name__ == "__main__":
    sys.exit(main())
