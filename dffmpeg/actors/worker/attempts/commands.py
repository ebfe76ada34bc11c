"""From a job as it travelled to a command of this machine, or to the reason why there is none."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from dffmpeg.actors.worker.attempts.callers import reaches
from dffmpeg.actors.worker.attempts.symlinks import resolved
from dffmpeg.actors.worker.enclosures import confined, enclosed_view, kept_folders
from dffmpeg.actors.worker.mounts.looks import read_mount_points
from dffmpeg.actors.worker.processes.launches import (
    STANDARD_DESCRIPTORS,
    Command,
    Credentials,
    Descriptor,
    Limits,
    Renamed,
)
from dffmpeg.actors.worker.processes.namespaces import FileTree
from dffmpeg.errors import BadInput, DffmpegError
from dffmpeg.model import environment, needs, paths, substitutions
from dffmpeg.model.abilities import Abilities
from dffmpeg.model.confinement import Confinement, Policy, reaching_out
from dffmpeg.model.mount_table import may_hang
from dffmpeg.model.paths import PathError, validated
from dffmpeg.model.substitutions import Substitution
from dffmpeg.model.views import Bind, ViewError, ViewPlan, plan
from dffmpeg.wire import bytestring, descriptors, jobs
from dffmpeg.wire.jobs import DEVICES, Launch
from dffmpeg.wire.workers import JobRequest


class NotRunnable(DffmpegError):
    """This worker cannot run the job, another one may; the text says why.

    Args:
        fault: it is the worker's own: what it offered it does not have, or it does not answer.
        passing: it is for this moment only.

    Attributes:
        unfit: the job as it is may be at fault.
    """

    def __init__(self, message: str, *, fault: bool = False, passing: bool = False) -> None:
        super().__init__(message)
        self.fault = fault
        self.unfit = not (fault or passing)


@dataclass(frozen=True, slots=True)
class Machine:
    """What this worker makes of a job.

    Attributes:
        programs: name to absolute path of the executable.
        present: variable to directory, of those mapped directories that are there now.
        environment: which variables are the caller's, see `dffmpeg.model.environment`.
        as_caller: whether programs run under their callers' credentials.
        abilities: by name of program.
        substitutions: what stands in for encoders that do not work here.
        kept: folders that no view may cover, besides the program's; None where there are no views.
        read_only: path variables whose directories no job may change.
        policy: what programs may touch; None for everything.
        limits: what each program may use.
        refused: options of ffmpeg's, without their dash, with which a job is not run.
        scratch_folder: where programs' temporary directories are made.
    """

    programs: Mapping[str, bytes]
    present: Mapping[str, bytes]
    environment: Collection[str] = environment.DEFAULT_NAMES
    as_caller: bool = False
    abilities: Mapping[str, Abilities] = field(default_factory=dict)
    substitutions: Mapping[str, Substitution] = field(default_factory=dict)
    kept: frozenset[bytes] | None = None
    read_only: frozenset[str] = frozenset()
    policy: Policy | None = None
    limits: Limits = field(default_factory=Limits)
    refused: frozenset[str] = frozenset()
    scratch_folder: bytes = b""


def prepare(request: JobRequest, machine: Machine) -> Command:
    """Resolve a job's binary and paths, and what it inherits from its caller.

    Reads the file system (symbolic links), so it may hang where that does.

    Raises:
        NotRunnable: the binary is unknown, a path is not mapped, not there, or leaves its directory.
    """
    program = machine.programs.get(request.binary_name)
    if program is None:
        raise NotRunnable(f"there is no {request.binary_name} on this worker", fault=True)
    _check_options(request, machine.refused)
    missing = sorted(set(request.paths) - set(machine.present))
    if missing:
        raise NotRunnable(f"the path ${missing[0]} is not mapped or not there on this worker")
    try:
        job = _Job(request)
        stand_ins = job.substitute(request.binary_name, machine)
        command = job.command(program, machine.present)
        clients = _client_directories(request, machine.present)
        view = _view(request, program, clients, machine)
        directories = machine.present
        if view is not None:
            # In its view the program has the client's own names, so also the client's own words.
            directories = {name: clients.get(name, here) for name, here in machine.present.items()}
            command = replace(job.command(program, directories), view=view)
        elif any(machine.present[name] != there for name, there in clients.items()):
            here = {name: machine.present[name] for name in clients}
            command = replace(command, renamed=Renamed(here, clients))
        if request.paths:
            _check_links(command, request.paths, directories, machine.present)
        if request.launch is not None:
            command = _launched(command, request, request.launch, machine, directories)
        if command.directory is not None and command.view is None:
            real = os.path.realpath(command.directory)
            command = replace(command, may_hang=may_hang(real, read_mount_points()))
        if machine.policy is not None:
            command = replace(command, confinement=_confinement(request, command, machine, machine.policy))
    except (BadInput, PathError, ViewError) as error:
        raise NotRunnable(str(error)) from error
    return replace(command, substitutions=stand_ins, limits=machine.limits)


def _check_options(request: JobRequest, refused: Collection[str]) -> None:
    if not refused:
        return
    for argument in bytestring.list_from_wire(request.arguments, "arguments"):
        # A stream may be named behind the option, as in -c:v.
        name = argument[1:].partition(b":")[0].decode("utf-8", "replace")
        if argument.startswith(b"-") and name in refused:
            raise NotRunnable(f"the option -{name} is refused on this worker (sandbox.refuse_options)")


def _confinement(request: JobRequest, command: Command, machine: Machine, policy: Policy) -> Confinement:
    outside = _outside(request)
    if (outside or request.network) and not policy.network:
        why = f"opens a {outside[0]}: address" if outside else "requires the network"
        raise NotRunnable(f"the job {why}, and this worker gives jobs no network (sandbox.network)")
    used = {name: machine.present[name] for name in request.paths}
    return confined(command.program, used, policy, network=bool(outside) or request.network)


def _outside(request: JobRequest) -> tuple[str, ...]:
    """The protocols for which a job's command line needs the network."""
    arguments = bytestring.list_from_wire(request.arguments, "arguments")
    return reaching_out(needs.derive(request.binary_name, arguments).protocols)


