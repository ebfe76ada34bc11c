"""python -m tests.chaos: a cluster under fire, and a verdict."""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import trio

from tests.chaos.configurations import Plan
from tests.chaos.databases import DATABASES
from tests.chaos.downlinks import DOWNLINKS
from tests.chaos.verdict import Run, Say, Verdict, play
from tests.servers.process import ServerFailed
from tests.servers.requirements import REQUIRED, Missing


def main() -> int:
    """0: nothing was lost, twice, wrong or stuck. 1: something was. 2: it could not be tried."""
    options = _options(sys.argv[1:])
    begin = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - begin:7.1f}  {line}", flush=True)

    folder = Path(tempfile.mkdtemp(prefix="dffmpeg-chaos-"))
    plan = Plan(
        folder=folder,
        database=options.database,
        downlink=options.downlink,
        coordinators=options.coordinators,
        workers=options.workers,
        slots=options.slots,
    )
    run = Run(
        seed=options.seed,
        duration=options.duration,
        jobs=round(options.duration * 2000 / 600) if options.jobs is None else options.jobs,
        encodes=max(4, round(options.duration * 20 / 600)) if options.encodes is None else options.encodes,
    )
    say(f"seed {run.seed}: {run.jobs} jobs, {run.encodes} encodes, {run.duration:g} s; {_described(plan)}")
    verdict: Verdict | None = None
    status = 2
    try:
        verdict = trio.run(play, plan, run, say)
    except* Missing as missing:
        say(f"left out: {_said(missing)}")
        status = 2 if REQUIRED else 0
    except* ServerFailed as failure:
        say(f"it could not be tried: {_said(failure)}; see {folder}")
    if verdict is None:
        return status
    _print(verdict, say)
    if verdict.violations or options.keep:
        say(f"what the processes said is in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if verdict.violations else 0


def _print(verdict: Verdict, say: Say) -> None:
    for name, value in verdict.figures.items():
        say(f"{name}: {value}")
    for violation in verdict.violations:
        say(str(violation))
    say(f"WRONG: {len(verdict.violations)} violations" if verdict.violations else "RIGHT")


def _said(error: BaseException) -> str:
    """The texts of what is inside a group."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(_said(one) for one in error.exceptions)
    return str(error)


def _described(plan: Plan) -> str:
    return (
        f"{plan.database}, {plan.downlink}, {plan.coordinators} coordinator(s), "
        f"{plan.workers} workers of {plan.slots} slots"
    )


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--duration", type=float, default=60.0, help="seconds in which things break")
    parser.add_argument("--jobs", type=int, help="short ones; default: 2000 in ten minutes")
    parser.add_argument(
        "--encodes", type=int, help="long ones, every second piped; default: 20 in ten minutes"
    )
    parser.add_argument("--database", choices=sorted(DATABASES), default="sqlite")
    parser.add_argument("--downlink", choices=sorted(DOWNLINKS), default="websocket")
    parser.add_argument("--coordinators", type=int, default=1)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--slots", type=int, default=4)
    parser.add_argument("--keep", action="store_true", help="leave the folder also if all is right")
    options = parser.parse_args(arguments)
    if options.coordinators > 1 and options.database == "sqlite":
        parser.error("--coordinators: SQLite is for one; choose another --database")
    return options


if __name__ == "__main__":
    sys.exit(main())
