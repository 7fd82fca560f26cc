"""The fence of one node: `python3 -m flocker.fence`, started by systemd."""

import sys

from flocker.fence.fence import main

sys.exit(main())
