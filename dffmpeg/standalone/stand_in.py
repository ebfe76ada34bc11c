"""The small programs in `bin/` that stand in for ffmpeg and ffprobe, bound to one cluster."""

from __future__ import annotations

import os
import secrets
import site
import sys
from pathlib import Path

PACKAGE_PARENT = Path(__file__).resolve().parents[2]

# The kernel reads no more of a first line than this, execve(2).
_SHEBANG_LIMIT = 127

_SCRIPT = """\
import os
import sys

{path}os.environ["DFFMPEG_CLIENT_CONFIG"] = {config!r}

from dffmpeg.client.proxy import main

sys.exit(main())
"""


def is_installed() -> bool:
    """Whether an interpreter finds this very package by itself, without being told where it is."""
    return str(PACKAGE_PARENT) in map(os.path.realpath, site.getsitepackages())


def source(config: Path, interpreter: str = sys.executable) -> str:
    """A stand-in's text. Its name, by which the program is chosen, is that of the file that it is put in.

    Args:
        config: absolute path of the client's configuration.
        interpreter: absolute path of the Python to run it.
    """
    # -E and -P: neither the caller's PYTHON... variables nor its folder choose what is imported.
    path = "" if is_installed() else f"sys.path.insert(0, {str(PACKAGE_PARENT)!r})\n"
    return _first_line(interpreter) + _SCRIPT.format(path=path, config=str(config))


def _first_line(interpreter: str) -> str:
    line = f"#!{interpreter} -EP\n"
    if len(line) <= _SHEBANG_LIMIT and not any(character.isspace() for character in interpreter):
        return line
    # To a shell the second line starts the interpreter; to Python it is a string.
    quoted = "".join(f"\\{character}" if character in '"$`\\' else character for character in interpreter)
    return f"#!/bin/sh\n'''exec' \"{quoted}\" -EP \"$0\" \"$@\"\n' '''\n"


def write(file: Path, config: Path) -> None:
    """Put a stand-in at `file`, executable, whole or not at all."""
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    temporary.write_text(source(config), encoding="utf-8", errors="surrogateescape")
    temporary.chmod(0o755)
    temporary.replace(file)
