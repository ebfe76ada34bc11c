"""What each key means, in the words of the files that `dffmpeg-admin config init` writes.

Defaults and bounds are not told here: they are read from the structs. A key
with no entry is an error in `dffmpeg.configuration.writing`, and a test writes
every file.
"""

from __future__ import annotations

from dffmpeg.configuration.client import ClientConfig, Fallback, JobDefaults, Submit
from dffmpeg.configuration.common import Connection, Section, Telemetry, Trust
from dffmpeg.configuration.coordinator import (
    Cluster,
    CoordinatorConfig,
    Database,
    Debug,
    Hooks,
    Janitor,
    Leases,
    Limits,
    Retention,
    Retries,
    Security,
    Streams,
    Timeouts,
    Tls,
    Transports,
)
from dffmpeg.configuration.sandbox import ProgramLimits, Sandbox
from dffmpeg.configuration.scheduling import JobLimit, Quarantine, Scheduling
from dffmpeg.configuration.worker import Cancel, Output, WorkerConfig

_CONNECTION = {
    "coordinator_url": "Where the coordinator is, with the path prefix of a reverse proxy if there is one.",
    "client_id": "Who this is: the identity made by `dffmpeg-admin user add`.",
    "hmac_key": "Its key, as that command printed it. Keep this file at mode 0600.",
    "log_level": "One of DEBUG, INFO, WARNING, ERROR.",
    "log_format": "`text`, or `json`: an object a line.",
    "tls": "Only where `coordinator_url` begins with https.",
}

_PATHS = "Path variables: what travels is `$NAME/...`, and each machine says here which directory that is."

