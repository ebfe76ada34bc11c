"""Mounting something again, through systemd."""

from __future__ import annotations

import os

import trio

from dffmpeg.actors.worker.ability_cache import resolve
from dffmpeg.actors.worker.processes.actor import Processes
from dffmpeg.actors.worker.processes.launches import STANDARD_DESCRIPTORS, CannotStart, Command
from dffmpeg.model.mounts import Recovered, recovery_outcome

RESTART_SECONDS = 120.0
"""How long systemctl may take: to unmount what hangs takes systemd up to 90 s by default."""

_MOST_BYTES = 4096


async def restart(processes: Processes, unit: str) -> Recovered:
    """Restart a mount's unit, and wait for that; whether it helped is not looked at here."""
    systemctl = resolve("systemctl")
    if systemctl is None:
        return Recovered("refused", "there is no systemctl(1) here")
    words = (b"--no-ask-password", b"restart", b"--", os.fsencode(unit))
    command = Command(systemctl, words, directory=b"/", descriptors=STANDARD_DESCRIPTORS)
    said, code = bytearray(), None
    try:
        with trio.move_on_after(RESTART_SECONDS):
            async with processes.running(command) as process, trio.open_nursery() as nursery:
                for number in (1, 2):
                    nursery.start_soon(_collect, process.outputs[number], said)
                await process.exited.wait()
                code = process.exit.code
                # What it left behind may keep its streams open.
                nursery.cancel_scope.cancel()
    except CannotStart as reason:
        return Recovered("refused", str(reason))
    return recovery_outcome(code, said.decode("utf-8", "replace"))


async def _collect(stream: trio.abc.ReceiveStream, said: bytearray) -> None:
    while data := await stream.receive_some(_MOST_BYTES):
        said += data[: _MOST_BYTES - len(said)]
