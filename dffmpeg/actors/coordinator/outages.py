"""Saying once that something cannot be done, and once that it can again, however often it is tried."""

from __future__ import annotations

import logging


class Outage:
    """Of one thing that is tried again and again.

    Args:
        log: where it is said.
        what: cannot be done, as the beginning of a sentence: "the membership cannot be renewed".

    Attributes:
        lasts: it could not be done when it was tried last.
    """

    def __init__(self, log: logging.Logger, what: str) -> None:
        self._log = log
        self._what = what
        self.lasts = False

    def failed(self, error: Exception) -> None:
        """It could not be done."""
        if not self.lasts:
            self.lasts = True
            self._log.warning("%s: %s", self._what, error)

    def over(self) -> None:
        """It was done."""
        if self.lasts:
            self.lasts = False
            self._log.info("over: %s", self._what)
