"""Settings of the interpreter for a process that answers many small events, not one long computation."""

from __future__ import annotations

import gc
import sys

SWITCH_SECONDS = 0.0005
"""How long a thread may keep the others waiting. The threads that speak to the database compute as well,
and each turn of theirs would hold the event loop up by Python's 5 ms."""


def favor_latency() -> None:
    """To be called once, when everything is loaded, and before work begins."""
    sys.setswitchinterval(SWITCH_SECONDS)
    # What is loaded now stays for good; no collection needs to look at it again.
    gc.collect()
    gc.freeze()
