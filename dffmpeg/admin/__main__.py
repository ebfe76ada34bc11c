import sys

from dffmpeg.admin.main import main

sys.exit(main())
