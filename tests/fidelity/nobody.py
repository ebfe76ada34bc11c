"""A stand-in for the user nobody, as whom some cases run: its own key, configuration and interpreter."""

from __future__ import annotations

import os
import pwd
import shlex
import site
import subprocess
import sys
from pathlib import Path

PACKAGE_PARENT = Path(__file__).resolve().parents[2]
_IMPORT = "import dffmpeg.client.api, dffmpeg.client.proxy"


def interpreter() -> list[str] | None:
    """An interpreter and its flags with which nobody can import the package; None where there is none.

    Ours may be in a folder that is not open to others; then one of the system with our packages will do.
    """
    if os.geteuid() != 0:
        return None
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for program in (sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        if _imports(program):
            return [program]
    return None


def module_folders() -> list[str]:
    """Where the package and what it needs are."""
    return [str(PACKAGE_PARENT), *site.getsitepackages()]


def _imports(program: str) -> bool:
    account = pwd.getpwnam("nobody")
    try:
        tried = subprocess.run(
            [program, "-B", "-W", "ignore", "-c", _IMPORT],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(module_folders())},
            user=account.pw_uid,
            group=account.pw_gid,
            extra_groups=[],
            cwd="/",
            capture_output=True,
            check=False,
            timeout=60,
        )
    except OSError:
        return False
    return tried.returncode == 0


def write_stand_in(file: Path, real: Path, config: Path, program: list[str]) -> None:
    """A stand-in at `file` that is `real` for those who may run that, and for others one with `config`.

    The names of both choose the program, so they must be the same.
    """
    others = file.parent / "others" / file.name
    others.parent.mkdir(exist_ok=True)
    others.write_text(
        f"import os, sys\nsys.path[:0] = {module_folders()!r}\n"
        f"os.environ['DFFMPEG_CLIENT_CONFIG'] = {str(config)!r}\n"
        "from dffmpeg.client.proxy import main\nsys.exit(main())\n"
    )
    command = shlex.join([*program, "-EP", str(others)])
    ours = shlex.quote(str(real))
    file.write_text(f'#!/bin/sh\n[ -x {ours} ] && exec {ours} "$@"\nexec {command} "$@"\n')
    file.chmod(0o755)
