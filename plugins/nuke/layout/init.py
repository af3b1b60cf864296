"""Overscan for Nuke. Nuke runs this when it starts, with a window or without one.

Every Python that any Nuke has must be able to read it, 2.7 included, and it must never stop Nuke from starting.
"""

import os
import sys
import traceback

try:
    _folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "python")  # noqa: PTH100, PTH118, PTH120
    if sys.version_info[:2] < (3, 7):  # noqa: UP036
        sys.stderr.write("[overscan] needs Nuke 13 or later; this one is too old, so Overscan stays out of it.\n")
    elif "overscan_nuke" in sys.modules:
        sys.stderr.write("[overscan] " + _folder + " is not used: another Overscan was loaded before.\n")
    else:
        sys.path.insert(0, _folder)
        from overscan_nuke import _menu

        _menu.start()
except Exception:
    sys.stderr.write("[overscan] could not be loaded; Nuke goes on without it. Run `overscan doctor --nuke`.\n")
    traceback.print_exc()
