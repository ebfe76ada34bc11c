"""What this machine can run: which programs the configured names are, and what they really can do.

ffmpeg lists what it was built with, not what works, so hardware encoders are tried before they are
offered. That takes seconds and goes on in the background; what an earlier start found out is offered
at once, as long as neither the program nor the hardware has changed. Only whether it starts in the sandbox is
asked each time, for that depends on libraries and on the configuration too.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import trio

from dffmpeg.actors.runtime import Actor, ActorRef, Reply, Request
from dffmpeg.actors.worker.ability_cache import AbilityCache, Entry, Identity, devices, identify
from dffmpeg.actors.worker.occupancy import Occupancy
from dffmpeg.actors.worker.probing import Locked, Prober, Silent
from dffmpeg.actors.worker.processes.actor import Processes
from dffmpeg.actors.worker.processes.launches import CannotStart
from dffmpeg.actors.worker.registration_messages import Renew
from dffmpeg.errors import single_error
from dffmpeg.model import listings
from dffmpeg.model.abilities import UNTRIED, Abilities, without_protocols
from dffmpeg.model.confinement import Policy
from dffmpeg.model.trials import BENCHMARK_ENCODERS

logger = logging.getLogger("dffmpeg.worker.capabilities")

VIEWS = "views"
"""The ability to run a job in its client's view."""

LOOK_SECONDS = 30.0
"""Between two looks whether a program, or the hardware, has changed."""

_START_SECONDS = 2.0
"""How long the worker's start waits for programs to say what they are."""

_IDLE_SECONDS = 10.0
"""How long nothing has run when a benchmark begins that nobody asked for."""


@dataclass(frozen=True, slots=True)
class Description:
    """What this machine offers now.

    Attributes:
        programs: name to absolute path.
        capabilities: what else it can do: what the configuration says, and what was found out.
        abilities: by name of program; also of those that are not offered yet.
        benchmark: pixels a second, None while that is not measured.
    """

    programs: Mapping[str, bytes]
    capabilities: list[str]
    abilities: Mapping[str, Abilities]
    benchmark: float | None


@dataclass(frozen=True, slots=True)
class Describe(Request[Description]):
    """What this machine offers; with `program` once it is known whether that is offered."""

    program: str | None = None


@dataclass(frozen=True, slots=True)
class Probe:
    """Find everything out again, whatever is known; with `benchmark` measure this machine too."""

    benchmark: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """The time has come to see whether a program has changed."""


@dataclass(slots=True)
class _Program:
    """A configured program.

    Attributes:
        identity: what it was when it was last probed; None before that, and to have it probed anew.
        offered: whether jobs may have it.
        abilities: None of a program that is none of FFmpeg's.
        known: set once it is offered, or it was found out why not.
        task: ends what is being found out about it.
        complaint: why it is not offered, as it was last said.
    """

    name: str
    configured: str
    identity: Identity | None = None
    offered: bool = False
    abilities: Abilities | None = UNTRIED
    benchmark: float | None = None
    known: trio.Event = field(default_factory=trio.Event)
    task: trio.CancelScope = field(default_factory=trio.CancelScope)
    complaint: str | None = None

    @property
    def path(self) -> bytes:
        assert self.identity is not None
        return os.fsencode(self.identity.path)