class _Job:
    """Arguments and working directory of a job, before any directory stands in them."""

    def __init__(self, request: JobRequest) -> None:
        self._names = request.paths
        self._arguments: Sequence[bytes] = bytestring.list_from_wire(request.arguments, "arguments")
        self._directory: bytes | None = None
        if request.working_directory is not None:
            self._directory = bytestring.from_wire(request.working_directory, "working_directory")

    def substitute(self, binary_name: str, machine: Machine) -> dict[str, str]:
        """Write this machine's encoders for those that do not work on it; returns which for which."""
        if not machine.substitutions:
            return {}
        asked = needs.derive(binary_name, self._arguments).encoders
        uses = {name: one.use for name, one in machine.substitutions.items()}
        chosen = substitutions.stand_ins(asked, machine.abilities.get(binary_name), uses)
        rules = {name: machine.substitutions[name] for name in chosen}
        self._arguments = substitutions.substituted(self._arguments, rules)
        return chosen

    def command(self, program: bytes, directories: Mapping[str, bytes]) -> Command:
        """The command with these directories."""
        arguments = tuple(paths.arguments_to_directories(self._arguments, directories, self._names))
        if self._directory is None:
            return Command(program, arguments)
        directory = paths.path_to_directory(self._directory, directories, self._names)
        if not directory.startswith(b"/"):
            raise NotRunnable("the working directory is not a mapped path")
        return Command(program, arguments, directory)


def _check_links(
    command: Command, used: Collection[str], named_as: Mapping[str, bytes], present: Mapping[str, bytes]
) -> None:
    """A path in a mapped directory must still be in one after symbolic links were followed.

    Args:
        used: names of the directories that the job uses.
        named_as: the directories as the program finds them.
    """
    mapped = tuple(named_as.values())
    named = [place.path for place in paths.places_in(command.arguments)]
    named = named if command.directory is None else [*named, command.directory]
    left = [path for path in named if paths.inside(path, mapped)]
    # Those that it uses first: any other may lie on a mount that has just stopped answering.
    for names in (used, named_as):
        shown = {named_as[name]: os.path.realpath(present[name]) for name in names}
        real = tuple(shown.values()) if names is used else _real(present)
        left = [path for path in left if not paths.inside(resolved(path, shown), real)]
        if not left:
            return
    raise NotRunnable(f"{bytestring.display(left[0])} is a link that leaves the mapped directories")


def _real(directories: Mapping[str, bytes]) -> tuple[bytes, ...]:
    return tuple(os.path.realpath(directory) for directory in directories.values())


def _view(
    request: JobRequest, program: bytes, clients: Mapping[str, bytes], machine: Machine
) -> ViewPlan | None:
    """The view that a job runs in, if it takes one.

    Args:
        clients: variable to the client's directory.
    """
    if machine.kept is None:
        return None
    caller = _credentials(request, machine)
    if machine.policy is not None:
        used = {name: clients.get(name, machine.present[name]) for name in request.paths}
        return enclosed_view(
            program,
            _binds(used, machine, caller),
            machine.policy,
            tools=machine.kept,
            scratch_folder=machine.scratch_folder,
            network=bool(_outside(request)) or request.network,
        )
    if not set(request.paths) <= set(clients):
        return None
    kept = kept_folders(program, machine.kept)
    return plan(_binds(clients, machine, caller), request.paths, kept, FileTree())


