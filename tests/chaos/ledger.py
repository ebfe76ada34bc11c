"""What the programs noted, as executions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.chaos.history import Execution


def executions(lines: Iterable[str]) -> Iterator[Execution]:
    """Each begin with its end, if there is one; in the order of their begins.

    Raises:
        ValueError: an end without a begin: the ledger itself is broken.
    """
    begun: dict[tuple[str, int], dict[str, Any]] = {}
    ended: dict[tuple[str, int], dict[str, Any]] = {}
    for line in lines:
        noted = json.loads(line)
        # Process ids come again, but hardly for one job.
        execution = (noted["key"], noted["pid"])
        if noted["event"] == "begin":
            if execution in begun:
                raise ValueError(f"two begins of {execution}")
            begun[execution] = noted
        elif execution not in begun:
            raise ValueError(f"an end without a begin: {line}")
        else:
            ended[execution] = noted
    for execution, noted in begun.items():
        end = ended.get(execution, {})
        yield Execution(
            key=noted["key"],
            worker=noted["worker"],
            begun=noted["at"],
            ended=end.get("at"),
            exit_code=end.get("exit_code"),
        )


def alive(lines: Iterable[str]) -> frozenset[str]:
    """Keys of the executions whose process is there."""
    found: set[str] = set()
    for line in lines:
        noted = json.loads(line)
        key = noted["key"]
        if key.encode() in _command(noted["pid"]):
            found.add(key)
    return frozenset(found)


def _command(pid: int) -> bytes:
    try:
        return Path("/proc", str(pid), "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
