"""When two submissions with one idempotency key are the same. Pure."""

from __future__ import annotations

from dataclasses import fields

from dffmpeg.model.jobs import Job
from dffmpeg.model.rules import Rules

_WHAT_RUNS = ("binary_name", "arguments", "working_directory", "client_paths", "launch", "needs")
_HOW = ("name", "labels", "monitor")


def difference(earlier: Job, later: Job) -> str | None:
    """The first of the submission's fields in which two jobs differ; None if they are the same work.

    When it runs is no difference: a priority may have been changed since, and a start that was given
    as so long from now is another time with each submission. Nor is what the coordinator's
    configuration may have filled in.
    """
    for name in _WHAT_RUNS + _HOW:
        if getattr(earlier, name) != getattr(later, name):
            return name
    for field in fields(Rules):
        if getattr(earlier.rules, field.name) != getattr(later.rules, field.name):
            return field.name
    return None if set(earlier.predecessors) == set(later.predecessors) else "after"
