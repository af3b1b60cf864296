"""What is told to be written is on the disk itself: the order of calls to the system, as it sees them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from filming import rgb, scene, write

_CALLS = re.compile(r"(?P<call>fsync|fdatasync|rename|renameat|renameat2|link|linkat)\((?P<arguments>.*)\) += 0")
_WRITES = """
import sys
from pathlib import Path
import numpy as np
sys.path.insert(0, {tests!r})
from filming import rgb, scene, write
from overscan.core.plates import read_frame, write_frame
from overscan.core.temporaries import written_beside
source, target, small = map(Path, sys.argv[1:])
frame = read_frame(source, number=1)
write_frame(frame, path=target, overwrite=True, owner="job-1")
with written_beside(small, owner="job") as temporary:
    temporary.write_text("whole")
"""


def calls(log: Path) -> list[tuple[str, str]]:
    """Names of calls that succeeded and what they were about, in order."""
    found = []
    for line in log.read_text().splitlines():
        match = _CALLS.search(line)
        if match:
            found.append((match["call"], match["arguments"]))
    return found


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace: apt install strace")
def test_files_are_flushed_before_they_get_their_name_and_folders_after(tmp_path: Path) -> None:
    source = tmp_path / "plate.0001.exr"
    write(source, rgb(scene(8, 12, seed=1)))
    target, small = tmp_path / "out" / "frame.0001.exr", tmp_path / "work" / "record.json"
    target.parent.mkdir()
    log = tmp_path / "strace"
    tests = str(Path(__file__).parents[1])
    done = subprocess.run(
        [
            *("strace", "-f", "-y", "-o", str(log)),
            *("-e", "trace=fsync,fdatasync,rename,renameat,renameat2,link,linkat"),
            *(sys.executable, "-c", _WRITES.format(tests=tests), str(source), str(target), str(small)),
        ],
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ),
    )
    if "ptrace" in done.stderr:
        pytest.skip("may not trace here")
    assert done.returncode == 0, done.stderr
    for path in (target, small):
        order = [
            (call, arguments)
            for call, arguments in calls(log)
            if f"{path.parent}/" in arguments or f"{path.parent}>" in arguments
        ]
        named = next(
            index for index, (call, arguments) in enumerate(order) if call != "fsync" and path.name in arguments
        )
        temporary = re.findall(r'"([^"]+)"', order[named][1])[0]
        assert ("fsync", temporary) in [(call, _file(arguments)) for call, arguments in order[:named]], order
        assert ("fsync", str(path.parent)) in [(call, _file(arguments)) for call, arguments in order[named + 1 :]], (
            order
        )


def _file(arguments: str) -> str:
    """The file of a call on a descriptor, which strace writes as ``3</the/file>``."""
    found = re.search(r"<([^>]+)>", arguments)
    return found[1] if found else ""
