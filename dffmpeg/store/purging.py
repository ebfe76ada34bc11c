"""Forgetting jobs that have ended, with all that is kept of them."""

from __future__ import annotations

from dffmpeg.model.jobs import TERMINAL
from dffmpeg.store import Store


async def purge(store: Store, job_id: str) -> bool:
    """Forget a job, its attempts and its output. Durable when True.

    Returns:
        Whether there was such a job, and it had ended; otherwise nothing was changed.
    """
    job = await store.jobs.get(job_id)
    if job is None or job.state not in TERMINAL:
        return False
    # The row goes last: whatever happens in between, what is left can be found and forgotten again.
    await store.streams.delete(job_id)
    return await store.jobs.delete(job_id)
