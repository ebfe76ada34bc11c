"""For every test."""

import os
import signal

# What starts the tests may have signals ignored (nohup, a script's background job), and
# programs inherit that; the tests send these to programs that they start.
for _number in (signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT):
    signal.signal(_number, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)

# A stand-in would start an agent that outlives its test; those that are about agents say so.
os.environ["DFFMPEG_NO_AGENT"] = "1"
