"""What a job's program may touch on its worker: decided from the job and the configuration. Pure.

What is allowed are directories and files by path; whatever is not listed cannot be opened. How the kernel is
told stands with `dffmpeg.actors.worker.processes`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from dffmpeg.model.views import Fixtures


class Access(enum.Flag):
    """What may be done below a directory, or with a file."""

    READ = enum.auto()
    OPEN = enum.auto()
    """Read files of known names, and list no directory."""
    WRITE = enum.auto()
    """Make, change and remove files and directories; no links, no devices."""
    EXECUTE = enum.auto()
    DEVICE = enum.auto()
    """Control a device, ioctl(2)."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What may be done with one path and all that is below it.

    Attributes:
        required: a program that may not do this should not be started; other rules are left out where
            there is no such path.
    """

    path: bytes
    access: Access
    required: bool = False


@dataclass(frozen=True, slots=True)
class Confinement:
    """What one program may touch.

    Attributes:
        rules: everything that it may open, besides what the start adds: its temporary directory, its
            terminal, the files that it was given.
        network: whether it may make sockets for the Internet.
        forks: whether it may make processes, besides threads.
    """

    rules: tuple[Rule, ...]
    network: bool = False
    forks: bool = True


_PREFIXES = (b"", b"/usr", b"/usr/local")
_PROGRAM_FOLDERS = (b"bin", b"sbin", b"lib", b"lib32", b"lib64", b"libx32", b"libexec")

PROGRAMS = (
    *(b"%s/%s" % (prefix, folder) for prefix in _PREFIXES for folder in _PROGRAM_FOLDERS),
    *(b"/nix/store", b"/gnu/store", b"/run/opengl-driver", b"/run/opengl-driver-32"),
)
"""Where the system keeps programs and libraries: the latter are loaded, the former started by wrappers."""

DATA = (
    *(b"/usr/share", b"/usr/local/share", b"/var/cache/fontconfig"),
    *(b"/etc/alternatives", b"/etc/fonts", b"/etc/localtime", b"/etc/timezone", b"/etc/locale.alias"),
    *(b"/etc/ld.so.cache", b"/etc/ld.so.conf", b"/etc/ld.so.conf.d", b"/etc/ld.so.preload"),
    *(b"/etc/ssl/certs", b"/etc/ssl/cert.pem", b"/etc/ssl/openssl.cnf", b"/etc/ca-certificates"),
    *(b"/etc/pki/tls/certs", b"/etc/pki/tls/cert.pem", b"/etc/pki/tls/openssl.cnf", b"/etc/pki/ca-trust"),
    *(b"/etc/crypto-policies", b"/etc/gnutls"),
    *(b"/etc/OpenCL", b"/etc/vulkan", b"/etc/glvnd", b"/etc/drirc", b"/etc/libva.conf", b"/etc/nvidia"),
)
"""Fonts, certificates (never private keys), time zones, and what drivers of graphics cards look up."""

MACHINE = (b"/sys/devices", b"/sys/dev", b"/sys/class/drm", b"/sys/bus/pci", b"/sys/module")
"""What the machine is."""

PROCESSES = b"/proc"
"""A program's libraries read about their own process, whose number nobody knows before it is started. Of
others the kernel shows a confined one what it shows everybody: no environment, no memory, no open files."""

NAMES = (
    *(b"/etc/resolv.conf", b"/etc/hosts", b"/etc/nsswitch.conf", b"/etc/host.conf", b"/etc/gai.conf"),
    *(b"/etc/services", b"/etc/protocols", b"/run/systemd/resolve/resolv.conf"),
    b"/run/systemd/resolve/stub-resolv.conf",
)
"""What resolving a host's name reads."""

DEVICES = (b"/dev/null", b"/dev/zero", b"/dev/full", b"/dev/random", b"/dev/urandom")

GRAPHICS = (
    *(b"/dev/dri", b"/dev/kfd", b"/dev/dma_heap", b"/dev/nvidiactl", b"/dev/nvidia-uvm"),
    *(b"/dev/nvidia-uvm-tools", b"/dev/nvidia-modeset", b"/dev/nvidia-caps"),
    *(b"/dev/nvidia%d" % number for number in range(16)),
    *(b"/dev/mpp_service", b"/dev/rga", b"/dev/mpp-service", b"/dev/vchiq", b"/dev/rpivid-hevcmem"),
    *(b"/dev/video%d" % number for number in range(10, 32)),
)
"""Cards and codecs in hardware. Cameras have the first numbers of `video`, and are not among them."""

