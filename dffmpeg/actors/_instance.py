"""One life of an actor: from `start()` to its end, on a mailbox that may outlive it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NoReturn

import trio

from ._errors import ActorCrashed, ActorStopped, Rejected
from ._mailbox import Answer, Envelope, Mailbox, Ticket
from ._ref import ActorRef, Down, Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from .runtime import Actor

logger = logging.getLogger("dffmpeg.actors")


class StopSignal:
    """Set when the actor's supervisor asks it to stop.

    An actor that ever looks at it is trusted to return from `run()` by itself within its shutdown
    time, as an Erlang process that traps exits is; any other is cancelled once `stop()` has returned.
    """

    def __init__(self) -> None:
        self._event = trio.Event()
        self._used = False

    def is_set(self) -> bool:
        self._used = True
        return self._event.is_set()

    async def wait(self) -> None:
        self._used = True
        await self._event.wait()


class Timer(Ticket):
    """A message that will be sent to oneself; see `Context.tell_after`."""

    __slots__ = ("_scope",)

    def __init__(self) -> None:
        super().__init__()
        self._scope = trio.CancelScope()

    def cancel(self) -> None:
        """Withdraw the message, also if it already waits in the mailbox. Does nothing once it is handled."""
        self.live = False
        self._scope.cancel()


class _Watch(Ticket):
    __slots__ = ("fired",)

    def __init__(self) -> None:
        super().__init__()
        self.fired = False


class Context:
    """What the runtime gives to one life of an actor, as `self.context`."""

    def __init__(self, instance: Instance, nursery: trio.Nursery) -> None:
        self._instance = instance
        self.ref: ActorRef[Any] = ActorRef(instance.mailbox)
        """The actor's own handle."""
        self.nursery = nursery
        """For background tasks. A crash of one crashes the actor; all are cancelled when it ends."""
        self.stopping = StopSignal()

    @property
    def asked(self) -> bool:
        """Whether somebody waits for the answer to the message in hand."""
        return self._instance.asked

    def ready(self) -> None:
        """Say that the actor serves; its supervisor goes on to the next child. Repeating it is harmless."""
        self._instance.ready()

    def finish(self) -> None:
        """End normally after the message in hand, as a return from `run()` does. `stop()` is not called."""
        self._instance.finish()

    def tell_after(self, delay_seconds: float, message: Any) -> Timer:
        """Send `message` to oneself after `delay_seconds`. It dies with this life of the actor."""
        timer = Timer()
        self.nursery.start_soon(self._instance.fire, timer, delay_seconds, message)
        return timer

    def watch(self, ref: ActorRef[Any]) -> None:
        """Have one `Down` sent to oneself when the watched actor's running instance ends.

        That is a crash, a normal end, or a stop, whether or not a restart follows: what the instance
        knew is gone. At once if nothing stands behind `ref` any more. Watching twice is watching once.
        """
        self._instance.watch(ref)

    def unwatch(self, ref: ActorRef[Any]) -> None:
        """Withdraw a watch and its `Down`, also if that already waits in the mailbox."""
        self._instance.unwatch(ref)

    def defer(self) -> Reply[Any]:
        """Take over the answer to the request in hand; what `handle()` returns is then ignored.

        Raises RuntimeError outside of `handle()`. For a message that was told, not asked, the reply
        goes nowhere.
        """
        return self._instance.defer()