DESCRIPTIONS: dict[type[Section], dict[str, str]] = {
    Connection: _CONNECTION,
    CoordinatorConfig: {
        "host": "Address to listen on; 0.0.0.0 or :: for every network.",
        "port": "Port to listen on.",
        "log_level": _CONNECTION["log_level"],
        "log_format": _CONNECTION["log_format"],
        "proxy_protocol": "Whether every connection begins with a PROXY protocol header (version 1 or 2), as "
        "`security.trusted_proxies` send. Any other connection is refused.",
        "shutdown_delay_seconds": "Seconds between /health saying that this coordinator goes and its going, "
        "so that load balancers notice.",
        "default_job_heartbeat_interval": "Seconds between a job's heartbeats where the client names none.",
        "default_pending_timeout": "Seconds after which a job that no worker took is given up. "
        "Without it a job waits until a worker can take it.",
        "allowed_binaries": "Programs that a job may name.",
        "web_dashboard_enabled": "The dashboard at /status, signing in there, and looking without a "
        "signature.",
        "allowed_dashboard_ips": "Networks from which everything may be looked at without signing in.",
        "allowed_metrics_ips": "Networks from which `/metrics` may be read without a signature.",
        "database": "The database is the cluster's memory. SQLite needs nothing else.",
        "transports": "How messages reach workers and clients.",
        "janitor": "Sweeps up what nobody owns any more.",
        "retention": 'How long what is over is kept, in seconds from its end on, or "forever".',
        "leases": "How long silence is borne before the coordinator acts on it, in seconds.",
        "streams": "How much of a job's output is kept, in bytes.",
        "limits": "What is refused because it is too much. Sizes are bytes.",
        "retries": "What happens to a job whose attempt was lost through no fault of its command.",
        "timeouts": "For jobs whose submitters do not say, in seconds. See also default_pending_timeout, "
        "janitor.job_assignment_timeout and leases.worker.",
        "scheduling": "In which order jobs start, and how many of them.",
        "hooks": "Signed calls of the URLs that jobs name, at each change of their state.",
        "telemetry": "Spans of jobs for an OpenTelemetry collector.",
        "security": "Who is trusted, and how far.",
        "tls": "The coordinator's own certificate. Without one it speaks plain HTTP: let a reverse proxy "
        "add TLS, or keep it on a network where everybody is trusted.",
        "cluster": "Several coordinators on one database server. On SQLite none of this has a meaning.",
        "debug": "Never on a real cluster.",
    },
    Database: {
        "engine": "sqlite, postgresql or mysql (MariaDB too); a repository may name another one.",
        "engine_defaults": "Relative paths count from this file's folder.",
        "repositories": "Keys of identities can be stored encrypted; the file holds one Fernet key a line, "
        "the first encrypts, all decrypt.",
    },
    Transports: {
        "enabled_transports": "Ways that are offered; worker and client choose by their own order.",
        "transport_settings": "A transport's own settings, a table each.",
        "grace": "Seconds for which a transport may fail before those who use it are told to use another.",
    },
    Janitor: {
        "interval": "Seconds between two sweeps.",
        "job_assignment_timeout": "Seconds in which a worker must accept a job before another one gets it.",
        "message_retention": "Seconds for which messages are kept for pollers.",
        "vacuum_interval": "Seconds between two times that space which became free is given back.",
    },
    Retention: {
        "jobs": "Finished jobs and their attempts; a job may say otherwise, for itself and its output.",
        "output": "What finished jobs wrote, as far as it is kept at all.",
        "runs": "The janitor's own runs.",
        "audit": "The audit trail: what administrators did.",
    },
    Leases: {
        "worker": "A worker that did not renew for so long is lost, and its jobs move.",
        "worker_disconnect": "The same, once its downlink was closed from its end.",
        "client_disconnect": "A monitored job is killed so long after its client closed its connection.",
        "client_factor": "A monitored job is canceled after so many heartbeat intervals without its client.",
    },
    Streams: {
        "window": "Of a stream, what may be under way before ffmpeg has to wait for its caller.",
        "stderr_head": "Of a job's stderr, what is kept from the beginning.",
        "stderr_tail": "Of a job's stderr, what is kept from the end.",
        "stdout_kept": "Of a detached job's stdout, what is kept.",
    },
    Limits: {
        "body": "A request's body.",
        "output_body": "The body of a request that carries output.",
        "arguments": "Arguments of one job.",
        "failed_authentications": "Wrong signatures in a minute, from one address or in one name; "
        "further ones are answered 429. Right ones pass all the while.",
        "headers": "A request's line and headers.",
        "header_timeout": "Seconds in which a request's headers have to be there, once they have begun.",
        "body_timeout": "Seconds in which a request's body has to be there.",
        "idle_timeout": "Seconds for which a connection may lie idle.",
        "connections_per_address": "Open connections of one address; this machine and "
        "`security.trusted_proxies` may have more.",
        "requests_per_identity": "Requests of one identity that are under way at once, WebSockets and polls "
        "among them.",
        "control_frames": "Pings and the like that a WebSocket's client may send in a second.",
        "live_jobs": "Jobs that run at once.",
        "workers": "Workers that are registered at once.",
    },
    Retries: {
        "max_attempts": "How many attempts may come to nothing before the job fails, where the client does "
        "not say.",
        "backoff_minimum": "Seconds before another attempt, at least; it doubles with each, with jitter.",
        "backoff_maximum": "The most seconds between two attempts.",
    },
    Timeouts: {
        "run": "A program that runs for longer is ended, gently first, and its job fails.",
        "stall": "A program without output and without use of a processor for so long is lost, and its job "
        "moves. Not counted: paused by its caller, waiting for its caller's input or for its reader.",
    },
    Scheduling: {
        "aging": "Seconds in which a priority that is passed over gains a point.",
        "half_life": "Seconds after which what a requester used counts half. Of two with jobs waiting, "
        "the one that used less goes first.",
        "patience": "Seconds after which a worker is kept free for a job that needs several slots of a "
        "resource.",
        "avoid": "Seconds for which the worker that failed a job gets it again only if no other could "
        "run it.",
        "queued": "Jobs that may be pending at once; submissions beyond are refused (HTTP 429).",
        "classes": "Names for priorities from -100 to 100. A class reaches up to the next one.",
        "resources": "Resource to patterns of encoders: a job with such an encoder takes one slot of that "
        "resource on workers that declare it.",
        "reserved": "By class, slots of the whole cluster that jobs of lower priority leave free for it.",
        "reserved_resources": "The same by class and resource.",
        "requester": "How many jobs each requester may have.",
        "requesters": "The same for single requesters, in place of that.",
        "labels": "How many jobs with a label there may be, of all requesters together.",
        "quarantine": "When a worker that keeps failing is left alone.",
    },
    JobLimit: {
        "running": "Jobs that run at once; others wait. Without it any number.",
        "queued": "Jobs that wait at once; submissions beyond are refused (HTTP 429). Without it any number.",
    },
    Quarantine: {
        "strikes": "Failures of its own, in a row and with different jobs, after which it gets nothing more.",
        "minimum": "Seconds of the first quarantine; each further failure doubles it.",
        "maximum": "Seconds of the longest.",
    },
    Hooks: {
        "allowed": "URLs at and below which jobs may have calls made. None: jobs with hooks are refused.",
        "secret": "What calls are signed with, at least 32 characters. Keep this file at mode 0600.",
        "timeout": "Seconds for a whole call.",
        "concurrency": "Calls at once.",
        "max_tries": "How often a call is made until its receiver takes it.",
        "max_age": "Seconds after which it is not tried any more.",
        "backoff_minimum": "Seconds before the second try; it doubles with each, with jitter.",
        "backoff_maximum": "The most seconds between two tries.",
    },
    Security: {
        "clock_drift": "Seconds that a request's time may be off.",
        "allow_legacy_signatures": "Whether programs of dffmpeg 0.4 may sign as they do: without the "
        "query, and without anything that tells two equal requests apart.",
        "trusted_proxies": "Networks of reverse proxies whose X-Forwarded-For or PROXY protocol is believed.",
        "dashboard_origins": "What browsers have the dashboard under, where a proxy changes the Host header "
        "or the name is one that anybody could have.",
        "sign_in_networks": "Networks from which one may sign in at the dashboard, besides "
        "`allowed_dashboard_ips`, which may also look without it.",
        "session_lifetime": "Seconds after which one has to sign in again.",
    },
    Trust: {
        "cafile": "Certificates (PEM) that the coordinator's must come from, in place of the system's.",
        "certfile": "A certificate of our own (PEM), where the coordinator asks for one.",
        "keyfile": "Its private key, where that file does not hold it.",
    },
    Tls: {
        "certfile": "Certificate (PEM), with what stands between it and its authority. These files are read "
        "again once they change.",
        "keyfile": "Its private key, where that file does not hold it. Keep it at mode 0600.",
        "client_cafile": "Certificates (PEM) that a client's must come from; with them nobody connects "
        "without one.",
    },
    Cluster: {
        "advertise": "Where the other coordinators reach this one: requests about a worker go to the one "
        "that looks after it.",
        "secret": "The same at all of them, at least 32 characters: what they pass on to each other is "
        "sealed with it. Keep this file at mode 0600.",
        "cafile": "Where they speak TLS: certificates (PEM) that the others' come from, in place of the "
        "system's.",
        "lease": "Seconds of silence after which the others take over what a coordinator did.",
    },
    Telemetry: {
        "enabled": "Whether to export spans. Needs the extra `opentelemetry`; where to, and all else, the "
        "environment says: OTEL_EXPORTER_OTLP_ENDPOINT and the like.",
        "command_lines": "Whether spans tell programs' arguments, in which secrets may stand.",
    },
    Debug: {"routes": "Adds routes that crash parts of the coordinator by hand."},
    WorkerConfig: {
        **_CONNECTION,
        "slots": "How many jobs run here at once.",
        "resources": "Slots by named resource, such as a graphics card's encoder sessions: a job that asks "
        "for some takes them besides one of `slots`.",
        "labels": "What jobs may ask for, and what jobs with the same label like to run on.",
        "weight": "How much of the work this worker should get, compared to others.",
        "hours": "When it takes jobs; always, if nothing stands here.",
        "binaries": "Programs that jobs may run here: a name that is looked up on the PATH, or a path.",
        "paths": _PATHS,
        "mounts": "Mounts that these directories lie on. What lies on one that is gone, or does not "
        "answer, is not offered, and running jobs that need it move after a while.",
        "capabilities": "What this machine can do, beyond what is found out by itself.",
        "environment": "Variables that a program gets as its caller has them, and not as this machine; "
        "a * at the end stands for any rest.",
        "views": "auto: where bubblewrap works, programs find a client's directories under the client's "
        "names. never: paths are rewritten.",
        "run_as": "worker: programs run as the worker's user. caller: as the user and groups, by number, "
        "that their caller has; the worker must be root, and clients are believed.",
        "transports": "Downlinks, in order of preference.",
        "transport_settings": "A downlink's own settings, a table each.",
        "downlink_grace": "Seconds for which the downlink in use may fail before others go before it.",
        "registration_interval": "Seconds between two renewals of this worker's lease.",
        "drain_timeout": "Seconds that running jobs may take to end after the first SIGTERM.",
        "cache": "Folder for what is found out about programs, which later starts need not find out again. "
        "Without it the folder is `dffmpeg` in $XDG_CACHE_HOME, or the one that systemd gives.",
        "benchmark": "Whether this machine measures itself once, with a short encode while no job runs.",
        "substitutions": "Encoder to the encoder that stands in for it where it does not work here, so that "
        "a job that was written for other hardware runs here too. A table instead of a name also "
        "translates options.",
        "sandbox": "What jobs' programs may touch: the directories of the path variables that the job names, "
        "the system's libraries, fonts and certificates, graphics cards, and nothing else. `sandbox = "
        '"required"` alone is this table with nothing but its mode.',
        "limits": "What a job's program may use. Without a key there is no limit.",
        "cancel": "Seconds that each step of a cancelation may take before the next, harder one.",
        "output": "How output is sent to the coordinator, in bytes.",
        "telemetry": "Spans of attempts for an OpenTelemetry collector.",
    },
    Sandbox: {
        "mode": "auto: as far as this machine's kernel can; `dffmpeg-worker sandbox-check` tells how far. "
        "required: the worker does not start where files or network cannot be seen to. off: jobs may "
        "touch whatever their user may.",
        "network": "allow: a job whose command line names an address, such as https:, or that was submitted "
        "with --require protocol=https, gets the network. deny: such a job is not for this worker.",
        "read": "Further files and directories that every job may read; programs there may be started.",
        "write": "Further directories that every job may change.",
        "refuse_options": "Options of ffmpeg's with which a job is refused.",
    },
    ProgramLimits: {
        "cpu_time": "Seconds of processor time, of all its threads together.",
        "memory": "Bytes of memory of its own, as RLIMIT_DATA counts them.",
        "file_size": "Bytes of one file.",
        "output": "Bytes that it writes to its caller, standard output, standard error and further "
        "descriptors together; then it is ended.",
        "run_time": "Seconds after which it is ended; a job's own --run-timeout may be shorter.",
        "processes": "Processes and threads of the program's user, which must not be root.",
        "nice": "How much it gives way to others for the processor, from 0 to 19.",
        "io_class": "normal, or idle: it uses disks when nobody else does.",
    },
    Cancel: {
        "interrupt": "After SIGINT, on which ffmpeg finishes its file.",
        "terminate": "After SIGTERM; then SIGKILL.",
    },
    Output: {
        "window": "Of a stream, what is kept until the coordinator has it.",
        "chunk": "The most that is read at once.",
    },
    ClientConfig: {
        **_CONNECTION,
        "paths": _PATHS,
        "unmapped_paths": "What to do about a path that is there for the caller and that no mapping "
        "covers, so that a worker would look for it, or write it, somewhere else: "
        '"error" before the job starts, "warn", "ignore".',
        "transports": "Ways to follow a job, in order of preference.",
        "heartbeat_interval": "Seconds between a job's heartbeats.",
        "pending_timeout": "Seconds after which a job that no worker took is given up. "
        "Without it the coordinator decides.",
        "connect_timeout": "Seconds for which an unreachable coordinator is tried again.",
        "environment": "Variables that a job takes along from its caller; a * at the end is any rest.",
        "agent": "Whether stand-ins start an agent, which keeps the connection warm for the calls to come.",
        "agent_idle": "Seconds without a call after which an agent ends.",
        "job": "What is said of every job, the stand-ins' too; a flag of `submit` goes before it.",
        "submit": "What `dffmpeg-client submit` does of itself, and stand-ins do not.",
        "fallback": "Running the local program instead.",
    },
    Submit: {
        "probe_size": "Whether a local ffprobe looks at a job's inputs for how much work it is, where no "
        "--size is given.",
        "probe_timeout": "Seconds that this may take; then it is submitted without.",
    },
    JobDefaults: {
        "priority": "From -100 to 100, or the name of a class of the coordinator's; a higher one goes first.",
        "labels": "Words to find jobs by.",
        "require": "What the worker must have, beyond what the arguments say, such as label=gpu.",
        "max_attempts": "How often a job may be run when workers are lost.",
        "assignment_timeout": "Seconds in which a worker must accept it before another one gets it.",
        "lease": "Seconds of silence after which its worker has lost it.",
        "run_timeout": "Seconds after which an attempt that still runs ends as a failure.",
        "stall_timeout": "Seconds without output and without use of a processor after which it is run again.",
        "retry_exit_codes": "The program's exit codes on which it is run again.",
        "retry_stderr": "Regular expressions: it is run again if it fails and the end of stderr matches one.",
        "impossible": 'What becomes of a job that no known worker could ever run. "run": one that only lacks '
        "what its command asks of ffmpeg, a codec or a filter, runs and fails as it would locally. None: "
        '"run" for the stand-ins, "wait" for what is submitted.',
        "retention": "Seconds for which the finished job and its output are kept.",
        "hooks": "URLs that are told of each change of its state.",
    },
    Fallback: {
        "when": "never; unreachable: there is no coordinator; busy: also where no worker takes the job.",
        "after": "Seconds after which that is so.",
        "binaries": "Program to its path on this machine; others are looked up on the caller's PATH.",
    },
}

