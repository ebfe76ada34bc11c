"""Run real command lines through clusters of this machine: `python -m tests.fidelity [--no-views] [ARG...]`.

Two runs decide: the shared folder under one path for client and worker, and under another path
at the worker, which cannot see the client's at all. `--no-views` adds one whose worker rewrites
arguments instead; it is only reported. What else is given goes to the corpus's own runner.

Needs the corpus: `../shared/fidelity` beside the checkout, or where FIDELITY_DIR says.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dffmpeg.configuration.worker import WorkerConfig
from tests.fidelity import nobody
from tests.fidelity.cluster import Failed, for_everybody, open_cluster
from tests.fidelity.namespaces import elsewhere

REPOSITORY = Path(__file__).resolve().parents[2]
OWN_CASES = Path(__file__).with_name("cases.json")


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


RUNS = (Run("same path", elsewhere=False), Run("another path", elsewhere=True))
NO_VIEWS = Run("another path, no views", elsewhere=True, worker='views = "never"\n', decides=False)


def main(arguments: Sequence[str]) -> int:
    """Returns the exit status: 0 when every run that decides was identical, or there is no corpus."""
    corpus = Path(os.environ.get("FIDELITY_DIR") or REPOSITORY.parent / "shared" / "fidelity")
    if not (corpus / "fidelity.py").is_file():
        say(f"left out: there is no corpus in {corpus} (FIDELITY_DIR names another place)")
        return 0
    runs = list(RUNS)
    if "--no-views" in arguments:
        runs.append(NO_VIEWS)
    passed_on = [argument for argument in arguments if argument != "--no-views"]
    with tempfile.TemporaryDirectory(prefix="dffmpeg-fidelity-") as name:
        folder = Path(name)
        # Other users take part.
        folder.chmod(0o755)
        results = [
            (run, _run(run, folder / f"run{number}", folder, corpus, passed_on))
            for number, run in enumerate(runs)
        ]
    for run, result in results:
        say(f"{run.name}: {result or 'identical'}{'' if run.decides else ' (does not decide)'}")
    return int(any(result is not None and run.decides for run, result in results))


def _run(run: Run, own: Path, folder: Path, corpus: Path, arguments: Sequence[str]) -> str | None:
    """None for identical; else what is wrong."""
    shared, other = folder / "shared", folder / "elsewhere"
    for made in (own, shared, other):
        made.mkdir(exist_ok=True)
    if run.worker and "views" not in WorkerConfig.__struct_fields__:
        return "left out: workers have no such option"
    prefix: list[str] | None = []
    if run.elsewhere:
        prefix = elsewhere(shared, other)
    if prefix is None:
        return "not run: this machine lets us make no mount namespace"
    say(f"{run.name}{': ' + prefix[0] if prefix else ''}")
    try:
        with open_cluster(
            own / "data", shared, other if run.elsewhere else shared, prefix, run.worker
        ) as programs:
            options = ["--shared", str(shared), "--reuse-local", *arguments]
            interpreter = nobody.interpreter()
            if interpreter is None:
                say("no interpreter that nobody can run: cases of other users are left out")
                options.append("--no-setuid")
            else:
                programs = for_everybody(own, own / "data", shared, interpreter)
            statuses = [_judge(corpus, cases, programs, options) for cases in _cases(corpus, arguments)]
    except Failed as error:
        return f"the cluster did not come up: {error}"
    return "differs" if any(statuses) else None


def _cases(corpus: Path, arguments: Sequence[str]) -> list[Path | None]:
    if any(argument.startswith("--cases") for argument in arguments):
        return [None]
    return [corpus / "cases.json", OWN_CASES] if OWN_CASES.is_file() else [corpus / "cases.json"]


def _judge(corpus: Path, cases: Path | None, programs: Path, options: Sequence[str]) -> int:
    command = [sys.executable, str(corpus / "fidelity.py"), *options]
    command += ["--ffmpeg", str(programs / "ffmpeg"), "--ffprobe", str(programs / "ffprobe")]
    if cases is not None:
        command += ["--cases", str(cases)]
    return subprocess.run(command, check=False).returncode


def say(line: str) -> None:
    """One line of our own between those of the runner."""
    print(f"fidelity: {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
