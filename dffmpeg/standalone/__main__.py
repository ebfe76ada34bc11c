import sys

from dffmpeg.standalone.main import main

sys.exit(main())
