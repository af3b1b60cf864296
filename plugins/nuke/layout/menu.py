"""Overscan for Nuke. Nuke runs this when it starts with a window, after init.py.

Every Python that any Nuke has must be able to read it, 2.7 included, and it must never stop Nuke from starting.
"""

import sys
import traceback

try:
    if "overscan_nuke" in sys.modules:
        from overscan_nuke import _menu

        _menu.add_menus()
except Exception:
    sys.stderr.write("[overscan] could not make its menu; Nuke goes on without it. Run `overscan doctor --nuke`.\n")
    traceback.print_exc()