class Instance:
    """Runs `actor` on `mailbox` once. `on_ready` is called once, when it is ready."""

    def __init__(self, actor: Actor[Any], mailbox: Mailbox, on_ready: Callable[[], None]) -> None:
        self.mailbox = mailbox
        self._actor = actor
        self._on_ready = on_ready
        self._is_ready = False
        self._context: Context | None = None
        self._running = False
        self._finishing = False
        self._serving = False
        self._stop_called = False
        self._stop_returned = trio.Event()
        self._idle = trio.CancelScope()
        self._run_scope = trio.CancelScope()
        self._in_hand: Envelope | None = None
        self._deferred = False
        self._unanswered: set[Answer[Any]] = set()
        self._watches: dict[ActorRef[Any], _Watch] = {}
        self._tickets: set[Ticket] = set()

    async def run(self) -> None:
        """Live until the actor returns or is stopped; raises what crashed it."""
        failure: BaseException | None = None
        try:
            async with trio.open_nursery() as nursery:
                await self._live(nursery)
                nursery.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            # The nursery wraps even a single exception; a group of several is kept whole.
            failure = group.exceptions[0] if len(group.exceptions) == 1 else group
        finally:
            self._release(failure)
        if failure is not None:
            try:
                raise failure
            finally:
                del failure

    def request_stop(self) -> None:
        """Ask a ready actor to stop. Its `run()` ends some time later."""
        if not self._running or self._context is None:
            return
        if self._context.stopping._event.is_set():
            return
        self._context.stopping._event.set()
        self._idle.cancel()
        if not self._serving:
            # Noted here, not in the new task: run() may return before that has its first turn.
            self._stop_called = True
            self._context.nursery.start_soon(self._stop_service)

    def inject(self, error: Exception) -> None:
        """Crash the actor with `error`, as if a background task of its had raised it."""
        if self._running and self._context is not None:
            self._context.nursery.start_soon(_raise, error)

    async def _live(self, nursery: trio.Nursery) -> None:
        self._context = self._actor.context = Context(self, nursery)
        self._running = True
        try:
            await self._actor.start()
            with self._run_scope:
                await self._actor.run()
            if self._stop_called:
                await self._stop_returned.wait()
            if not self._is_ready:
                raise RuntimeError(f"{self.mailbox.name} ended before it was ready")
        finally:
            self._running = False

    async def _stop(self) -> None:
        self._stop_called = True
        await self._actor.stop()
        self._stop_returned.set()

    async def _stop_service(self) -> None:
        await self._stop()
        assert self._context is not None
        if not self._context.stopping._used:
            self._run_scope.cancel()

    def _release(self, failure: BaseException | None) -> None:
        for ticket in self._tickets:
            ticket.live = False
        for ref, ticket in self._watches.items():
            ticket.live = False
            ref._mailbox.unwatch(ticket)
        for answer in self._unanswered:
            stopped = ActorStopped(f"{self.mailbox.name} ended before it answered")
            stopped.__cause__ = failure if isinstance(failure, Exception) else None
            answer.fail(stopped)

    # The message loop

    async def serve(self) -> None:
        """Handle messages one by one until a stop is asked for, then call `stop()`."""
        assert self._context is not None
        context = self._context
        self.ready()
        self._serving = True
        context.stopping._used = True
        stopping = context.stopping._event
        while not (stopping.is_set() or self._finishing):
            envelope: Envelope | None = None
            with trio.CancelScope() as self._idle:
                envelope = await self.mailbox.get()
            if envelope is not None and self._still_wanted(envelope):
                await self._handle(envelope)
        if stopping.is_set() and not self._stop_called:
            await self._stop()
        self._serving = False

    async def _handle(self, envelope: Envelope) -> None:
        answer = envelope.answer
        if answer is not None:
            self._unanswered.add(answer)
        self._in_hand, self._deferred = envelope, False
        try:
            result = await self._actor.handle(envelope.message)
        except Rejected as rejection:
            self._reject(envelope, rejection)
        except trio.Cancelled:
            raise
        except BaseException as error:
            # Whoever asked is told; the error goes on, and crashes the actor.
            if answer is not None:
                crashed = ActorCrashed(f"{self.mailbox.name} crashed")
                crashed.__cause__ = error
                answer.fail(crashed)
            raise
        else:
            if answer is not None and not self._deferred:
                answer.succeed(result)
        self._in_hand = None
        if answer is not None and (answer.settled or not self._deferred):
            self._unanswered.discard(answer)

    def _reject(self, envelope: Envelope, rejection: Rejected) -> None:
        if envelope.answer is not None:
            envelope.answer.fail(rejection)
        else:
            message_type = type(envelope.message).__qualname__
            logger.warning("%s rejected %s", self.mailbox.name, message_type, exc_info=rejection)

    # What the context offers

    @property
    def asked(self) -> bool:
        return self._in_hand is not None and self._in_hand.answer is not None

    def ready(self) -> None:
        if not self._is_ready:
            self._is_ready = True
            self._on_ready()

    def finish(self) -> None:
        self._finishing = True
        self._idle.cancel()
        if not self._serving:
            self._run_scope.cancel()

    def defer(self) -> Reply[Any]:
        if self._in_hand is None:
            raise RuntimeError("defer() is for use inside handle()")
        self._deferred = True
        return Reply(self._in_hand.answer, self.mailbox.name, self._unanswered.discard)

    async def fire(self, timer: Timer, delay: float, message: Any) -> None:
        self._tickets.add(timer)
        with timer._scope:
            await trio.sleep(delay)
            await self.mailbox.put(Envelope(message, ticket=timer))
        if not timer.live:
            self._tickets.discard(timer)

    def watch(self, ref: ActorRef[Any]) -> None:
        known = self._watches.get(ref)
        if known is not None and not known.fired:
            return
        watch = self._watches[ref] = _Watch()

        def notify(reason: BaseException | None) -> None:
            watch.fired = True
            self._tickets.add(watch)
            if self._running and self._context is not None:
                envelope = Envelope(Down(ref, reason), ticket=watch)
                # A full mailbox must hold up neither the one that ended nor its supervisor.
                self._context.nursery.start_soon(self.mailbox.put, envelope)

        ref._mailbox.watch(watch, notify)

    def unwatch(self, ref: ActorRef[Any]) -> None:
        watch = self._watches.pop(ref, None)
        if watch is not None:
            watch.live = False
            self._tickets.discard(watch)
            ref._mailbox.unwatch(watch)

    def _still_wanted(self, envelope: Envelope) -> bool:
        ticket, message = envelope.ticket, envelope.message
        if ticket is None:
            return True
        live = ticket.live
        self._tickets.discard(ticket)
        if isinstance(message, Down) and self._watches.get(message.ref) is ticket:
            del self._watches[message.ref]
        return live


async def _raise(error: Exception) -> NoReturn:
    raise error
