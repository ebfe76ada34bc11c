"""What a submitter says of how its job is to be treated, beyond what it runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Durations are seconds; None is what the coordinator's configuration says.

    Attributes:
        assignment_timeout: a worker accepts within so long, or another one goes first.
        lease: a worker that says nothing of the job for so long has lost it.
        run_timeout: an attempt that runs for longer ends as a failure.
        stall_timeout: an attempt without output and without use of a processor for so long is lost.
        retry_exit_codes: the command's own exit codes on which it is tried again.
        retry_stderr: regular expressions (Python's, on bytes as UTF-8): where the end of stderr matches
            one of them, a failure is tried again.
        impossible: what becomes of a job that no known worker could ever run. `run`: one that only
            lacks what its command line asks of ffmpeg runs nevertheless, and fails as it would locally.
        retention: how long the finished job and its output are kept.
        hooks: URLs that are told of each change of state.
        traceparent: the trace that its submission belongs to, as it came.
    """

    assignment_timeout: float | None = None
    lease: float | None = None
    run_timeout: float | None = None
    stall_timeout: float | None = None
    retry_exit_codes: tuple[int, ...] = ()
    retry_stderr: tuple[str, ...] = ()
    impossible: Literal["wait", "fail", "run"] = "wait"
    retention: float | None = None
    hooks: tuple[str, ...] = ()
    traceparent: str | None = None


def filled(rules: Rules, defaults: Rules) -> Rules:
    """A job's rules, with the time-outs that its submitter left to the coordinator."""
    return replace(
        rules,
        assignment_timeout=rules.assignment_timeout or defaults.assignment_timeout,
        lease=rules.lease or defaults.lease,
        run_timeout=rules.run_timeout or defaults.run_timeout,
        stall_timeout=rules.stall_timeout or defaults.stall_timeout,
    )
