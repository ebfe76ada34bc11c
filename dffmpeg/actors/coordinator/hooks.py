"""Hooks: calls the URLs that jobs name, at each change of their state.

Each call is a row, written together with the change that it tells of. It is made at least
once: after a crash between an answer and its commit, once more.
"""

from __future__ import annotations

import logging
import random
import time
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import trio

from dffmpeg.actors.coordinator.endurance import Endurance
from dffmpeg.actors.coordinator.services import Services
from dffmpeg.actors.runtime import Actor, MailboxFull, Timer
from dffmpeg.backoff import Backoff
from dffmpeg.model.hooks import Again, Enough, HookCall, Patience, problem
from dffmpeg.telemetry import Kind, Span, known
from dffmpeg.transports.hook_calls import HookCaller, HookFailed
from dffmpeg.wire import hooks
from dffmpeg.wire.trace import Context, job_context

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Call:
    """A call may be due."""


class Hooks(Actor[Call]):
    """Remembers only which calls are under way, and the timer for the next one."""

    mailbox_size = 1

    def __init__(self, services: Services) -> None:
        self._services = services
        self._endurance = Endurance(self)
        self._config = services.config.hooks
        self._under_way: set[int] = set()
        # Since the rows were looked at last.
        self._settled: set[int] = set()
        self._timer: Timer | None = None
        self._patience = Patience(
            self._config.max_tries,
            self._config.max_age,
            Backoff(self._config.backoff_minimum, self._config.backoff_maximum, jitter=0.5),
        )

    async def start(self) -> None:
        self._services.call_hooks()

    async def run(self) -> None:
        tls = any(url.startswith("https:") for url in self._config.allowed)
        async with HookCaller(self._config.timeout, self._config.concurrency, tls=tls) as caller:
            self._caller = caller
            # Inside of the connections: no call outlives them.
            async with trio.open_nursery() as nursery:
                self._calls = nursery
                await super().run()
                nursery.cancel_scope.cancel()

    async def handle(self, message: Call) -> None:
        await self._endurance.handle(message, self._call)

    async def _call(self, message: Call) -> None:
        del message
        if not self._services.membership.leading():
            return
        free = self._config.concurrency - len(self._under_way)
        if free > 0:
            now = time.time()
            self._settled.clear()
            # What is under way is still due as far as its row says, and so may be what ends while we read.
            due = await self._services.store.hooks.due(now, free + len(self._under_way))
            known = self._under_way | self._settled
            for call in [call for call in due if call.seq not in known][:free]:
                self._under_way.add(call.seq)
                self._calls.start_soon(self._make, call)
            self._arm(await self._services.store.hooks.next_moment(now), now)

    def _arm(self, moment: float | None, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if moment is not None:
            self._timer = self.context.tell_after(max(0.001, moment - now), Call())

    async def _make(self, call: HookCall) -> None:
        try:
            await self._carry_out(call)
        finally:
            self._under_way.discard(call.seq)
            self._settled.add(call.seq)
        with suppress(MailboxFull):
            self.context.ref.tell_nowait(Call())

    async def _carry_out(self, call: HookCall) -> None:
        repository = self._services.store.hooks
        # The list may have become shorter since the submission.
        refusal = problem(call.url, self._config.allowed)
        if refusal is not None or self._config.secret is None:
            await repository.give_up(call, refusal or "there is no secret to sign it with")
            return
        begin = time.time()
        place = self._place(call, begin)
        header = None if place is None else place.header
        try:
            headers = hooks.headers(call.call_id, call.body, self._config.secret, begin, header)
            await self._caller.post(call.url, call.body, headers)
        except HookFailed as error:
            self._tell(call, place, begin, str(error))
            await self._put_off(call, str(error))
            return
        self._tell(call, place, begin, None)
        await repository.delivered(call, time.time())

    def _place(self, call: HookCall, now: float) -> Context | None:
        """This try's place in the job's trace, where somebody wants to know."""
        if not self._services.telemetry.enabled:
            return None
        return job_context(call.job_id, hooks.traceparent_of(call.body)).part("hook", call.call_id, now)

    def _tell(self, call: HookCall, place: Context | None, begin: float, error: str | None) -> None:
        if place is None:
            return
        # The rest of its URL may hold a secret.
        address = urlsplit(call.url)
        span = Span(
            name="POST webhook",
            context=place,
            parent=job_context(call.job_id, hooks.traceparent_of(call.body)),
            begin=begin,
            end=time.time(),
            kind=Kind.CLIENT,
            attributes=known(
                dffmpeg__job__id=call.job_id,
                http__request__method="POST",
                server__address=address.hostname,
                server__port=address.port,
                url__scheme=address.scheme,
                error__type=None if error is None else "hook_failed",
            ),
            error=error,
        )
        self._services.telemetry.emit(span)

    async def _put_off(self, call: HookCall, error: str) -> None:
        repository = self._services.store.hooks
        match self._patience.after(call, time.time(), random.random()):  # noqa: S311 - jitter
            case Again(due_at=due_at):
                await repository.postpone(call, due_at, error)
            case Enough():
                log.warning("hook %s of job %s was given up: %s", call.call_id, call.job_id, error)
                await repository.give_up(call, error)
