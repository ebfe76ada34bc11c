"""`dffmpeg-admin queue …`."""

from __future__ import annotations

import argparse

from dffmpeg import tables
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


def in_words(state: QueueState) -> str:
    """What a person wants to know of it, on one line."""
    if not state.paused:
        return "open"
    since = tables.moment(state.changed_at)
    return f"paused by {state.changed_by} since {since}" + (f": {state.reason}" if state.reason else "")


def _answer(options: argparse.Namespace, state: QueueState) -> None:
    answer(options, state, f"the queue is {in_words(state)}")
