import sys

from dffmpeg.client.main import main

sys.exit(main())
