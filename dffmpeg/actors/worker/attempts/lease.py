"""This attempt's heartbeat: the coordinator sees that it lives, the worker that it is still its own."""

from __future__ import annotations

from dataclasses import dataclass

from dffmpeg.actors.runtime import Actor, ActorRef, Timer
from dffmpeg.actors.worker.attempts.messages import Made, Moved, StopAttempt
from dffmpeg.actors.worker.uplink import Uplink, gone
from dffmpeg.errors import Refused
from dffmpeg.wire.workers import AttemptRef


@dataclass(frozen=True, slots=True)
class Beat:
    """The time has come for a heartbeat."""


class AttemptLeaseActor(Actor[Beat | Made | Moved]):
    """Sends a heartbeat every `interval` seconds, and with each news of the program's progress and its files.

    Args:
        attempts: told `StopAttempt` when the coordinator says that the attempt is not ours.
    """

    def __init__(
        self, attempt: AttemptRef, uplink: Uplink, interval: float, attempts: ActorRef[StopAttempt]
    ) -> None:
        self._attempt = attempt
        self._uplink = uplink
        self._interval = interval
        self._attempts = attempts
        self._timer: Timer | None = None

    async def start(self) -> None:
        self._rearm()

    def _rearm(self) -> None:
        self._timer = self.context.tell_after(self._interval, Beat())

    async def handle(self, message: Beat | Made | Moved) -> None:
        if self._timer is not None:
            self._timer.cancel()
        try:
            match message:
                case Moved(progress):
                    await self._uplink.heartbeat(self._attempt, progress)
                case Made(begun):
                    await self._uplink.heartbeat(self._attempt, begun=begun)
                case Beat():
                    await self._uplink.heartbeat(self._attempt)
        except Refused as refusal:
            if not gone(refusal):
                raise
            await self._attempts.tell(StopAttempt(self._attempt))
            return
        self._rearm()
