"""The state behind an `ActorRef`: a bounded mailbox that outlives the instances that read it."""

from __future__ import annotations

import enum
import logging
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import trio

from ._errors import ActorStopped, MailboxFull

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("dffmpeg.actors")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message that nobody will handle. Its content is not kept: it may be secret."""

    actor: str
    message_type: str
    at: float
    """Unix time in seconds."""


class DeadLetters:
    """Counts all undeliverable messages of one tree and remembers the last few.

    `capacity` is how many are remembered; `count` is how many there were.
    """

    def __init__(self, capacity: int = 256) -> None:
        self._recent: deque[DeadLetter] = deque(maxlen=capacity)
        self.count = 0
        self.stopping = False
        """Whether all actors are being stopped, so that letters to ended ones mean nothing."""

    @property
    def recent(self) -> tuple[DeadLetter, ...]:
        return tuple(self._recent)

    def record(self, actor: str, message: object, *, level: int = logging.INFO) -> None:
        """Count `message` and log the name of its type at `level`, or at DEBUG while all is being stopped."""
        message_type = type(message).__qualname__
        self.count += 1
        self._recent.append(DeadLetter(actor, message_type, time.time()))
        extra = {"actor": actor, "message_type": message_type}
        level = logging.DEBUG if self.stopping else level
        logger.log(level, "dead letter: %s to %s", message_type, actor, extra=extra)


class Answer(Generic[T]):
    """The slot in which one asker waits. The first outcome stands; later ones are ignored."""

    __slots__ = ("_error", "_event", "_value", "token")

    def __init__(self) -> None:
        self._event = trio.Event()
        self._value: T | None = None
        self._error: BaseException | None = None
        self.token = trio.lowlevel.current_trio_token()

    @property
    def settled(self) -> bool:
        return self._event.is_set()

    def succeed(self, value: T) -> None:
        if not self._event.is_set():
            self._value = value
            self._event.set()

    def fail(self, error: BaseException) -> None:
        if not self._event.is_set():
            self._error = error
            self._event.set()

    async def wait(self) -> T:
        await self._event.wait()
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]  # T may itself be optional


class Ticket:
    """Marks a message that may be withdrawn while it waits: a timer's, or a death watch's."""

    __slots__ = ("live",)

    def __init__(self) -> None:
        self.live = True


@dataclass(frozen=True, slots=True)
class Envelope:
    message: Any
    answer: Answer[Any] | None = None
    ticket: Ticket | None = None


class Standing(enum.Enum):
    UNBOUND = "unbound"
    """Nothing was started behind it yet; messages wait."""
    BOUND = "bound"
    """A child record owns it: an instance runs, or will again."""
    ENDED = "ended"
    """Its child is gone, unless a later one takes the mailbox over."""


class Mailbox:
    """Bounded queue of one actor, its watchers, and whether anybody will ever read it.

    `capacity` 0 makes it a name without a queue, as a supervisor has: it can be watched, not told.
    """

    def __init__(self, name: str, capacity: int) -> None:
        self.name = name
        self.capacity = capacity
        self.standing = Standing.UNBOUND
        self.dead_letters = DeadLetters()
        self._last_crash: BaseException | None = None
        self._watchers: dict[Ticket, Callable[[BaseException | None], None]] = {}
        self._open()

    def _open(self) -> None:
        self._send, self._receive = trio.open_memory_channel[Envelope](max(self.capacity, 0))

    @property
    def depth(self) -> int:
        return self._send.statistics().current_buffer_used

    def bind(self, dead_letters: DeadLetters) -> None:
        """Give the mailbox to a child record.

        Raises RuntimeError if another record owns it.
        """
        if self.standing is Standing.BOUND:
            raise RuntimeError(f"{self.name} already belongs to a child")
        if self.standing is Standing.ENDED:
            self._open()
        self.standing = Standing.BOUND
        self._last_crash = None
        self.dead_letters = dead_letters

    def end(self) -> None:
        """Take the mailbox from its record: waiting senders and messages become dead letters."""
        if self.standing is Standing.ENDED:
            return
        self.standing = Standing.ENDED
        while True:
            try:
                # This also lets a sender that waits for room move on.
                envelope = self._receive.receive_nowait()
            except trio.WouldBlock:
                break
            self._bury(envelope, level=logging.DEBUG)
        self._receive.close()
        self.instance_ended(self._last_crash)

    async def put(self, envelope: Envelope) -> None:
        """Append, waiting while full; a dead letter if the actor is gone or goes meanwhile."""
        if self._refuses():
            self._bury(envelope)
            await trio.lowlevel.checkpoint()
            return
        try:
            await self._send.send(envelope)
        except trio.BrokenResourceError:
            self._bury(envelope)

    def put_nowait(self, envelope: Envelope) -> None:
        """Append or raise MailboxFull; a dead letter if the actor is gone."""
        if self._refuses():
            self._bury(envelope)
            return
        try:
            self._send.send_nowait(envelope)
        except trio.WouldBlock:
            raise MailboxFull(f"the mailbox of {self.name} holds {self.capacity} messages") from None

    async def get(self) -> Envelope:
        return await self._receive.receive()

    def instance_ended(self, crash: BaseException | None) -> None:
        """Tell each watcher once that the running instance is gone."""
        self._last_crash = crash
        watchers, self._watchers = self._watchers, {}
        for notify in watchers.values():
            notify(crash)

    def watch(self, ticket: Ticket, notify: Callable[[BaseException | None], None]) -> None:
        if self.standing is Standing.ENDED:
            notify(self._last_crash)
        else:
            self._watchers[ticket] = notify

    def unwatch(self, ticket: Ticket) -> None:
        self._watchers.pop(ticket, None)

    def _refuses(self) -> bool:
        return self.standing is Standing.ENDED or self.capacity == 0

    def _bury(self, envelope: Envelope, *, level: int = logging.INFO) -> None:
        if envelope.ticket is not None:
            return
        if envelope.answer is not None:
            stopped = ActorStopped(f"{self.name} is not running")
            stopped.__cause__ = self._last_crash
            envelope.answer.fail(stopped)
        else:
            self.dead_letters.record(self.name, envelope.message, level=level)
