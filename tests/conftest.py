"""For every test."""

import atexit
import os
import shutil
import signal
import tempfile

from tests.servers.marks import servers_are_there

__all__ = ["servers_are_there"]

# What starts the tests may have signals ignored (nohup, a script's background job), and
# programs inherit that; the tests send these to programs that they start.
for _number in (signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT):
    signal.signal(_number, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)

# A stand-in would start an agent that outlives its test; those that are about agents say so.
os.environ["DFFMPEG_NO_AGENT"] = "1"

# What workers find out about programs is kept, for all tests together, and not in the user's own folder.
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="dffmpeg-cache-")
atexit.register(shutil.rmtree, os.environ["XDG_CACHE_HOME"], ignore_errors=True)
