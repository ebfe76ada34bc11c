"""Which requests would do something again if they came a second time: the one table of it.

It is about one that another coordinator had, or this one before a restart: what this process accepted once
it never accepts again. Whatever is not named here is claimed, WebSockets too, unless it only reads.
"""

from __future__ import annotations

from collections.abc import Mapping

from dffmpeg.model.replays import Repetition

REPETITIONS: Mapping[str, Repetition] = {
    # The same submission is the same job, as long as it names it.
    "POST /jobs/submit": Repetition.NAMED,
    # A job ends once.
    "POST /jobs/<job_id>/cancel": Repetition.HARMLESS,
    # A lease lives longer by as much as signatures are fresh.
    "POST /jobs/<job_id>/client_heartbeat": Repetition.HARMLESS,
    "POST /jobs/<job_id>/worker_heartbeat": Repetition.HARMLESS,
    # Offsets say where bytes belong, and what was acknowledged stays so.
    "POST /jobs/<job_id>/follow": Repetition.HARMLESS,
    "POST /jobs/<job_id>/input": Repetition.HARMLESS,
    "POST /jobs/<job_id>/output": Repetition.HARMLESS,
    "POST /jobs/<job_id>/attend": Repetition.HARMLESS,
    # Attempts are fenced, and each begins and ends once.
    "POST /jobs/<job_id>/accept": Repetition.HARMLESS,
    "POST /jobs/<job_id>/status": Repetition.HARMLESS,
    # The token is good for one process.
    "POST /worker/<worker_id>/verify": Repetition.HARMLESS,
    # It only reads, but for as long as it is open: a handshake that was captured must not be an ear for good.
    "GET /api/v1/events": Repetition.CLAIMED,
}


def of(route: str) -> Repetition:
    """What becomes of a route's request that comes again.

    Args:
        route: its name in the table of access.
    """
    known = REPETITIONS.get(route)
    if known is not None:
        return known
    return Repetition.HARMLESS if route.startswith("GET ") else Repetition.CLAIMED
