"""`dffmpeg-admin queue …`."""

from __future__ import annotations

import argparse

from dffmpeg import summaries
from dffmpeg.admin.output import answer
from dffmpeg.admin.reaching import Cluster
from dffmpeg.wire.scheduling import QueueState


async def show(options: argparse.Namespace, cluster: Cluster) -> None:
    """Whether jobs are given to workers."""
    _answer(options, await cluster.queue())


async def pause(options: argparse.Namespace, cluster: Cluster) -> None:
    """Give no more jobs to workers."""
    _answer(options, await cluster.pause_queue(options.reason))


async def resume(options: argparse.Namespace, cluster: Cluster) -> None:
    """Give jobs to workers again."""
    _answer(options, await cluster.resume_queue())


def _answer(options: argparse.Namespace, state: QueueState) -> None:
    answer(options, state, f"the queue is {summaries.queue_line(state)}")
