"""``nuke -t``, as far as the double goes: runs the plugin's command line. Standard library, Python 3.7."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.hosts.nuke_double import double

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background has it ignored
    double.install(version="13.2v1", gui=False)
    from overscan_nuke.__main__ import main

    code = main(sys.argv[1:])
    double.uninstall()
    sys.exit(code)