class CapabilitiesActor(Actor[Describe | Probe | Look]):
    """Finds the configured programs, and what they can do; notices when one has changed.

    Args:
        binaries: name to program, looked up on the PATH if it is not absolute.
        processes: where they run to be asked.
        registration: told to renew when what is offered has changed.
        occupancy: says when there is time for a benchmark.
        cache: what was found out before.
        configured: what the configuration says that this machine can do.
        measures: whether a benchmark is run without being asked for.
        withheld: protocols that programs have and jobs do not get here.
        policy: what jobs' programs may touch; None for everything.
    """

    def __init__(
        self,
        binaries: Mapping[str, str],
        processes: Processes,
        registration: ActorRef[Renew],
        occupancy: Occupancy,
        cache: AbilityCache,
        *,
        configured: Sequence[str] = (),
        measures: bool = True,
        withheld: Collection[str] = (),
        policy: Policy | None = None,
    ) -> None:
        self._programs = [_Program(name, program) for name, program in binaries.items()]
        self._processes = processes
        self._prober = Prober(processes, policy)
        self._registration = registration
        self._occupancy = occupancy
        self._cache = cache
        self._configured = configured
        self._measures = measures
        self._withheld = withheld
        self._probing = Occupancy()
        self._probes = 0
        self._measuring = False
        self._asked_for = False
        # Its own, because a thread that hangs on a dead file system keeps its token.
        self._threads = trio.CapacityLimiter(2 * len(self._programs) + 2)

    async def start(self) -> None:
        for program in self._programs:
            self._begin(program)
        with trio.move_on_after(_START_SECONDS):
            for program in self._programs:
                await program.known.wait()
        self.context.tell_after(LOOK_SECONDS, Look())

    async def handle(self, message: Describe | Probe | Look) -> object:
        match message:
            case Describe(name):
                asked = next((program for program in self._programs if program.name == name), None)
                if asked is None or asked.offered:
                    return self._description()
                self.context.nursery.start_soon(self._describe, asked, self.context.defer())
            case Probe(benchmark):
                logger.info("asked to find out anew what the programs can do")
                self._asked_for = self._asked_for or benchmark
                for program in self._programs:
                    self._begin(program, fresh=True)
            case Look():
                # Beside the mailbox: a file system may hang.
                self.context.nursery.start_soon(self._look)
        return None

    async def _describe(self, program: _Program, reply: Reply[Description]) -> None:
        await program.known.wait()
        reply.send(self._description())

    def _description(self) -> Description:
        views = [VIEWS] if self._processes.namespaces.available else []
        measured = self._measured()
        return Description(
            programs={program.name: program.path for program in self._programs if program.offered},
            capabilities=list(dict.fromkeys([*self._configured, *views])),
            abilities={
                program.name: without_protocols(program.abilities, self._withheld)
                for program in self._programs
                if program.abilities is not None
            },
            benchmark=None if measured is None else measured.benchmark,
        )

    async def _look(self) -> None:
        for program in self._programs:
            identity = await self._identify(program)
            if identity != program.identity:
                if program.identity is not None:
                    logger.info("%s, or the hardware, has changed: it is probed again", program.name)
                # What was offered is not there any more, or not known to work.
                program.offered, program.abilities = False, UNTRIED
                self._begin(program)
        self.context.tell_after(LOOK_SECONDS, Look())

    async def _identify(self, program: _Program) -> Identity | None:
        return await trio.to_thread.run_sync(
            identify, program.configured, abandon_on_cancel=True, limiter=self._threads
        )

    # Finding out

    def _begin(self, program: _Program, *, fresh: bool = False) -> None:
        program.task.cancel()
        program.task, program.known = trio.CancelScope(), trio.Event()
        self.context.nursery.start_soon(self._probe, program, program.task, program.known, fresh)

    async def _probe(
        self, program: _Program, scope: trio.CancelScope, known: trio.Event, fresh: bool
    ) -> None:
        """Find out about a program; with `fresh` whatever the cache says, while what is offered stays."""
        self._count_probes(1)
        with scope:
            try:
                await self._find_out(program, fresh)
            except (CannotStart, Locked, Silent) as error:
                await self._withdraw(program, str(error))
            finally:
                known.set()
                self._count_probes(-1)
        self._start_measuring()

    def _count_probes(self, more: int) -> None:
        self._probes += more
        self._probing.set(self._probes)

    async def _withdraw(self, program: _Program, why: str) -> None:
        if why != program.complaint:
            program.complaint = why
            logger.warning("%s is not offered: %s", program.name, why)
        # Without an identity it is looked at again.
        program.offered, program.abilities, program.identity = False, None, None
        await self._registration.tell(Renew())

    async def _find_out(self, program: _Program, fresh: bool) -> None:
        identity = await self._identify(program)
        if identity is None:
            await self._withdraw(program, f"there is no program {program.configured} here")
            return
        program.identity = identity
        entry = await trio.to_thread.run_sync(self._cache.load, identity, limiter=self._threads)
        known = None
        if entry is not None:
            program.benchmark = entry.benchmark
            known = entry.abilities if not fresh and entry.identity == identity else None
        printed = "" if known and not self._prober.confines else await self._prober.version(program.path)
        if known:
            await self._offer(program, known)
            return
        version = listings.version(printed)
        if version is None:
            logger.info("%s is %s, which does not say that it is FFmpeg", program.name, identity.path)
            await self._offer(program, None)
            return
        logger.info("%s is %s: %s", program.name, identity.path, version)
        await self._examine(program, identity, printed, fresh)

    async def _examine(self, program: _Program, identity: Identity, printed: str, fresh: bool) -> None:
        listed = await self._prober.listings(program.path, printed)
        abilities = listings.abilities(listed)
        if not abilities.complete:
            before = program.abilities
            if not fresh or before is None or not program.offered:
                await self._offer(program, abilities)
            nodes = await trio.to_thread.run_sync(devices, limiter=self._threads)
            verdicts = await self._prober.try_out(program.path, listed, nodes)
            if self._occupancy.busy and before is not None:
                # A running job may have the hardware's last session: what worked before is not broken.
                kept = {*before.encoders, *before.hwaccels}
                verdicts = {name: works or name in kept for name, works in verdicts.items()}
            abilities = listings.abilities(listed, verdicts)
        await self._offer(program, abilities)
        if abilities.broken:
            logger.info("%s lists what does not work here: %s", program.name, ", ".join(abilities.broken))
        await self._keep(program, identity)

    async def _offer(self, program: _Program, abilities: Abilities | None) -> None:
        program.offered, program.abilities, program.complaint = True, abilities, None
        program.known.set()
        await self._registration.tell(Renew())

    async def _keep(self, program: _Program, identity: Identity) -> None:
        if program.abilities is not None:
            entry = Entry(identity=identity, abilities=program.abilities, benchmark=program.benchmark)
            await trio.to_thread.run_sync(self._cache.store, entry, limiter=self._threads)

    # Measuring

    def _measured(self) -> _Program | None:
        """The program whose figure is the worker's: the one called ffmpeg, else the first that encodes."""
        able = [
            one for one in self._programs if one.offered and _benchmark_encoder(one.abilities) is not None
        ]
        return min(able, key=lambda one: one.name != "ffmpeg", default=None)

    def _start_measuring(self) -> None:
        program = self._measured()
        if program is None or self._measuring:
            return
        if self._asked_for or (self._measures and program.benchmark is None):
            self._measuring = True
            self.context.nursery.start_soon(self._measure, program)

    async def _measure(self, program: _Program) -> None:
        encoder, identity = _benchmark_encoder(program.abilities), program.identity
        assert encoder is not None
        assert identity is not None
        figure = await self._benchmark(program, encoder, 0.0 if self._asked_for else _IDLE_SECONDS)
        self._measuring = False
        if program.identity != identity:
            self._start_measuring()
            return
        self._asked_for = False
        if figure is None:
            logger.warning("the benchmark of %s failed", program.name)
            return
        program.benchmark = figure
        logger.info("%s encodes %.1f million pixels a second with %s", program.name, figure / 1e6, encoder)
        await self._registration.tell(Renew())
        await self._keep(program, identity)

    async def _benchmark(self, program: _Program, encoder: str, idle: float) -> float | None:
        """A figure that was measured while nothing else ran here; None if the encode fails."""
        while True:
            await self._occupancy.until_idle(idle)
            await self._probing.until_idle(0.0)
            with single_error():
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._until_busy, nursery.cancel_scope)
                    figure = await self._prober.benchmark(program.path, encoder)
                    nursery.cancel_scope.cancel()
                    return figure

    async def _until_busy(self, scope: trio.CancelScope) -> None:
        await self._occupancy.until_busy()
        scope.cancel()


def _benchmark_encoder(abilities: Abilities | None) -> str | None:
    if abilities is None:
        return None
    return next((name for name in BENCHMARK_ENCODERS if name in abilities.encoders), None)
