"""What is submitted while things break: drawn from a seed, and handed in as callers do."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import trio

from dffmpeg.client.api import Client
from dffmpeg.client.options import JobOptions
from dffmpeg.configuration.client import ClientConfig
from dffmpeg.errors import DffmpegError, Refused, Unreachable
from tests.chaos.configurations import PATIENCE
from tests.chaos.history import Span, Submission

LANES = 8
"""Callers that submit short jobs at the same time."""

ATTEMPTS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Short:
    """A job of a second or so. `at`: seconds after the beginning."""

    key: str
    at: float
    seconds: float
    exit_code: int
    cancel: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Encode:
    """An encode in real time. `piped`: its caller owns it, and reads its output; else there is a file."""

    key: str
    at: float
    seconds: int
    piped: bool

    def arguments(self, output: str) -> list[str]:
        """Every run of it makes the same bytes."""
        source = f"testsrc2=size=160x120:rate=10:duration={self.seconds}"
        options = ["-c:v", "mpeg4", "-b:v", "300k", "-threads", "1", "-bitexact", "-f", "nut"]
        return ["-nostdin", "-y", "-loglevel", "error", "-f", "lavfi", "-i", source, *options, output]


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is to be submitted, in order."""

    shorts: Sequence[Short]
    encodes: Sequence[Encode]

    @classmethod
    def draw(cls, chance: random.Random, duration: float, jobs: int, encodes: int) -> Plan:
        """So many of each over so many seconds; every second encode is piped."""
        times = sorted(chance.uniform(0, duration) for _ in range(jobs))
        shorts = [_short(chance, number, at) for number, at in enumerate(times)]
        longest = max(5, min(30, int(duration / 4)))
        begins = sorted(chance.uniform(0, max(0.0, duration - longest)) for _ in range(encodes))
        return cls(
            shorts,
            [
                Encode(
                    key=f"encode-{number:04}",
                    at=at,
                    seconds=chance.randint(4, longest),
                    piped=number % 2 == 1,
                )
                for number, at in enumerate(begins)
            ],
        )


def _short(chance: random.Random, number: int, at: float) -> Short:
    cancel = chance.random() < 0.05
    return Short(
        key=f"short-{number:05}",
        at=at,
        seconds=round(chance.uniform(0.5, 3.0) if cancel else chance.expovariate(0.7), 3),
        exit_code=3 if chance.random() < 0.05 else 0,
        cancel=cancel,
    )


@dataclass
class Told:
    """What the callers were told.

    Attributes:
        unanswered: keys whose submission nobody answered in time.
        digests: of what the callers of piped encodes got, by key.
        complaints: what callers of piped encodes were told in place of their output, by key.
        silences: in which one of them waited for an answer to a submission and nobody got one.
        slow: probes that came to no end in time.
    """

    submissions: list[Submission] = field(default_factory=list)
    unanswered: set[str] = field(default_factory=set)
    digests: dict[str, str] = field(default_factory=dict)
    complaints: dict[str, str] = field(default_factory=dict)
    silences: list[Span] = field(default_factory=list)
    slow: list[str] = field(default_factory=list)


