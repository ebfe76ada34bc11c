"""What is called, with all that a program inherits; as it is told to the engine."""

from __future__ import annotations

import os

from dffmpeg.shim import descriptors, signals, wire
from dffmpeg.shim.terminal import Terminal

_DIGITS = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class Call:
    """One call of a stand-in.

    Args:
        program: its name, such as `ffmpeg`.
        arguments: behind the name.
        config: absolute path of the configuration.
        options: more fields for the engine, see `dffmpeg.client.engine.call`.

    Attributes:
        job_id: made here, so that a call that is handed from one engine to the next stays one job.
        identity: what an agent must agree with us in.
        terminal: the caller's, if one of its descriptors is one.
    """

    def __init__(
        self, program: bytes, arguments: list[bytes], config: str, options: list[tuple[bytes, bytes]]
    ) -> None:
        self.program = program
        self.arguments = arguments
        self.config = config
        self.options = options
        self.identity = ""
        self.job_id = _ulid()
        self.descriptors = descriptors.survey(arguments)
        self.reads_input = descriptors.reads_standard_input(program, arguments)
        self.terminal = self._terminal()

    def _terminal(self) -> Terminal | None:
        numbers = [one.number for one in self.descriptors if one.kind == "terminal"]
        if not numbers:
            return None
        return Terminal(numbers[0], reads=numbers[0] == 0 and self.reads_input)

    def outputs(self) -> dict[int, bool]:
        """The outputs that travel: number, and whether a new attempt must repeat what was written."""
        numbers = {
            one.number: one.number != 2
            for one in self.descriptors
            if one.kind in ("pipe", "file") and one.direction == "out"
        }
        terminal = [one.number for one in self.descriptors if one.kind == "terminal"]
        if terminal:
            numbers[min([number for number in terminal if number] or [0])] = False
        return numbers

    def inputs(self) -> dict[int, bool]:
        """The inputs that travel: number, and whether it is read."""
        return {
            one.number: one.kind != "file" and (one.number > 0 or self.reads_input)
            for one in self.descriptors
            if (one.kind in ("pipe", "file") and one.direction == "in")
            or (one.kind == "terminal" and one.number == 0)
        }

    def fields(self) -> list[tuple[bytes, bytes]]:
        """All of it for the engine."""
        uid, gid = os.getuid(), os.getgid()
        who = " ".join([str(number) for number in (uid, gid, *os.getgroups())])
        mask = os.umask(0)
        os.umask(mask)
        fields = [
            (b"v", wire.PROTOCOL),
            (b"c", os.fsencode(self.config)),
            (b"k", os.fsencode(self.identity)),
            (b"j", self.job_id),
            (b"n", self.program),
            (b"u", b"%d" % mask),
            (b"i", who.encode()),
            *self.options,
        ]
        try:  # noqa: SIM105 - contextlib takes long to import
            fields.append((b"w", os.getcwdb()))
        except FileNotFoundError:
            # It was removed under us; a program that runs here has none either.
            pass
        if self.terminal is not None:
            fields.append((b"t", b"%d %d" % self.terminal.size()))
        fields += [(b"a", argument) for argument in self.arguments]
        fields += [(b"e", name + b"=" + value) for name, value in os.environb.items()]
        fields += [(b"g", b"%d" % number) for number in signals.ignored()]
        fields += [(b"d", one.packed()) for one in self.descriptors]
        return fields


def _ulid() -> bytes:
    import time

    number = int(time.time() * 1000) << 80 | int.from_bytes(os.urandom(10), "big")
    return bytes([_DIGITS[number >> shift & 31] for shift in range(125, -1, -5)])
