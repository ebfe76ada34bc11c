"""What a program writes arrives as it was written, whatever it is and however much."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

from tests.cluster.kit import Cluster

pytestmark = pytest.mark.cluster

WRITER = """#!{python}
import os, sys, hashlib
what = sys.argv[1]

def put(fd, data):
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view):]

if what == "lines":
    line = b"frame=%d fps=25 q=28.0 size=%dkB time=00:00:01.00 speed=1x\\n"
    put(2, b"".join(line % (n, n) for n in range(100_000)))
elif what == "binary":
    block = bytes(range(256)) * 256
    for n in range(800):
        put(1, hashlib.sha256(b"%d" % n).digest() + block[32:])
elif what == "odd":
    put(2, b"caf\\xe9 \\xff\\xfe\\r progress\\r" + b"x" * 300_000 + b"\\n\\x00\\x1b[31mred\\n no end")
    put(1, b"\\xc3\\x28")
sys.exit(7)
"""


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    writer = tmp_path / "writer"
    writer.write_text(WRITER.format(python=sys.executable))
    writer.chmod(0o755)
    return Cluster(tmp_path, "--binary", f"ffmpeg={writer}")


def test_identical_at_the_client(cluster: Cluster, tmp_path: Path) -> None:
    from subprocess import run

    with cluster:
        for what in ("lines", "binary", "odd"):
            local = run([tmp_path / "writer", what], capture_output=True, check=False)
            remote = cluster.run(what)
            assert remote.returncode == local.returncode == 7
            assert hashlib.sha256(remote.stdout).digest() == hashlib.sha256(local.stdout).digest(), what
            assert hashlib.sha256(remote.stderr).digest() == hashlib.sha256(local.stderr).digest(), what
            assert (len(remote.stdout), len(remote.stderr)) == (len(local.stdout), len(local.stderr))