class Load:
    """Callers of one cluster.

    Args:
        config: of a client.
        media: the folder that is mapped, in which encodes leave their files.
    """

    def __init__(self, config: ClientConfig, media: trio.Path) -> None:
        self.told = Told()
        self._config = config
        self._media = media
        self._answered_at = 0.0
        self._references: dict[int, str] = {}

    async def run(self, plan: Plan, program: str) -> None:
        """Submit all of it, each at its time; returns when all were answered and all pipes have ended.

        Args:
            program: the real ffmpeg, for what the encodes must be.
        """
        for encode in plan.encodes:
            if encode.seconds not in self._references:
                self._references[encode.seconds] = await self._reference(encode, program)
        begin = trio.current_time()
        # One iterator for all: whoever is free takes the next.
        shorts = iter(plan.shorts)
        async with trio.open_nursery() as nursery:
            for _lane in range(LANES):
                nursery.start_soon(self._submit_shorts, shorts, begin)
            for encode in plan.encodes:
                nursery.start_soon(self._encode, encode, begin + encode.at)

    async def _submit_shorts(self, shorts: Iterator[Short], begin: float) -> None:
        async with Client(self._config) as client:
            for short in shorts:
                await trio.sleep_until(begin + short.at)
                await self._submit_short(client, short)

    async def _submit_short(self, client: Client, short: Short) -> None:
        arguments = ["short", short.key, str(short.seconds), str(short.exit_code)]
        job_id = await self._submit(client, short.key, "recorder", arguments)
        if job_id is None:
            return
        canceled = short.cancel and await _cancel(client, job_id)
        self.told.submissions.append(
            Submission(key=short.key, job_id=job_id, exit_code=short.exit_code, canceled=canceled)
        )

    async def _submit(
        self, client: Client, key: str, program: str, arguments: list[str], *, monitor: bool = False
    ) -> str | None:
        options = JobOptions(name=key, idempotency_key=key, max_attempts=ATTEMPTS)
        begin = time.time()
        try:
            record = await client.submit(
                program, arguments, cwd=str(self._media), monitor=monitor, job=options
            )
        except (Unreachable, Refused) as error:
            if isinstance(error, Refused) and not error.temporary:
                raise
            self.told.unanswered.add(key)
            self._note_silence(begin)
            return None
        self._note_silence(begin)
        self._answered_at = time.time()
        return record.job_id

    def _note_silence(self, begin: float) -> None:
        self.told.silences.append((max(begin, self._answered_at), time.time()))

    async def _encode(self, encode: Encode, at: float) -> None:
        await trio.sleep_until(at)
        async with Client(self._config) as client:
            if encode.piped:
                await self._pipe(client, encode)
                return
            arguments = _marked(encode, str(self._media / f"{encode.key}.nut"))
            job_id = await self._submit(client, encode.key, "ffmpeg", arguments)
        if job_id is not None:
            digest = self._references[encode.seconds]
            self.told.submissions.append(Submission(key=encode.key, job_id=job_id, digest=digest))

    async def _pipe(self, client: Client, encode: Encode) -> None:
        """As the stand-in does: submit as the owner, and take every byte."""
        received = hashlib.sha256()

        async def take(data: bytes) -> None:
            received.update(data)

        async def ignore(data: bytes) -> None:
            del data

        job_id = await self._submit(client, encode.key, "ffmpeg", _marked(encode, "pipe:1"), monitor=True)
        if job_id is None:
            return
        digest = self._references[encode.seconds]
        self.told.submissions.append(Submission(key=encode.key, job_id=job_id, digest=digest))
        try:
            await client.deliver(job_id, stdout=take, stderr=ignore, owner=True)
        except DffmpegError as error:
            # It shows in the verdict: there is no output.
            self.told.complaints[encode.key] = f"{type(error).__name__}: {error}"
            return
        self.told.digests[encode.key] = received.hexdigest()

    async def probe(self) -> None:
        """Submit one more job, and return when it has come to its end; or else complain."""
        key = f"probe-{len(self.told.submissions):05}"
        with trio.move_on_after(PATIENCE):
            async with Client(self._config) as client:
                job_id = await self._submit(client, key, "recorder", ["short", key, "0", "0"])
                if job_id is not None:
                    self.told.submissions.append(Submission(key=key, job_id=job_id))
                    async with client.follow(job_id) as events:
                        async for _event in events:
                            pass
                    return
        self.told.slow.append(f"{key} came to no end within {PATIENCE:g} s, though all was mended")

    async def collect(self) -> None:
        """Look at the files that encodes left."""
        for one in self.told.submissions:
            file = self._media / f"{one.key}.nut"
            if one.digest is not None and await file.is_file():
                self.told.digests[one.key] = hashlib.sha256(await file.read_bytes()).hexdigest()

    async def _reference(self, encode: Encode, program: str) -> str:
        result = await trio.run_process([program, *encode.arguments("pipe:1")], capture_stdout=True)
        return hashlib.sha256(result.stdout).hexdigest()


def _marked(encode: Encode, output: str) -> list[str]:
    """Its arguments in real time, and with what the recorder knows it by and takes away."""
    plain = encode.arguments(output)
    position = plain.index("-f")
    return [*plain[:position], "-re", *plain[position:-1], "-metadata", f"chaos={encode.key}", plain[-1]]


async def _cancel(client: Client, job_id: str) -> bool:
    """Ask for a cancelation; whether it was asked for, which it also may have been where nobody answered."""
    with trio.move_on_after(PATIENCE):
        while True:
            try:
                await client.cancel(job_id)
            except Unreachable:
                await trio.sleep(0.2)
            except Refused as refusal:
                if not refusal.temporary:
                    raise
                await trio.sleep(refusal.retry_after or 0.2)
            else:
                break
    return True