EXAMPLES: dict[tuple[type[Section], str], str] = {
    (CoordinatorConfig, "default_pending_timeout"): "default_pending_timeout = 600.0",
    (Database, "repositories"): '[database.repositories.auth]\nencryption_keys_file = "auth.keys"',
    (Transports, "transport_settings"): "[transports.transport_settings.mqtt]\n"
    'host = "broker.example"\nusername = "coordinator"\npassword_file = "mqtt.password"',
    (Timeouts, "run"): "run = 86400.0",
    (Timeouts, "stall"): "stall = 900.0",
    (Hooks, "allowed"): 'allowed = ["https://media.example/hooks/"]',
    (Hooks, "secret"): 'secret = "the output of openssl rand -hex 32"',
    (Security, "trusted_proxies"): 'trusted_proxies = ["192.168.0.2/32"]',
    (Security, "dashboard_origins"): 'dashboard_origins = ["https://media.example.org"]',
    (Security, "sign_in_networks"): 'sign_in_networks = ["0.0.0.0/0", "::/0"]',
    (Cluster, "advertise"): 'advertise = "http://10.0.0.1:8000"',
    (Cluster, "cafile"): 'cafile = "/etc/dffmpeg/authority.pem"',
    (Trust, "cafile"): 'cafile = "/etc/dffmpeg/authority.pem"',
    (Trust, "certfile"): 'certfile = "/etc/dffmpeg/client.pem"',
    (Trust, "keyfile"): 'keyfile = "/etc/dffmpeg/client-key.pem"',
    (Tls, "certfile"): 'certfile = "/etc/dffmpeg/coordinator.pem"',
    (Tls, "keyfile"): 'keyfile = "/etc/dffmpeg/coordinator-key.pem"',
    (Tls, "client_cafile"): 'client_cafile = "/etc/dffmpeg/clients.pem"',
    (Cluster, "secret"): 'secret = "the output of openssl rand -hex 32"',
    (Scheduling, "reserved"): "high = 2",
    (Scheduling, "reserved_resources"): "[scheduling.reserved_resources.high]\nnvenc = 1",
    (Scheduling, "requesters"): "[scheduling.requesters.alice]\nrunning = 10",
    (Scheduling, "labels"): "[scheduling.labels.nightly]\nrunning = 4",
    (JobLimit, "running"): "running = 20",
    (JobLimit, "queued"): "queued = 1000",
    (WorkerConfig, "resources"): "nvenc = 3",
    (WorkerConfig, "hours"): 'hours = "mon-fri 22:00-06:00; sat,sun 00:00-24:00 Europe/Berlin"',
    (WorkerConfig, "cache"): 'cache = "/var/cache/dffmpeg"',
    (WorkerConfig, "substitutions"): 'h264_qsv = "h264_nvenc"\n'
    'hevc_qsv = { use = "hevc_nvenc", options = { global_quality = "cq", look_ahead = "" } }',
    (WorkerConfig, "transport_settings"): "[transport_settings.mqtt]\n"
    'host = "broker.example"\nusername = "worker1"\npassword_file = "mqtt.password"',
    (WorkerConfig, "paths"): 'Movies = "/srv/media/movies"\n'
    'Originals = { path = "/srv/media/originals", mode = "ro" }',
    (ProgramLimits, "cpu_time"): "cpu_time = 360000.0",
    (ProgramLimits, "memory"): "memory = 17179869184",
    (ProgramLimits, "file_size"): "file_size = 1099511627776",
    (ProgramLimits, "output"): "output = 10737418240",
    (ProgramLimits, "run_time"): "run_time = 86400.0",
    (ProgramLimits, "processes"): "processes = 1000",
    (WorkerConfig, "mounts"): '[mounts.NAS]\npath = "/srv/media"\nread = "movies/.present"\nrecover = true',
    (ClientConfig, "paths"): 'Movies = "/mnt/media/movies"',
    (Fallback, "binaries"): 'ffmpeg = "/usr/bin/ffmpeg"',
    (JobDefaults, "priority"): "priority = 10",
    (JobDefaults, "max_attempts"): "max_attempts = 3",
    (JobDefaults, "assignment_timeout"): "assignment_timeout = 30.0",
    (JobDefaults, "lease"): "lease = 60.0",
    (JobDefaults, "run_timeout"): "run_timeout = 36000.0",
    (JobDefaults, "stall_timeout"): "stall_timeout = 300.0",
    (JobDefaults, "retention"): "retention = 86400.0",
    (JobDefaults, "impossible"): 'impossible = "wait"',
    (ClientConfig, "pending_timeout"): "pending_timeout = 600.0",
}
"""How a key without a default, or with an empty one, is written."""

PLACEHOLDERS = {
    "coordinator_url": "http://127.0.0.1:8000",
    "client_id": "",
    "hmac_key": "",
}
"""What stands at a required key until somebody fills it in."""
