import sys

from dffmpeg.worker.main import main

sys.exit(main())
