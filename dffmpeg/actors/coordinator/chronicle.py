"""A line in the log for each change of a job, behind its commit."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from dffmpeg.model.jobs import Job, Transition
from dffmpeg.store.journal import Change, Missing
from dffmpeg.wire.trace import trace_of

logger = logging.getLogger("dffmpeg.jobs")


def take(changes: Sequence[Change | Missing]) -> None:
    """Log what was committed; a `Listener` of journals. Others log what they change themselves."""
    if not logger.isEnabledFor(logging.INFO):
        return
    for change in changes:
        if isinstance(change, Job):
            trace = trace_of(change.rules.traceparent)
            logger.info(
                "job is queued for %s", change.requester_id, extra={"job": change.job_id, "trace": trace}
            )
        elif isinstance(change, Transition):
            _log(change)


def _log(change: Transition) -> None:
    attempt = change.fence_attempt if change.opens is None else change.opens.attempt
    worker = change.fence_worker if change.opens is None else change.opens.worker_id
    about = {"job": change.job_id, "attempt": attempt or None, "worker": worker}
    outcome = "" if change.closes is None else f", attempt {change.closes}"
    reason = change.changes.get("reason")
    logger.info("job is %s%s%s", change.target, outcome, f": {reason}" if reason else "", extra=about)