def _binds(targets: Mapping[str, bytes], machine: Machine, caller: Credentials | None) -> list[Bind]:
    try:
        binds = [
            _bind(name, target, machine.present[name], read_only=name in machine.read_only)
            for name, target in targets.items()
        ]
        if caller is None:
            return binds
        return [replace(bind, reachable=reaches(caller, bind.source)) for bind in binds]
    except OSError as error:
        raise NotRunnable(f"a mapped directory is not there on this worker: {error.strerror}") from error


def _client_directories(request: JobRequest, present: Mapping[str, bytes]) -> dict[str, bytes]:
    """The client's directory of each name that is there on this worker too."""
    texts = {
        name: bytestring.from_wire(path, f"client_paths.{name}").decode("utf-8", "surrogateescape")
        for name, path in request.client_paths.items()
        if name in present
    }
    return validated(texts)


def _bind(name: str, target: bytes, source: bytes, *, read_only: bool) -> Bind:
    status = os.stat(source)
    same = target == source
    if not same:
        try:
            same = os.path.samestat(os.stat(target), status)
        except OSError:
            same = False
    return Bind(name, target, source, (status.st_dev, status.st_ino), same, read_only)


def _launched(
    command: Command,
    request: JobRequest,
    launch: Launch,
    machine: Machine,
    directories: Mapping[str, bytes],
) -> Command:
    """The command with what its program inherits from its caller."""
    descriptors.check(launch)
    given = {
        name.encode("utf-8", "surrogateescape"): bytestring.from_wire(value, f"launch.environment.{name}")
        for name, value in launch.environment.items()
    }
    if b"FFREPORT" in given:
        given[b"FFREPORT"] = paths.report_to_directories(given[b"FFREPORT"], directories, request.paths)
    return replace(
        command,
        environment=environment.inherited(os.environb, given, machine.environment),
        umask=launch.umask,
        ignored_signals=tuple(sorted(set(launch.ignored_signals) & set(range(1, 65)))),
        descriptors=_descriptors(launch.descriptors, request.paths, machine),
        terminal_size=None if launch.terminal is None else (launch.terminal.rows, launch.terminal.columns),
        credentials=_credentials(request, machine),
    )


def _credentials(request: JobRequest, machine: Machine) -> Credentials | None:
    """Who the program runs as, where that is somebody else."""
    caller = None if request.launch is None else request.launch.credentials
    if not machine.as_caller or caller is None or os.geteuid() != 0:
        return None
    return Credentials(caller.uid, caller.gid, tuple(caller.groups))


def _descriptors(
    listed: Iterable[jobs.Descriptor], names: Collection[str], machine: Machine
) -> tuple[Descriptor, ...]:
    found: dict[int, Descriptor] = {}
    for one in sorted(listed, key=lambda one: one.number):
        made = Descriptor(one.number, one.kind, one.direction, offset=one.offset, append=one.append)
        if one.kind == "same":
            assert one.of is not None
            closed = found[one.of].kind == "closed"
            made = replace(made, kind="closed") if closed else replace(made, of=one.of)
        elif one.kind == "file":
            made = _file(made, one, names, machine)
        found[one.number] = made
    return tuple(found.values()) or STANDARD_DESCRIPTORS


def _file(made: Descriptor, one: jobs.Descriptor, names: Collection[str], machine: Machine) -> Descriptor:
    assert one.path is not None
    travelled = bytestring.from_wire(one.path, "launch.descriptors.path")
    if travelled in DEVICES:
        return replace(made, path=travelled, below=(b"/dev",))
    path = paths.path_to_directory(travelled, machine.present, names)
    if not paths.inside(path, machine.present.values()):
        raise BadInput(f"launch.descriptors: {bytestring.display(travelled)} is not a mapped path")
    # Opened by the worker itself, so nobody but it can see to what the mapping allows.
    open_to = {
        name: directory
        for name, directory in machine.present.items()
        if one.direction == "in" or name not in machine.read_only
    }
    used = _real({name: open_to[name] for name in names if name in open_to})
    # The other mapped directories are only asked where it is a link to one of them.
    below = used if paths.inside(os.path.realpath(path), used) or machine.policy else _real(open_to)
    return replace(made, path=path, below=below)
