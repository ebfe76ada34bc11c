"""Examples, made of the models themselves: one that does not fit is found when it is written."""

from __future__ import annotations

from dffmpeg.supervisors.tree import ChildKind, ChildState, LastCrash, TreeNode
from dffmpeg.web.tree import CoordinatorTree
from dffmpeg.wire.administration import Overview
from dffmpeg.wire.janitor import JanitorRecord
from dffmpeg.wire.jobs import AttemptRecord, JobRecord, LogLine, StatusReply, SubmitRequest
from dffmpeg.wire.scheduling import Explanation, QueueState, WorkerVerdict
from dffmpeg.wire.workers import (
    AttemptRef,
    DownlinkMessage,
    RegisterReply,
    RegisterRequest,
    WorkerRecord,
)

JOB_ID = "01K9ZQ0F7M4N2X8T6V5B3C1D0E"
WORKER_ID = "worker1"
IN_PATHS = {"job_id": JOB_ID, "worker_id": WORKER_ID, "client_id": "player", "instance": "5f0c1b"}
NOON, LATER = "2026-01-31T12:00:00.000000+00:00", "2026-01-31T12:00:07.250000+00:00"
ARGUMENTS = ["-i", "$Movies/a.mkv", "-c:v", "libx264", "$Movies/a.mp4"]

SUBMISSION = SubmitRequest(
    binary_name="ffmpeg",
    arguments=[*ARGUMENTS],
    paths=["Movies"],
    labels=["nightly"],
    priority="low",
)
JOB = JobRecord(
    job_id=JOB_ID,
    requester_id="player",
    binary_name="ffmpeg",
    arguments=[*ARGUMENTS],
    paths=["Movies"],
    working_directory=None,
    status="running",
    attempt=1,
    max_attempts=3,
    exit_code=None,
    worker_id=WORKER_ID,
    created_at=NOON,
    last_update=LATER,
    worker_last_seen=LATER,
    client_last_seen=None,
    heartbeat_interval=5.0,
    monitor=False,
    transport="websocket",
    transport_metadata={"path": f"/jobs/{JOB_ID}/follow"},
    labels=["nightly"],
    priority=-50,
)
ATTEMPT = AttemptRecord(attempt=1, worker_id=WORKER_ID, assigned_at=NOON, started_at=LATER)
LINE = LogLine(stream="stderr", content="frame=  100 fps= 50", id="1-2048")
WORKER = WorkerRecord(
    worker_id=WORKER_ID,
    status="online",
    capabilities=[],
    binaries=["ffmpeg", "ffprobe"],
    paths=["Movies"],
    registration_interval=10.0,
    slots=4,
    used_slots=1,
    version="1.0.0",
    transport="websocket",
    last_seen=LATER,
)
REGISTRATION = RegisterRequest(
    worker_id=WORKER_ID,
    binaries=["ffmpeg", "ffprobe"],
    paths=["Movies"],
    supported_transports=["websocket", "http_polling"],
    slots=4,
    running=[],
)
REGISTERED = RegisterReply(
    transport="websocket",
    transport_metadata={"path": f"/worker/{WORKER_ID}/downlink"},
    status="online",
    lease=60.0,
)
MESSAGE = DownlinkMessage(
    message_id="01K9ZQ0F7M4N2X8T6V5B3C1D0F",
    recipient_id=WORKER_ID,
    timestamp=NOON,
    message_type="job_status",
    payload={"job_id": JOB_ID, "status": "canceling", "exit_code": None, "attempt": 1},
    job_id=JOB_ID,
)
ATTEMPT_REF = AttemptRef(job_id=JOB_ID, attempt=1)
OK = StatusReply()
QUEUE = QueueState(paused=True, reason="new disks", changed_by="root", changed_at=NOON)
RUN = JanitorRecord(
    run_id="01K9ZQ0F7M4N2X8T6V5B3C1D0G", action="run_all", started_at=NOON, ended_at=LATER, result={}
)
WHY = Explanation(
    job_id=JOB_ID,
    status="pending",
    waits_for=["all slots are in use"],
    workers=[
        WorkerVerdict(
            worker_id=WORKER_ID, status="online", suitable=True, takes=False, reasons=["4 of 4 slots"]
        )
    ],
)
OVERVIEW = Overview(
    status="online",
    version="1.0.0",
    databases={"default": "online"},
    transports={"websocket": "online"},
    counts={"pending": 3, "running": 4},
    workers=[WORKER],
    live=[JOB],
    failed=[],
    queue=QueueState(paused=False),
)
TREE = TreeNode(
    id="coordinator",
    kind=ChildKind.SUPERVISOR,
    state=ChildState.RUNNING,
    restarts=0,
    last_crash=None,
    mailbox_depth=0,
    mailbox_capacity=0,
    uptime=12.5,
)
COORDINATOR_TREE = CoordinatorTree(
    id="coordinator",
    kind=ChildKind.SUPERVISOR,
    state=ChildState.RUNNING,
    restarts=0,
    last_crash=None,
    mailbox_depth=0,
    mailbox_capacity=0,
    uptime=12.5,
    children=(
        TreeNode(
            id="scheduler",
            kind=ChildKind.ACTOR,
            state=ChildState.RUNNING,
            restarts=1,
            last_crash=LastCrash("InjectedCrash: injected into coordinator/scheduler", 1769860807.25),
            mailbox_depth=0,
            mailbox_capacity=1,
            uptime=3.25,
        ),
    ),
    coordinator_id="01K9ZQ0F7M4N2X8T6V5B3C1D0J",
)
