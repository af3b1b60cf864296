# ruff: noqa: T201, UP031, UP036
"""Workspace > Scripts > Overscan > Extend Clip to Timeline Format."""

import sys

if sys.version_info < (3, 7):
    print("[overscan] Resolve runs this with Python %d.%d; Overscan needs Python 3.7 or later." % sys.version_info[:2])
else:
    sys.path.insert(0, "@OVERSCAN_FOLDER@")
    from overscan_resolve import launch

    launch.run("extend", globals())
