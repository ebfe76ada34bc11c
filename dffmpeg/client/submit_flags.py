"""The flags of `dffmpeg-client submit` that say how a job is treated."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Sequence
from datetime import datetime

import msgspec

from dffmpeg.client.endings import say
from dffmpeg.client.options import JobOptions
from dffmpeg.client.requests import current_directory
from dffmpeg.command_line import duration, identifier, priority
from dffmpeg.configuration.client import ClientConfig
from dffmpeg.errors import BadInput
from dffmpeg.model import hooks, requirements
from dffmpeg.wire.jobs import SHORTEST_LEASE

MAX_ATTEMPTS = 100
PROBE = "probe"
"""As a size: have a local ffprobe find it out."""


def add(parser: argparse.ArgumentParser) -> None:
    """Add them to a parser, each under the name of its field in `JobOptions`."""
    who = parser.add_argument_group("what it is")
    who.add_argument("--name", type=_text, metavar="NAME", help="a name to find it by")
    who.add_argument(
        "--label", dest="labels", action="append", type=identifier, metavar="LABEL", help="may be repeated"
    )
    who.add_argument("--idempotency-key", type=_key, metavar="KEY", help="submitting again is the same job")
    when = parser.add_argument_group("when it runs")
    when.add_argument("--priority", type=priority, metavar="N", help="from -100 to 100, or a class's name")
    when.add_argument(
        "--after", action="extend", type=_jobs, metavar="JOB[,JOB]", help="not before these have completed"
    )
    when.add_argument(
        "--start-at", type=_moment, metavar="TIME", help="such as 2030-01-31T22:00, or +10m: not before"
    )
    when.add_argument(
        "--require",
        action="append",
        type=_requirement,
        metavar="KIND=NAME",
        help="only where that is: encoder=hevc_nvenc, label=gpu, resource=nvenc:2, …",
    )
    when.add_argument(
        "--size",
        type=_size,
        metavar="N",
        help="how much work it is, in pixels of input; `probe` asks ffprobe",
    )
    limits = parser.add_argument_group("time limits", "such as 90, 90s, 10m, 2h or 7d")
    for name, text in (
        ("pending", "fail if no worker took it within T"),
        ("assignment", "another worker goes first if one did not accept it within T"),
        ("run", "fail if it runs for longer than T"),
        ("stall", "run it again if it writes nothing and uses no processor for T"),
    ):
        limits.add_argument(f"--{name}-timeout", type=duration, metavar="T", help=text)
    limits.add_argument(
        "--lease", type=_lease, metavar="T", help="run it again if its worker says nothing for T, 1s or more"
    )
    ends = parser.add_argument_group("what happens when it fails, or ends")
    ends.add_argument(
        "--max-attempts", type=_attempts, metavar="N", help="run it at most N times if workers die"
    )
    ends.add_argument(
        "--retry-on-exit",
        dest="retry_exit_codes",
        action="extend",
        type=_codes,
        metavar="CODE[,CODE]",
        help="run it again if it ends so",
    )
    ends.add_argument(
        "--retry-on-stderr",
        dest="retry_stderr",
        action="append",
        type=_pattern,
        metavar="REGEX",
        help="run it again if it fails and the end of stderr matches",
    )
    ends.add_argument(
        "--fail-if-impossible",
        dest="impossible",
        action="store_const",
        const="fail",
        help="fail at once if no known worker could ever run it",
    )
    ends.add_argument("--retention", type=duration, metavar="T", help="keep it and its output for T")
    ends.add_argument(
        "--hook",
        dest="hooks",
        action="append",
        type=_url,
        metavar="URL",
        help="is told of each change of its state",
    )


def read(options: argparse.Namespace, config: ClientConfig, arguments: Sequence[bytes]) -> JobOptions:
    """What was given; the size may have to be found out, which takes a while.

    Args:
        arguments: the program's.
    """
    given = {name: getattr(options, name) for name in JobOptions.__struct_fields__}
    return msgspec.convert({**given, "size": _found_out(options, config, arguments)}, JobOptions)


def _found_out(options: argparse.Namespace, config: ClientConfig, arguments: Sequence[bytes]) -> float | None:
    asked = options.size == PROBE
    if not asked and (options.size is not None or not config.submit.probe_size):
        return None if options.size is None else float(options.size)
    # Nobody else needs it.
    from dffmpeg.client import probing

    found = probing.probe(config, options.binary, arguments, current_directory())
    if found.problem is not None and (asked or options.verbose):
        say(f"--size {PROBE}: {found.problem}" + ("" if found.pixels else "; submitted without a size"))
    return found.pixels


def notice(options: argparse.Namespace) -> str | None:
    """What the caller may not have meant, and is done all the same."""
    if options.start_at is None or options.start_at > time.time() - 1.0:
        return None
    moment = datetime.fromtimestamp(options.start_at).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
    return f"--start-at: {moment} has passed, so the job does not wait for it"


def _text(text: str) -> str:
    if not text or len(text) > 200 or not text.isprintable():
        raise argparse.ArgumentTypeError(f"expected 1 to 200 characters that can be printed: {text!r}")
    return text


def _key(text: str) -> str:
    if not text or len(text) > 128 or not text.isprintable():
        raise argparse.ArgumentTypeError(f"expected 1 to 128 characters that can be printed: {text!r}")
    return text


def _jobs(text: str) -> list[str]:
    return [identifier(job_id) for job_id in text.split(",")]


def _requirement(text: str) -> str:
    try:
        requirements.required([text])
    except BadInput as error:
        raise argparse.ArgumentTypeError(str(error).removeprefix("require: ")) from None
    return text


def _moment(text: str) -> float:
    if text.startswith("+"):
        return time.time() + duration(text[1:])
    try:
        moment = datetime.fromisoformat(text)
        # Without a zone it is meant as the clock on the wall shows it.
        return moment.astimezone().timestamp()
    except (ValueError, OverflowError, OSError):
        raise argparse.ArgumentTypeError(
            f"expected a time such as 2030-01-31T22:00 or 2030-01-31T22:00Z, or +10m: {text!r}"
        ) from None


def _lease(text: str) -> float:
    seconds = duration(text)
    if seconds < SHORTEST_LEASE:
        raise argparse.ArgumentTypeError(
            f"expected at least {SHORTEST_LEASE:g}s, or a healthy worker would lose the job: {text!r}"
        )
    return seconds


def _size(text: str) -> float | str:
    if text == PROBE:
        return text
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1e18:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1e18, or {PROBE}: {text!r}")
    return value


def _attempts(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= MAX_ATTEMPTS):
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 to {MAX_ATTEMPTS}: {text!r}")
    return int(text)


def _codes(text: str) -> list[int]:
    codes = text.split(",")
    if not all(code.isascii() and code.isdigit() and 1 <= int(code) <= 255 for code in codes):
        raise argparse.ArgumentTypeError(f"expected exit codes from 1 to 255; 0 is no failure: {text!r}")
    return [int(code) for code in codes]


def _pattern(text: str) -> str:
    if not text or len(text) > 200:
        raise argparse.ArgumentTypeError(f"expected 1 to 200 characters: {text!r}")
    try:
        re.compile(text.encode())
    except (re.error, ValueError) as error:
        raise argparse.ArgumentTypeError(f"expected a regular expression: {text!r}: {error}") from None
    return text


def _url(text: str) -> str:
    reason = hooks.unusable(text)
    if reason is not None:
        raise argparse.ArgumentTypeError(f"{reason}: {text!r}")
    return text
