"""How an attempt gets its inputs where the worker has no connection over which they could be sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dffmpeg.actors.worker.attempts.intakes import Intake
from dffmpeg.actors.worker.uplink import Uplink
from dffmpeg.errors import Refused
from dffmpeg.wire.frames import Frame
from dffmpeg.wire.jobs import AttendRequest
from dffmpeg.wire.workers import AttemptRef

HOLD = 20.0
"""Seconds that the coordinator is asked to hold a request while there is nothing."""

MOST = 2
"""Requests under way: one that is held, and one that says what has changed, on which that is answered."""

_NO_ROUTE = 404


class Attending:
    """Asks for what the program is to be given, as long as that runs.

    Each request says all that there is to say, so one that is lost or comes late costs nothing but time.

    Args:
        intakes: the attempt's inputs, once they are known.
        take: is handed what comes.
    """

    def __init__(
        self,
        attempt: AttemptRef,
        uplink: Uplink,
        intakes: Mapping[int, Intake],
        take: Callable[[Frame], None],
    ) -> None:
        self._attempt = attempt
        self._uplink = uplink
        self._intakes = intakes
        self._take = take
        self._under_way = 0
        self._over = False

    @property
    def due(self) -> bool:
        """Whether to ask now: nobody does, or there is something to be said."""
        if self._over or not self._intakes:
            return False
        news = any(intake.due for intake in self._intakes.values())
        return self._under_way < (MOST if news else 1)

    def begin(self) -> None:
        """A request is about to be made by `ask`, and will say what holds then."""
        self._under_way += 1
        for intake in self._intakes.values():
            intake.due = False

    async def ask(self) -> None:
        """Make a request, and hand on what it brings.

        Raises:
            Refused: the attempt is not ours any more. There will be no other.
        """
        try:
            for frame in await self._uplink.attend(self._attempt, self._request):
                self._take(frame)
        except Refused as refusal:
            self._over = True
            # A coordinator without the route: nothing else is wrong, and reports say it if there is.
            if refusal.status != _NO_ROUTE:
                raise
        self._under_way -= 1

    def end(self) -> None:
        """The program is gone, and takes nothing any more."""
        self._over = True

    def _request(self) -> AttendRequest:
        inputs = {number: intake.position() for number, intake in self._intakes.items()}
        return AttendRequest(attempt=self._attempt.attempt, inputs=inputs, wait=HOLD)