_HOME = (b".fonts", b".local/share/fonts", b".config/fontconfig", b".cache/fontconfig")
"""The worker's own fonts."""

_READ = Access.READ
_RUN = Access.READ | Access.EXECUTE
_WRITE = Access.READ | Access.WRITE
_DEVICE = Access.READ | Access.WRITE | Access.DEVICE


@dataclass(frozen=True, slots=True)
class Policy:
    """What the administrator says of all programs here.

    Attributes:
        read: further paths; programs there may be started.
        write: further paths.
        network: whether a job that needs the network gets it.
        read_only: path variables whose directories no job may change.
        home: the worker's own, where it has one.
    """

    read: tuple[bytes, ...] = ()
    write: tuple[bytes, ...] = ()
    network: bool = False
    read_only: frozenset[str] = field(default_factory=frozenset)
    home: bytes | None = None


def confinement(
    program: bytes,
    used: Mapping[str, bytes],
    policy: Policy,
    *,
    network: bool = False,
    forks: bool = True,
) -> Confinement:
    """What a job's program may touch.

    Args:
        program: without links, as it is executed.
        used: the path variables that the job names, with this machine's directories.
        network: whether the job needs it.
        forks: whether the program may be more than one process.
    """
    reaches = network and policy.network
    rules = [Rule(path, _RUN) for path in PROGRAMS]
    # Where it is gone the start says so itself.
    rules.append(Rule(program, _RUN))
    rules += [Rule(path, _RUN) for path in _beside(program)]
    rules += [Rule(path, _READ) for path in (*DATA, *MACHINE, *(NAMES if reaches else ()))]
    rules += [Rule(path, _DEVICE) for path in (*DEVICES, *GRAPHICS)]
    if policy.home is not None:
        rules += [Rule(policy.home + b"/" + name, _READ) for name in _HOME]
    rules.append(Rule(PROCESSES, Access.OPEN))
    rules += [Rule(path, _RUN) for path in policy.read]
    rules += [Rule(path, _WRITE) for path in policy.write]
    rules += [
        Rule(directory, _READ if name in policy.read_only else _WRITE, required=True)
        for name, directory in sorted(used.items())
    ]
    return Confinement(tuple(rules), reaches, forks)


def fixtures(
    program: bytes,
    policy: Policy,
    *,
    tools: Iterable[bytes],
    network: bool,
    identity: Callable[[bytes], tuple[int, int] | None],
) -> Fixtures:
    """What a confined program's view shows besides the job's directories: the same that it may open.

    Args:
        program: as it is executed, and perhaps without links.
        tools: folders of what is executed before it.
        identity: device and inode of what is at a path.
    """
    names = NAMES if network and policy.network else ()
    home = () if policy.home is None else tuple(policy.home + b"/" + name for name in _HOME)
    system = (*PROGRAMS, *DATA, *names)
    return Fixtures(
        read=(*system, *sorted(tools), *home, *_beside(program), program, *policy.read),
        write=policy.write,
        devices=(*DEVICES, *GRAPHICS, b"/dev/tty", b"/dev/pts", b"/dev/ptmx"),
        identities=tuple(found for path in (*DATA, *names) if (found := identity(path)) is not None),
    )


def _beside(program: bytes) -> Iterable[bytes]:
    """The libraries of a program that was unpacked somewhere as bin/ and lib/."""
    folder, _, _ = program.rpartition(b"/")
    above, _, name = folder.rpartition(b"/")
    return [b"%s/%s" % (above, one) for one in (b"lib", b"lib64")] if name == b"bin" and above else []


NETWORK_PROTOCOLS = frozenset(
    (
        *("amqp", "dtls", "ffrtmpcrypt", "ffrtmphttp", "ftp", "gopher", "gophers", "http", "httpproxy"),
        *("https", "icecast", "ipfs", "ipns", "mmsh", "mmst", "prompeg", "rist", "rtmp", "rtmpe", "rtmps"),
        *("rtmpt", "rtmpte", "rtmpts", "rtp", "sctp", "sftp", "smb", "srt", "srtp", "tcp", "tls", "udp"),
        *("udplite", "zmq"),
    )
)


def reaching_out(protocols: Collection[str]) -> tuple[str, ...]:
    """Those of a job's protocols that take the network."""
    return tuple(sorted(NETWORK_PROTOCOLS.intersection(protocols)))
