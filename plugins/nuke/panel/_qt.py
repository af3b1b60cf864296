"""Qt as the host has it: PySide6 in Nuke 16 and later, PySide2 before. The only module that imports either."""

from __future__ import annotations

import importlib
import sys
from typing import Any


def _binding() -> str:
    for name in ("PySide6", "PySide2"):
        if name in sys.modules:
            return name
    for name in ("PySide6", "PySide2"):
        try:
            importlib.import_module(name + ".QtWidgets")
        except ImportError:
            continue
        return name
    raise ImportError("Overscan's panel needs PySide6 or PySide2, and this Python has neither.")


BINDING = _binding()
"""``PySide6`` or ``PySide2``."""

# Untyped: the two bindings' stubs differ, and neither is installed where types are checked.
QtCore: Any = importlib.import_module(BINDING + ".QtCore")
QtGui: Any = importlib.import_module(BINDING + ".QtGui")
QtWidgets: Any = importlib.import_module(BINDING + ".QtWidgets")

Qt: Any = QtCore.Qt
Signal: Any = QtCore.Signal
