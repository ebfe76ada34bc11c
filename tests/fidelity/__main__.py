"""Real command lines through clusters of this machine: `python -m tests.fidelity [OPTION...]`.

Two runs decide: the shared folder under one path for client and worker, and under another path
at the worker, which cannot see the client's at all. `--no-views` adds one whose worker rewrites
arguments instead; it is only reported. `--run no-views-open` is the same without the sandbox.
What else is given goes to the corpus's own runner.

Needs the corpus: `../shared/fidelity` beside the checkout, or where FIDELITY_DIR says.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dffmpeg.configuration.worker import WorkerConfig
from tests.fidelity import nobody
from tests.fidelity.cases import CASES
from tests.fidelity.cluster import Failed, for_everybody, open_cluster
from tests.fidelity.namespaces import elsewhere

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Run:
    """One pass over the corpus.

    Attributes:
        elsewhere: whether the worker sees the shared folder under another path only.
        worker: more lines of the worker's configuration.
    """

    name: str
    elsewhere: bool
    worker: str = ""
    decides: bool = True


RUNS = {
    "same": Run("same path", elsewhere=False),
    "other": Run("another path", elsewhere=True),
    "no-views": Run("another path, no views", elsewhere=True, worker='views = "never"\n', decides=False),
    "no-views-open": Run(
        "another path, no views, no sandbox",
        elsewhere=True,
        worker='views = "never"\nsandbox = "off"\n',
        decides=False,
    ),
}


@dataclass(frozen=True, slots=True)
class Bench:
    """Where it all happens.

    Attributes:
        folder: open to other users, since some cases run as one.
        runner: the corpus's program.
        cases: files of cases.
        arguments: for the runner.
    """

    folder: Path
    runner: Path
    cases: Sequence[Path]
    arguments: Sequence[str]


def main(arguments: Sequence[str]) -> int:
    """Returns the exit status: 0 when every run that decides was identical, or there is no corpus."""
    options, passed_on = _parser().parse_known_args(arguments)
    corpus = Path(os.environ.get("FIDELITY_DIR") or REPOSITORY.parent / "shared" / "fidelity").absolute()
    if not (corpus / "fidelity.py").is_file():
        say(f"left out: there is no corpus in {corpus} (FIDELITY_DIR names another place)")
        return 0
    runs = [RUNS[name] for name in options.run or ("same", "other")]
    if options.no_views:
        runs.append(RUNS["no-views"])
    with tempfile.TemporaryDirectory(prefix="dffmpeg-fidelity-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        own = folder / "cases.json"
        own.write_text(json.dumps({"cases": CASES}))
        files = options.cases or [corpus / "cases.json", own]
        bench = Bench(folder, corpus / "fidelity.py", files, passed_on)
        results = [(run, _run(run, bench, folder / f"run{number}")) for number, run in enumerate(runs)]
    for run, result in results:
        say(f"{run.name}: {result or 'identical'}{'' if run.decides else ' (does not decide)'}")
    return int(any(result is not None and run.decides for run, result in results))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fidelity", allow_abbrev=False)
    parser.add_argument(
        "--run", action="append", choices=RUNS, help="only this run (default: same and other)"
    )
    parser.add_argument("--no-views", action="store_true", help="one more run, with a worker that rewrites")
    parser.add_argument(
        "--cases",
        action="append",
        type=Path,
        metavar="FILE",
        help="only these cases (default: the corpus and ours)",
    )
    return parser


def _run(run: Run, bench: Bench, own: Path) -> str | None:
    """None for identical; else what is wrong."""
    shared, other = bench.folder / "shared", bench.folder / "elsewhere"
    for made in (own, shared, other):
        made.mkdir(exist_ok=True)
    if run.worker and "views" not in WorkerConfig.__struct_fields__:
        return "left out: workers have no such option"
    prefix = elsewhere(shared, other) if run.elsewhere else []
    if prefix is None:
        return "not run: this machine lets us make no mount namespace"
    say(f"{run.name}{': ' + prefix[0] if prefix else ''}")
    there = other if run.elsewhere else shared
    try:
        with open_cluster(own / "data", shared, there, prefix, run.worker) as programs:
            options = ["--shared", str(shared), "--reuse-local", *bench.arguments]
            interpreter = nobody.interpreter()
            if interpreter is None:
                say("no interpreter that nobody can run: cases of other users are left out")
                options.append("--no-setuid")
            else:
                programs = for_everybody(own, own / "data", shared, interpreter)
            statuses = [_judge(bench.runner, cases, programs, options) for cases in bench.cases]
    except Failed as error:
        return f"the cluster did not come up: {error}"
    return "differs" if any(statuses) else None


def _judge(runner: Path, cases: Path, programs: Path, options: Sequence[str]) -> int:
    command = [sys.executable, str(runner), *options, "--cases", str(cases)]
    command += ["--ffmpeg", str(programs / "ffmpeg"), "--ffprobe", str(programs / "ffprobe")]
    return subprocess.run(command, check=False).returncode


def say(line: str) -> None:
    """One line of our own between those of the runner."""
    print(f"fidelity: {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
