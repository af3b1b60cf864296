"""Notices when the host has gone without saying so."""

from __future__ import annotations

import ctypes
import os
import sys

_SYNCHRONIZE = 0x00100000
_WAIT_TIMEOUT = 0x00000102


def process_is_there(pid: int) -> bool:
    """Whether a process with this id runs."""
    if sys.platform == "win32":
        kernel = ctypes.windll.kernel32
        handle = kernel.OpenProcess(_SYNCHRONIZE, False, pid)
        if not handle:
            return False
        try:
            return bool(kernel.WaitForSingleObject(handle, 0) == _WAIT_TIMEOUT)
        finally:
            kernel.CloseHandle(handle)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True
