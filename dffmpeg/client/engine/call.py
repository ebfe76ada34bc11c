"""A call as the shim tells it, and the request that it becomes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from dffmpeg.client.options import JobOptions
from dffmpeg.client.requests import submission
from dffmpeg.configuration.client import ClientConfig
from dffmpeg.errors import BadInput
from dffmpeg.model import environment, paths
from dffmpeg.shim import wire
from dffmpeg.wire import bytestring, trace
from dffmpeg.wire.jobs import DEVICES, Credentials, Descriptor, Launch, SubmitRequest, Terminal

STANDARD_OUTPUTS = frozenset({1, 2})


@dataclass(slots=True)
class Call:
    """What is called, and how far it has come.

    Attributes:
        identity: of the agent that the shim wants; None for any.
        options: how the job is to be treated; None for a stand-in, which cannot be told.
        verbose: whether the caller wants to know about reconnects.
        status: the job's last known state; None where it may not have been submitted yet.
        appended: the control stream as far as it is known.
        written: for each output, how much of the current attempt was written.
    """

    config: str = ""
    protocol: bytes = b""
    identity: str | None = None
    job_id: str = ""
    program: str = ""
    arguments: list[bytes] = field(default_factory=list)
    cwd: bytes | None = None
    environment: dict[bytes, bytes] = field(default_factory=dict)
    umask: int | None = None
    who: list[int] = field(default_factory=list)
    ignored: list[int] = field(default_factory=list)
    descriptors: list[Descriptor] = field(default_factory=list)
    terminal: Terminal | None = None
    verbose: bool = False
    options: JobOptions | None = None
    status: str | None = None
    attempt: int = 0
    appended: bytes = b""
    written: dict[int, int] = field(default_factory=dict)

    @property
    def outputs(self) -> frozenset[int]:
        """The outputs that travel, by descriptor. 1 and 2 always count, where they are no pipes as empty."""
        pipes = {one.number for one in self.descriptors if one.kind == "pipe" and one.direction == "out"}
        terminal = {one.number for one in self.descriptors if one.kind == "terminal"}
        if terminal:
            pipes.add(min(terminal - {0}, default=0))
        return STANDARD_OUTPUTS | pipes


def parse(payload: bytes) -> Call:
    """The call behind a CALL frame's payload.

    Raises:
        BadInput: it makes no sense.
    """
    call = Call()
    try:
        for tag, value in wire.unpack_fields(payload):
            _take(call, tag, value)
    except (ValueError, KeyError, IndexError, msgspec.ValidationError) as error:
        raise BadInput(f"call: {error}") from None
    return call


def _take(call: Call, tag: bytes, value: bytes) -> None:  # noqa: C901 - a table of fields
    match tag:
        case b"v":
            call.protocol = value
        case b"k":
            call.identity = value.decode()
        case b"c":
            call.config = value.decode("utf-8", "surrogateescape")
        case b"j":
            call.job_id = value.decode("ascii")
        case b"n":
            call.program = value.decode("utf-8", "surrogateescape")
        case b"a":
            call.arguments.append(value)
        case b"w":
            call.cwd = value
        case b"e":
            name, _, text = value.partition(b"=")
            call.environment[name] = text
        case b"u":
            call.umask = int(value)
        case b"i":
            call.who = [int(number) for number in value.split()]
        case b"g":
            call.ignored.append(int(value))
        case b"d":
            call.descriptors.append(_descriptor(value))
        case b"t":
            rows, columns = value.split()
            call.terminal = Terminal(rows=int(rows), columns=int(columns))
        case b"V":
            call.verbose = True
        case b"O":
            call.options = msgspec.json.decode(value, type=JobOptions)
        case _:
            _take_state(call, tag, value)


def _take_state(call: Call, tag: bytes, value: bytes) -> None:
    match tag:
        case b"s":
            call.status = value.decode("ascii")
        case b"p":
            call.attempt = int(value)
        case b"x":
            call.appended = bytes.fromhex(value.decode("ascii"))
        case b"o":
            number, offset = value.split()
            call.written[int(number)] = int(offset)


def _descriptor(value: bytes) -> Descriptor:
    number, kind, direction, of, offset, append, path = value.split(b" ", 6)
    return msgspec.convert(
        {
            "number": int(number),
            "kind": kind.decode(),
            "direction": direction.decode(),
            "of": None if of == b"-1" else int(of),
            "path": bytestring.to_wire(path) if path else None,
            "offset": int(offset),
            "append": append == b"1",
        },
        Descriptor,
    )


def request(config: ClientConfig, directories: Mapping[str, bytes], call: Call) -> SubmitRequest:
    """The submission for a call.

    Raises:
        BadInput: the program's name cannot travel.
    """
    made = submission(
        config,
        directories,
        call.program,
        call.arguments,
        cwd=call.cwd,
        monitor=True,
        options=call.options,
        traceparent=call.environment.get(trace.VARIABLE.encode(), b"").decode("ascii", "replace"),
    )
    used = set(made.paths)
    launch = _launch(config, directories, call, used)
    return msgspec.structs.replace(made, job_id=call.job_id, paths=sorted(used), launch=launch)


def _launch(config: ClientConfig, directories: Mapping[str, bytes], call: Call, used: set[str]) -> Launch:
    variables = environment.selected(call.environment, config.environment)
    report = variables.get(b"FFREPORT")
    if report is not None:
        variables[b"FFREPORT"], names = paths.report_to_variables(report, directories)
        used |= names
    return Launch(
        environment={
            # Where a name is not UTF-8 nobody can have asked for it.
            name.decode("utf-8", "replace"): bytestring.to_wire(value)
            for name, value in variables.items()
        },
        umask=call.umask,
        ignored_signals=call.ignored,
        descriptors=[_mapped(one, directories, used) for one in call.descriptors],
        terminal=call.terminal,
        credentials=Credentials(uid=call.who[0], gid=call.who[1], groups=call.who[2:])
        if len(call.who) >= 2
        else None,
    )


def _mapped(one: Descriptor, directories: Mapping[str, bytes], used: set[str]) -> Descriptor:
    """A file that the worker can open; a pipe where it is in no mapped directory."""
    if one.kind != "file" or one.path is None:
        return one
    path = bytestring.from_wire(one.path, "path")
    if path in DEVICES:
        return one
    variable, names = paths.path_to_variable(path, directories)
    if not names:
        return Descriptor(number=one.number, kind="pipe", direction=one.direction)
    used |= names
    return msgspec.structs.replace(one, path=bytestring.to_wire(variable))
