"""`dffmpeg-client submit` without `--detach`: a job as the caller's own."""

from __future__ import annotations

import argparse
import signal

from dffmpeg.client import endings, submit_flags
from dffmpeg.client.command import LocalCommand
from dffmpeg.client.endings import Ending
from dffmpeg.client.outcome import Outcome
from dffmpeg.client.requests import identifier
from dffmpeg.configuration import load, locate
from dffmpeg.configuration.client import ClientConfig
from dffmpeg.shim import main as shim
from dffmpeg.shim.call import Call
from dffmpeg.wire import codec


def _run(options: argparse.Namespace, program_arguments: list[bytes]) -> Ending:
    file = locate("client", options.config)
    # What is wrong with it, and who else may read it, is said before anything else.
    config = load(ClientConfig, "client", file)
    notice = submit_flags.notice(options)
    if notice is not None:
        endings.say(notice)
    fields = [(b"O", codec.encode(submit_flags.read(options, config, program_arguments)))]
    if options.verbose:
        fields.append((b"V", b""))
    program = identifier("program", options.binary)
    call = Call(program.encode(), program_arguments, str(file), fields)
    shim.run(call, cancels=True, agent=False)


submit = LocalCommand(_run)
"""Run a program as if it ran here: the first of SIGINT, SIGTERM and SIGHUP cancels the job, which is followed
until it has ended, so that ffmpeg finishes its file; the second ends us at once."""


def of_outcome(outcome: Outcome) -> Ending:
    """The ending that passes a job's outcome on."""
    if outcome.problem is not None:
        return Ending(endings.LOST, line=outcome.problem)
    return Ending(outcome.exit_code or 0, signal=outcome.signal)


def not_ignored(numbers: tuple[signal.Signals, ...]) -> list[signal.Signals]:
    """Those of some signals that were not ignored when we were started."""
    return [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
