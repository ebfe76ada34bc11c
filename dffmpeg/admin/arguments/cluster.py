"""The commands about the cluster as a whole."""

from __future__ import annotations

from typing import Any

from dffmpeg.admin.arguments.parts import add_window, command

DAY = 86_400.0


def add_status(subjects: Any) -> None:
    """Add `status`."""
    status = command(subjects, ("status",), "the cluster at a glance")
    add_window(status, "failed jobs are shown if they failed within TIME (default: 1d)", DAY)


def add(subjects: Any) -> None:
    """Add the others."""
    command(subjects, ("tree",), "show what runs inside the coordinator")
