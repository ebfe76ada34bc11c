"""`dffmpeg-client stand-in`: small programs called ffmpeg and ffprobe, bound to one configuration."""

from __future__ import annotations

import argparse
import os
import py_compile
import secrets
import site
import sys
from pathlib import Path

from dffmpeg.client.command import LocalCommand, say_out
from dffmpeg.client.endings import Ending
from dffmpeg.client.requests import identifier
from dffmpeg.configuration import locate

PACKAGE_PARENT = Path(__file__).resolve().parents[2]
STANDARD = ("ffmpeg", "ffprobe")

# The kernel reads no more of a first line than this, execve(2).
_SHEBANG_LIMIT = 127
_FLAGS = "-IS"
"""Neither the caller's variables nor its folder choose what is imported, and `site` is not."""

_SCRIPT = """\
import sys

sys.path.insert(0, {parent!r})
from dffmpeg.shim.main import main

main({config!r})
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
    return _first_line(interpreter) + _SCRIPT.format(parent=str(PACKAGE_PARENT), config=str(config))


def _first_line(interpreter: str) -> str:
    line = f"#!{interpreter} {_FLAGS}\n"
    if len(line) <= _SHEBANG_LIMIT and not any(character.isspace() for character in interpreter):
        return line
    # To a shell the second line starts the interpreter; to Python it is a string.
    quoted = "".join(f"\\{character}" if character in '"$`\\' else character for character in interpreter)
    return f"#!/bin/sh\n'''exec' \"{quoted}\" {_FLAGS} \"$0\" \"$@\"\n' '''\n"


def compile_shim() -> None:
    """Have what a stand-in runs ready as byte code: whoever calls one may not be allowed to write it."""
    package = PACKAGE_PARENT / "dffmpeg"
    for file in (package / "__init__.py", package / "search_order.py", *(package / "shim").glob("*.py")):
        # Where that is not possible, stand-ins only start a little slower.
        py_compile.compile(str(file), quiet=2)


def write_one(file: Path, config: Path) -> None:
    """Put a stand-in at `file`, executable, whole or not at all."""
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    temporary.write_text(source(config), encoding="utf-8", errors="surrogateescape")
    temporary.chmod(0o755)
    temporary.replace(file)


def _write(options: argparse.Namespace, program_arguments: list[bytes]) -> Ending:
    config = locate("client", options.config)
    folder = Path(os.path.abspath(options.folder))
    folder.mkdir(parents=True, exist_ok=True)
    compile_shim()
    for name in options.names or STANDARD:
        file = folder / identifier("program", name)
        write_one(file, config)
        say_out(str(file))
    return Ending()


write = LocalCommand(_write)
"""Write them."""
