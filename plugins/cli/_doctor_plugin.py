"""What `overscan doctor` looks at in every host's plugin: its folder, and whether the bridge starts inside a host."""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from overscan.cli import _layout
from overscan.cli._doctor import Check, Verdict
from overscan.cli._words import plural
from overscan.client import ServiceError

_BRIDGE_SECONDS = 60.0

_HOSTILE = {
    "PYTHONHOME": "/nowhere/host/python",
    "PYTHONPATH": "/nowhere/host/site-packages",
    "PYTHONSTARTUP": "/nowhere/startup.py",
    "LD_LIBRARY_PATH": "/nowhere/host",
    "QT_PLUGIN_PATH": "/nowhere/host/qtplugins",
    "NUKE_PATH": "/nowhere/nuke/path",
}
"""What hosts and pipelines put into the environment of what they start; each would break another Python."""


def layout_checks(folder: Path, command: str) -> tuple[_layout.Layout | None, list[Check]]:
    """The layout in a folder, if there is one, and what is wrong with it; `command` lays it down again."""
    name, again = f"plugin in {folder}", f"Install it again: {command}"
    try:
        layout = _layout.read_layout(folder)
    except ServiceError as error:
        problem = error.problems[0]
        return None, [Check(name=name, verdict=Verdict.FAIL, message=problem.message, next_step=problem.next_step)]
    if layout is None:
        return None, []
    found = []
    missing = [file for file in layout.digests if layout.state_of(file) == "missing"]
    changed = [file for file in layout.digests if layout.state_of(file) == "changed"]
    if missing:
        message = f"{plural(len(missing), 'file')} missing, e.g. {missing[0]}"
        found.append(Check(name=name, verdict=Verdict.FAIL, message=message, next_step=again))
    elif changed:
        message = f"{plural(len(changed), 'file')} changed since it was installed, e.g. {changed[0]}"
        found.append(Check(name=name, verdict=Verdict.WARN, message=message, next_step=again))
    else:
        found.append(Check(name=name, verdict=Verdict.OK, message=f"all {len(layout.digests)} files are as installed"))
    ours = version("overscan")
    if layout.version != ours:
        message = f"it is {layout.version}, this command is {ours}"
        found.append(Check(name=f"version of the {name}", verdict=Verdict.WARN, message=message, next_step=again))
    else:
        found.append(Check(name=f"version of the {name}", verdict=Verdict.OK, message=ours))
    return layout, found


def bridge_checks(layouts: list[_layout.Layout]) -> Iterator[Check]:
    """Start the bridge as a host does, with all that hosts put into the environment."""
    from overscan_host import PROTOCOL, Bridge, BridgeError, CallbackQueue, clean_environment, installation

    tried: list[_layout.Layout | None] = [*layouts] or [None]
    for layout in tried:
        where = str(layout.folder) if layout else "this command"
        name = "bridge" if len(layouts) < 2 else f"bridge of {where}"
        try:
            command = list(installation(layout.folder).command) if layout else _layout.bridge_command()
        except BridgeError as error:
            yield Check(name=name, verdict=Verdict.FAIL, message=error.message, next_step=error.next_step)
            continue
        with tempfile.TemporaryDirectory(prefix="overscan-doctor-") as folder:
            bridge = Bridge(
                command=command,
                host="doctor",
                host_version=version("overscan"),
                plugin_version=layout.version if layout else version("overscan"),
                queue=CallbackQueue(lambda: None),
                log_path=Path(folder) / "bridge.log",
                environment=clean_environment({**os.environ, **_HOSTILE}),
            )
            try:
                status = bridge.request("service.status", timeout_seconds=_BRIDGE_SECONDS)
            except BridgeError as error:
                yield Check(name=name, verdict=Verdict.FAIL, message=error.message, next_step=error.next_step)
                continue
            finally:
                bridge.close()
        yield Check(name=name, verdict=Verdict.OK, message=f"starts inside a host's environment: {shlex.join(command)}")
        yield Check(name="protocol", verdict=Verdict.OK, message=f"{PROTOCOL}, the same on both sides")
        running = isinstance(status, dict) and bool(status.get("address"))
        said = f"runs at {status['address']}" if running else "does not run; the first job starts it"
        yield Check(name="service", verdict=Verdict.OK, message=said)
