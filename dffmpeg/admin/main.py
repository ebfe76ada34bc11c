"""`dffmpeg-admin`: jobs, workers, users, files and the database of a cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dffmpeg.admin import (
    audit,
    completion,
    configs,
    databases,
    janitor,
    jobs,
    login,
    moving,
    queue,
    security,
    status,
    tokens,
    tree,
    users,
    workers,
)
from dffmpeg.admin.arguments import PROGRAM, build_parser
from dffmpeg.admin.arguments.workers import HOLDS
from dffmpeg.admin.reaching import Command, anyhow, online
from dffmpeg.admin.statuses import status_of
from dffmpeg.command_line import run
from dffmpeg.model.janitor import ACTIONS

COMMANDS: Mapping[tuple[str, ...], Command] = {
    ("status",): anyhow(status.show),
    ("tree",): online(tree.show),
    ("job", "list"): anyhow(jobs.show_all),
    ("job", "show"): anyhow(jobs.show),
    ("job", "logs"): anyhow(jobs.logs),
    ("job", "cancel"): online(jobs.cancel),
    ("job", "retry"): online(jobs.retry),
    ("job", "priority"): online(jobs.prioritize),
    ("job", "why"): online(jobs.why),
    ("job", "purge"): anyhow(jobs.purge, writes=True),
    ("worker", "list"): anyhow(workers.show_all),
    ("worker", "show"): anyhow(workers.show),
    **{("worker", verb): online(workers.hold) for verb in HOLDS},
    ("worker", "resume"): online(workers.resume),
    ("worker", "probe"): online(workers.probe),
    ("worker", "remove"): anyhow(workers.remove, writes=True),
    ("queue", "status"): anyhow(queue.show),
    ("queue", "pause"): anyhow(queue.pause, writes=True),
    ("queue", "resume"): anyhow(queue.resume, writes=True),
    ("janitor", "list"): anyhow(janitor.show_all),
    ("janitor", "run"): online(janitor.run),
    **{("janitor", action): online(janitor.run) for action in ACTIONS},
    ("audit",): anyhow(audit.show),
    ("login-link",): login.link,
    ("user", "add"): users.add,
    ("user", "list"): users.list_all,
    ("user", "show"): users.show,
    ("user", "rotate-key"): users.rotate_key,
    ("user", "set-scope"): users.set_scope,
    ("user", "set-expiry"): users.set_expiry,
    ("user", "delete"): users.delete,
    ("token", "create"): tokens.create,
    ("token", "list"): tokens.list_all,
    ("token", "delete"): tokens.delete,
    ("security", "generate-key"): security.generate_key,
    ("security", "re-encrypt"): security.re_encrypt,
    ("config", "init"): configs.init,
    ("config", "check"): configs.check,
    ("db", "migrate"): databases.migrate,
    ("db", "check"): databases.check,
    ("db", "backup"): databases.backup,
    ("db", "copy"): moving.copy_all,
    ("completion",): completion.show,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command `dffmpeg-admin`. Returns the exit status, as `dffmpeg.admin.statuses` has them."""

    def command() -> int:
        parsed = build_parser().parse_args(arguments)
        COMMANDS[parsed.command](parsed)
        return 0

    return run(PROGRAM, command, status_of=status_of)
