import sys

from dffmpeg.coordinator.main import main

sys.exit(main())
