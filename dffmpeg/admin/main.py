"""`dffmpeg-admin`: users and keys, configuration files, the database, and a look inside the coordinator."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence

from dffmpeg.admin import configs, tree, users
from dffmpeg.admin.arguments import build_parser
from dffmpeg.command_line import run

COMMANDS: Mapping[tuple[str, ...], Callable[[argparse.Namespace], None]] = {
    ("user", "add"): users.add,
    ("user", "list"): users.list_all,
    ("user", "show"): users.show,
    ("user", "rotate-key"): users.rotate_key,
    ("user", "set-scope"): users.set_scope,
    ("user", "delete"): users.delete,
    ("config", "init"): configs.init,
    ("config", "check"): configs.check,
    ("tree",): tree.show,
    ("db", "migrate"): users.migrate,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command `dffmpeg-admin`. Returns the exit status: 0, 1 for a failure, 2 for wrong input."""

    def command() -> int:
        parsed = build_parser().parse_args(arguments)
        COMMANDS[parsed.command](parsed)
        return 0

    return run("dffmpeg-admin", command)
