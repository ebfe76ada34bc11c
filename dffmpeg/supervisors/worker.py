"""The worker's supervision tree: names every part once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ulid import ULID

from dffmpeg.actors.runtime import ActorRef
from dffmpeg.actors.worker.ability_cache import AbilityCache, default_folder
from dffmpeg.actors.worker.attempts.actor import AttemptsActor, JobTree
from dffmpeg.actors.worker.attempts.chronicle import Chronicle
from dffmpeg.actors.worker.attempts.ffmpeg import FFmpegProcessActor
from dffmpeg.actors.worker.attempts.lease import AttemptLeaseActor
from dffmpeg.actors.worker.attempts.messages import (
    AttemptsMessage,
    BeginRegistration,
    Cancel,
    Control,
    Delivered,
    Drain,
    Exceeded,
    Made,
    Moved,
)
from dffmpeg.actors.worker.attempts.preparation import Preparation, Prepared
from dffmpeg.actors.worker.attempts.streams import StreamsActor, StreamsMessage, Watch
from dffmpeg.actors.worker.capabilities import CapabilitiesActor, Describe, Probe
from dffmpeg.actors.worker.downlink import DownlinkActor, Open, Shut
from dffmpeg.actors.worker.links import Links
from dffmpeg.actors.worker.mounts.actor import MountsActor
from dffmpeg.actors.worker.mounts.looks import Looks
from dffmpeg.actors.worker.mounts.losses import why_lost
from dffmpeg.actors.worker.mounts.messages import LostPaths, MountsMessage
from dffmpeg.actors.worker.negotiation import Negotiation
from dffmpeg.actors.worker.occupancy import Occupancy
from dffmpeg.actors.worker.processes.actor import Processes, ProcessesActor
from dffmpeg.actors.worker.registration import Neighbours, Oneself, RegistrationActor
from dffmpeg.actors.worker.registration_messages import RegistrationMessage
from dffmpeg.actors.worker.sandbox import policy_of, withheld_protocols
from dffmpeg.actors.worker.uplink import HttpUplink, Uplink, UplinkActor
from dffmpeg.configuration.mounts import mounts_of
from dffmpeg.configuration.worker import WorkerConfig
from dffmpeg.model.paths import validated
from dffmpeg.shim.descriptors import names_standard_input
from dffmpeg.supervisors import (
    AutoShutdown,
    Backoff,
    ChildSpec,
    DynamicSupervisor,
    Restart,
    Shutdown,
    Strategy,
    Supervisor,
    SupervisorRef,
)
from dffmpeg.telemetry import OFF, Telemetry
from dffmpeg.transports.client import TransportFactory
from dffmpeg.transports.signed_http import SignedHttp
from dffmpeg.wire import descriptors, signature
from dffmpeg.wire.workers import AttemptRef, JobRequest

_RESTART = Backoff(minimum=0.1, maximum=10.0)


@dataclass(frozen=True, slots=True)
class WorkerTree:
    """The tree to run, and the handles that the process needs.

    Attributes:
        registration: takes `BeginDraining`.
        attempts: takes `Drain`.
    """

    root: Supervisor
    registration: ActorRef[RegistrationMessage]
    attempts: ActorRef[AttemptsMessage | BeginRegistration | Drain]


def worker_tree(
    config: WorkerConfig,
    transports: Mapping[str, TransportFactory],
    *,
    sole_on: str | None = None,
    telemetry: Telemetry = OFF,
) -> WorkerTree:
    """The whole worker.

    Args:
        transports: the client half of each downlink in `config.transports`.
        sole_on: names a lock that this process has for itself, as `dffmpeg.worker.sole` makes it.
        telemetry: takes spans of what happens.

    Raises:
        ValueError: the key is not one, or the mounts do not fit together.
        PathError: a mapped path cannot be used.
    """
    key = signature.decode_key(config.hmac_key)
    directories = validated(config.directories)
    links = Links()
    connections = 8 + 6 * config.slots
    uplink = HttpUplink(
        lambda: SignedHttp(
            config.coordinator_url, config.client_id, key, config.tls, connections=connections
        ),
        links,
    )
    processes = Processes(views=config.views == "auto")
    mounts: ActorRef[MountsMessage] = ActorRef.unbound("worker/mounts")
    capabilities: ActorRef[Describe | Probe] = ActorRef.unbound("worker/capabilities")
    downlink: ActorRef[Open | Shut] = ActorRef.unbound("worker/downlink")
    registration: ActorRef[RegistrationMessage] = ActorRef.unbound("worker/registration")
    attempts: ActorRef[AttemptsMessage | BeginRegistration | Drain] = ActorRef.unbound(
        "worker/attempts", 1024
    )
    jobs = SupervisorRef.unbound("worker/jobs")
    neighbours = Neighbours(mounts, capabilities, downlink, attempts)

    make_tree = partial(job_tree, config, uplink, links, processes, mounts, telemetry)
    occupancy = Occupancy()
    negotiation = Negotiation(config.transports, config.downlink_grace)
    make_downlink = partial(
        DownlinkActor,
        lambda: uplink.http,
        transports,
        registration=registration,
        attempts=attempts,
        capabilities=capabilities,
        links=links,
        negotiation=negotiation,
    )
    make_attempts = partial(
        AttemptsActor,
        uplink,
        config=config,
        preparation=Preparation(config, processes, mounts, capabilities),
        jobs=jobs,
        make_tree=make_tree,
        occupancy=occupancy,
        telemetry=telemetry,
    )
    make_mounts = partial(
        MountsActor,
        directories,
        mounts_of(config.mounts),
        Looks(processes),
        processes,
        registration=registration,
        attempts=attempts,
    )
    make_capabilities = partial(
        CapabilitiesActor,
        config.binaries,
        processes,
        registration,
        occupancy,
        AbilityCache(default_folder() if config.cache is None else Path(config.cache)),
        configured=config.capabilities,
        measures=config.benchmark,
        withheld=withheld_protocols(config),
        policy=policy_of(config),
    )
    oneself = Oneself(str(ULID()), sole_on)
    make_registration = partial(RegistrationActor, config, uplink, neighbours, oneself, negotiation)

    # Two rows more than the design's table: `processes` owns the thread and the guardian that see to it
    # that no process outlives the worker, `attempts` decides what runs in the trees under `jobs`.
    children = [
        ChildSpec("uplink", partial(UplinkActor, uplink), backoff=_RESTART),
        ChildSpec("processes", partial(ProcessesActor, processes), shutdown=15.0, backoff=_RESTART),
        ChildSpec("mounts", make_mounts, backoff=_RESTART, ref=mounts),
        ChildSpec("capabilities", make_capabilities, backoff=_RESTART, ref=capabilities),
        ChildSpec("downlink", make_downlink, backoff=_RESTART, ref=downlink),
        ChildSpec("registration", make_registration, backoff=_RESTART, ref=registration),
        ChildSpec("attempts", make_attempts, backoff=_RESTART, ref=attempts),
        ChildSpec(
            "jobs", partial(DynamicSupervisor, max_children=2 * config.slots), backoff=_RESTART, ref=jobs
        ),
    ]
    root = Supervisor(children, strategy=Strategy.REST_FOR_ONE, intensity=10, period=60.0)
    return WorkerTree(root, registration, attempts)


def job_tree(
    config: WorkerConfig,
    uplink: Uplink,
    links: Links,
    processes: Processes,
    mounts: ActorRef[LostPaths],
    telemetry: Telemetry,
    request: JobRequest,
    prepared: Prepared,
    attempts: ActorRef[AttemptsMessage],
) -> JobTree:
    """One attempt: its process, its streams, its lease.

    A process cannot be restarted half-way, so nothing in here is: a crash of any
    part ends all of it, which `AttemptsActor` sees and reports as lost. The tree
    ends normally with its process actor, once the end was reported.
    """
    attempt = AttemptRef(job_id=request.job_id, attempt=request.attempt)
    name = f"{request.job_id}.{request.attempt}"
    watch = Watch(
        outputs=prepared.outputs,
        new=prepared.new,
        error_output=descriptors.error_output(request.launch),
        stall_timeout=request.stall_timeout,
        keys=request.binary_name.startswith("ffmpeg")
        and not names_standard_input([*prepared.command.arguments]),
        most=config.limits.output,
    )
    process: ActorRef[Cancel | Control | Delivered | Exceeded] = ActorRef.unbound(
        f"worker/jobs/{name}/process", 16
    )
    streams: ActorRef[StreamsMessage] = ActorRef.unbound(f"worker/jobs/{name}/streams", 64)
    lease: ActorRef[Made | Moved] = ActorRef.unbound(f"worker/jobs/{name}/lease", 4)
    supervisor = SupervisorRef.unbound(f"worker/jobs/{name}")

    limited = [one for one in (request.run_timeout, config.limits.run_time) if one is not None]
    make_process = partial(
        FFmpegProcessActor,
        attempt,
        prepared.command,
        uplink,
        processes,
        output=streams,
        attempts=attempts,
        steps=config.cancel,
        run_timeout=min(limited, default=None),
        excuse=partial(why_lost, mounts, frozenset(request.paths)),
        chronicle=Chronicle(telemetry, request),
    )
    make_streams = partial(
        StreamsActor,
        attempt,
        uplink,
        links,
        process=process,
        attempts=attempts,
        lease=lease,
        settings=config.output,
        watch=watch,
    )
    make_lease = partial(AttemptLeaseActor, attempt, uplink, request.heartbeat_interval, attempts)

    children = [
        ChildSpec("process", make_process, Restart.TRANSIENT, 3.0, significant=True, ref=process),
        ChildSpec("streams", make_streams, Restart.TRANSIENT, Shutdown.BRUTAL, ref=streams),
        ChildSpec("lease", make_lease, Restart.TRANSIENT, Shutdown.BRUTAL, ref=lease),
    ]
    make_tree = partial(
        Supervisor,
        children,
        strategy=Strategy.ONE_FOR_ALL,
        intensity=0,
        auto_shutdown=AutoShutdown.ANY_SIGNIFICANT,
    )
    return JobTree(ChildSpec(name, make_tree, Restart.TEMPORARY, ref=supervisor), supervisor, process)
