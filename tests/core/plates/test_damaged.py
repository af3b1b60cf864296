"""Files that were made to break EXR readers end in a clear error, quickly and in little memory."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

READ_ALL = """
import json, resource, sys, time
from pathlib import Path
from overscan.core.errors import OverscanError
from overscan.core.plates import read_frame
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
for path in sorted(Path(sys.argv[1]).iterdir()):
    print("begin", path.name, flush=True)
    begin = time.monotonic()
    try:
        frame = read_frame(path, number=7)
        code, message, where, number = "READ", "", "", 7
    except OverscanError as error:
        record = error.record
        code, message, where, number = record.code, record.message, record.path, record.frame
    # Not ru_maxrss: that counts what the parent held when it started this process.
    peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) // 1024
    print("end", json.dumps([path.name, code, message, where, number, time.monotonic() - begin, peak]), flush=True)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="measures memory in /proc")
def test_every_damaged_file_is_refused_in_bounded_time_and_memory(shared_data):
    folder = shared_data / "openexr-images" / "Damaged"
    done = subprocess.run([sys.executable, "-c", READ_ALL, str(folder)], capture_output=True, text=True, timeout=120)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, f"the reader died at {lines[-1] if lines else 'start'}: {done.stderr[-500:]}"
    results = [json.loads(line[4:]) for line in lines if line.startswith("end ")]
    assert len(results) == len(list(folder.iterdir())) >= 93
    for name, code, message, where, number, seconds, megabytes in results:
        assert code in ("UNREADABLE_IMAGE", "UNSUPPORTED_IMAGE"), (name, code)
        assert message.endswith(".") and len(message) < 500, name
        assert (where, number) == (str(folder / name), 7)
        assert seconds < 10, (name, seconds)
        assert megabytes < 500, (name, megabytes)
