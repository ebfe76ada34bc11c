"""What monitoring sees of the moment in which it asks: out of rows, the scheduler's board, and the tree.

What is about the cluster (jobs, workers, the queue) each coordinator says the same of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder

from dffmpeg import __version__
from dffmpeg.model.alerts import Kind
from dffmpeg.model.jobs import LIVE, JobState
from dffmpeg.model.workers import WorkerState
from dffmpeg.supervisors.tree import ChildKind, ChildState, TreeNode

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

    from dffmpeg.actors.coordinator.measurements import Measurements
    from dffmpeg.actors.coordinator.services import Services
    from dffmpeg.model.scheduling.board import Board
    from dffmpeg.store import Store
    from dffmpeg.store.tallies import Tallied

WAITING = frozenset({JobState.PENDING, *LIVE})


async def gauges(services: Services) -> list[Metric]:
    """All of them but the tree's.

    Raises:
        StoreUnavailable: the database cannot be asked.
    """
    store = services.store
    depth = await store.jobs.depth(WAITING)
    return [
        _build(),
        _subscribers(services.events.subscribers),
        _jobs(services.measurements, depth),
        *_workers(services.backlog.board),
        *_databases(store),
        await _alerts(services),
    ]


def exposition(measurements: Measurements, found: Iterable[Metric], accept: str) -> tuple[bytes, str]:
    """Everything as text.

    Args:
        found: what was read besides.
        accept: of the request; decides between the text format and OpenMetrics.

    Returns:
        The text and its content type.
    """
    encode, content_type = choose_encoder(accept)
    return encode(_All(measurements.registry, list(found))), content_type


class _All:
    """What an encoder asks of a registry."""

    def __init__(self, counted: Collector, found: list[Metric]) -> None:
        self._counted = counted
        self._found = found

    def collect(self) -> Iterator[Metric]:
        yield from self._counted.collect()
        yield from self._found


def database_up(*, up: bool) -> Metric:
    """Whether the database can be asked."""
    family = GaugeMetricFamily("dffmpeg_database_up", "1 while the database answers")
    family.add_metric([], up)
    return family


def _build() -> Metric:
    build = GaugeMetricFamily("dffmpeg_build_info", "The coordinator's version", labels=["version"])
    build.add_metric([__version__], 1)
    return build


def _subscribers(number: int) -> Metric:
    family = GaugeMetricFamily("dffmpeg_event_subscribers", "Who follow the change feed")
    family.add_metric([], number)
    return family


async def _alerts(services: Services) -> Metric:
    topic = services.dashboard.alerts
    await topic.bring_up_to_date()
    family = GaugeMetricFamily("dffmpeg_alerts", "What somebody should look at", labels=["kind"])
    numbers = dict.fromkeys(get_args(Kind), 0)
    for alert in topic.alerts:
        numbers[alert.kind] += 1
    for kind, number in numbers.items():
        family.add_metric([kind], number)
    return family


def _jobs(measurements: Measurements, depth: Mapping[tuple[JobState, int], int]) -> Metric:
    numbers: dict[tuple[str, str], int] = {}
    for (state, priority), number in depth.items():
        key = (state.value, measurements.class_of(priority))
        numbers[key] = numbers.get(key, 0) + number
    jobs = GaugeMetricFamily(
        "dffmpeg_jobs", "Jobs in the cluster that have not ended", labels=["state", "class"]
    )
    for key, number in sorted(numbers.items()):
        jobs.add_metric(key, number)
    return jobs


def _workers(board: Board) -> list[Metric]:
    states = GaugeMetricFamily("dffmpeg_workers", "Workers in the cluster", labels=["state"])
    slots = GaugeMetricFamily("dffmpeg_worker_slots", "Jobs that a worker takes at once", labels=["worker"])
    used = GaugeMetricFamily("dffmpeg_worker_slots_used", "Jobs that a worker has", labels=["worker"])
    strikes = GaugeMetricFamily(
        "dffmpeg_worker_strikes", "Failures of a worker's own in a row", labels=["worker"]
    )
    queue = GaugeMetricFamily("dffmpeg_queue_paused", "1 while no job is given to any worker")
    queue.add_metric([], board.paused)
    numbers = dict.fromkeys([*(state.value for state in WorkerState), "held"], 0)
    for worker_id, node in board.pool.nodes.items():
        numbers[node.worker.state.value] += 1
        numbers["held"] += node.worker.hold is not None
        if node.worker.state is not WorkerState.OFFLINE:
            slots.add_metric([worker_id], node.worker.slots)
            used.add_metric([worker_id], node.load.used)
            strikes.add_metric([worker_id], node.worker.strikes)
    for state, number in numbers.items():
        states.add_metric([state], number)
    return [states, slots, used, strikes, queue]


def _databases(store: Store) -> list[Metric]:
    commits = HistogramMetricFamily(
        "dffmpeg_database_commit_seconds", "How long a transaction took, its commit included", labels=["of"]
    )
    groups = HistogramMetricFamily(
        "dffmpeg_database_group_operations", "Operations that shared a commit", labels=["of"]
    )
    reads = HistogramMetricFamily(
        "dffmpeg_database_read_seconds", "From asking for a query until its result was there", labels=["of"]
    )
    waiting = GaugeMetricFamily(
        "dffmpeg_database_writes_waiting", "Operations that wait for their commit", labels=["of"]
    )
    for name, database in store.databases.items():
        statistics = database.writer.statistics()
        for family, tallied in (
            (commits, statistics.seconds),
            (groups, statistics.groups),
            (reads, database.read_times),
        ):
            family.add_metric([name], _cumulated(tallied), tallied.total)
        waiting.add_metric([name], statistics.waiting)
    return [commits, groups, reads, waiting]


def _cumulated(tallied: Tallied) -> list[tuple[str, float]]:
    bounds = [*(repr(float(bound)) for bound in tallied.bounds), "+Inf"]
    sums: list[tuple[str, float]] = []
    so_far = 0
    for bound, number in zip(bounds, tallied.counts, strict=True):
        so_far += number
        sums.append((bound, so_far))
    return sums


def actors(tree: TreeNode) -> list[Metric]:
    """What the supervision tree is like. Children that come and go (jobs, workers) are one series."""
    up = GaugeMetricFamily("dffmpeg_actor_up", "1 while the actor runs", labels=["actor"])
    restarts = CounterMetricFamily("dffmpeg_actor_restarts", "Since its supervisor began", labels=["actor"])
    depth = GaugeMetricFamily(
        "dffmpeg_mailbox_messages",
        "Messages that wait; of children, in the fullest mailbox",
        labels=["actor"],
    )
    room = GaugeMetricFamily("dffmpeg_mailbox_capacity", "Messages that may wait", labels=["actor"])
    children = GaugeMetricFamily(
        "dffmpeg_actor_children", "Children of a dynamic supervisor", labels=["actor"]
    )
    for path, node in _walk(tree, ""):
        up.add_metric([path], node.state is ChildState.RUNNING)
        dynamic = node.kind is ChildKind.DYNAMIC_SUPERVISOR
        below = node.children if dynamic else ()
        restarts.add_metric([path], node.restarts + sum(child.restarts for child in below))
        if dynamic:
            children.add_metric([path], len(below))
        if dynamic or node.mailbox_capacity:
            fullest = max([node, *below], key=lambda one: one.mailbox_depth)
            depth.add_metric([path], fullest.mailbox_depth)
            room.add_metric([path], fullest.mailbox_capacity)
    return [up, restarts, depth, room, children]


def _walk(node: TreeNode, above: str) -> Iterator[tuple[str, TreeNode]]:
    path = f"{above}/{node.id}" if above else node.id
    yield path, node
    if node.kind is not ChildKind.DYNAMIC_SUPERVISOR:
        for child in node.children:
            yield from _walk(child, path)
