"""`python -m tests.fuzz`: atheris on each target, one process a target, for so many seconds.

What it finds interesting goes into a folder of its own, begins with the corpus that is kept here, and is
used again the next time; a crash is a file in that folder, and the exit code 1.
"""

from __future__ import annotations

import argparse
import importlib.util
import shlex
import subprocess
import sys
from pathlib import Path

from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"some of {', '.join(TARGETS)}; all")
    parser.add_argument("--seconds", type=int, default=600, help="for each target (600)")
    parser.add_argument("--work", type=Path, default=Path("build/fuzz"), help="folder (build/fuzz)")
    parser.add_argument("--keep", action="store_true", help="put what is new into the corpus, reduced")
    options = parser.parse_args()
    unknown = set(options.targets) - set(TARGETS)
    if unknown:
        parser.error(f"no target {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    if importlib.util.find_spec("atheris") is None:
        print("nothing is fuzzed: there is no atheris for this machine")
        return
    failed = [name for name in options.targets or TARGETS if not _fuzz(name, options)]
    if failed:
        sys.exit(f"found something: {', '.join(failed)}; see {options.work}")


def _fuzz(name: str, options: argparse.Namespace) -> bool:
    """Returns whether nothing was found."""
    found, kept = options.work / name, CORPUS / name
    found.mkdir(parents=True, exist_ok=True)
    kept.mkdir(parents=True, exist_ok=True)
    print(f"{name}: {options.seconds} s", flush=True)
    limits = [f"-max_total_time={options.seconds}", "-max_len=4096", "-timeout=20", "-rss_limit_mb=2048"]
    flags = [*limits, f"-artifact_prefix={found}-", "-verbosity=0", "-print_final_stats=1"]
    good = _run(name, flags, found, kept)
    if good and options.keep:
        # libFuzzer's own reduction: of what covers the same, the smallest.
        launcher = _launcher(name, options.work)
        good = _run(name, [f"--as={launcher}", "-merge=1", "-max_len=512", "-verbosity=0"], kept, found)
    return good


def _run(name: str, flags: list[str], *folders: Path) -> bool:
    words = [sys.executable, "-m", "tests.fuzz.one", name, *flags, *map(str, folders)]
    return subprocess.run(words, check=False).returncode == 0


def _launcher(name: str, folder: Path) -> Path:
    """A program that is this target: to reduce a corpus, libFuzzer starts itself again by its own name."""
    made = folder.absolute() / f"{name}.sh"
    made.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m tests.fuzz.one {name} "$@"\n')
    made.chmod(0o755)
    return made


if __name__ == "__main__":
    main()
