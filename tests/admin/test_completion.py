"""What shells make of the completion: a real bash completes real words."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from dffmpeg.admin.arguments import build_parser
from dffmpeg.admin.arguments.local import SHELLS
from tests.admin.conftest import GUARD, Admin

WORDS = """
source "$1"
shift
COMP_WORDS=("$@") COMP_CWORD=$(( $# - 1 )) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
read -r _ _ _ _ function _ <<< "$(complete -p dffmpeg-admin)"
"$function"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def completed(script: Path, *words: str) -> list[str]:
    done = subprocess.run(
        ["bash", "--norc", "-c", WORDS, "bash", script, "dffmpeg-admin", *words],
        capture_output=True,
        text=True,
        check=True,
        timeout=GUARD,
        cwd=script.parent,
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.fixture
def script(admin: Admin, folder: Path) -> Path:
    path = folder / "completion.bash"
    path.write_text(admin("completion", "bash"))
    return path


def test_bash_completes_commands_options_and_choices(script: Path) -> None:
    assert {"status", "job", "worker", "audit", "db"} <= set(completed(script, ""))
    assert completed(script, "wor") == ["worker"]
    assert {"list", "show", "cancel", "retry", "purge"} <= set(completed(script, "job", ""))
    assert completed(script, "job", "list", "--req") == ["--requester"]
    assert completed(script, "job", "list", "--state", "ca") == ["canceling", "canceled"]
    assert completed(script, "user", "add", "x", "--role", "w") == ["worker"]
    assert completed(script, "audit", "--si") == ["--since"]
    assert completed(script, "completion", "") == list(SHELLS)


def test_bash_completes_files(script: Path) -> None:
    assert completed(script, "--config", "comp") == ["completion.bash"]
    assert completed(script, "db", "backup", "comp") == ["completion.bash"]


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_gets_every_command(admin: Admin, folder: Path, shell: str) -> None:
    script = folder / "script"
    script.write_text(admin("completion", shell))
    for word in ("status", "re-encrypt", "backup", "--client-config"):
        assert word in script.read_text()
    if shutil.which(shell) is not None:
        subprocess.run([shell, "-n", script], check=True, timeout=GUARD)


def test_every_command_can_be_carried_out() -> None:
    from dffmpeg.admin.main import COMMANDS

    assert sorted(commands()) == sorted(COMMANDS)


def commands() -> list[tuple[str, ...]]:
    """The words of all commands of the parser."""
    import argparse

    found = []
    waiting: list[argparse.ArgumentParser] = [build_parser()]
    while waiting:
        parser = waiting.pop()
        below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
        for action in below:
            waiting += action.choices.values()
        if not below:
            found.append(parser.get_default("command"))
    return found
