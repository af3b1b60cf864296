"""Nodes without a window: from ``nuke -t``, from Nuke's own Python, and on a farm."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nuke
from overscan_host import BridgeError, exit_codes, frames_from_text, frames_to_text
from overscan_nuke import _follow, _inside, _knobs, _run, _session
from overscan_nuke._handover import frames_on_disk
from overscan_nuke._migration import migrate
from overscan_nuke._refusals import StoppedError, refuse
from overscan_nuke._state import RUNNING, Version, frames_done, remember, shown_version, version_named
from overscan_nuke._steps import Ask, Steps, run_through
from overscan_nuke._words import error_words, progress_words

_POLL_SECONDS = 0.2
_TELL_SECONDS = 5.0


@dataclass(frozen=True)
class Options:
    """What a batch run is asked to do."""

    script: str
    node: str
    frames: str = ""
    """Frames of the result, by their numbers in the script; empty for what the node says."""
    version: str = "new"
    """``new``, or ``current``: finish the version that the script shows."""
    timeout_seconds: float = 0.0
    """Longest that the jobs may take; 0 for any time. They are cancelled then, and finished frames stay."""
    save: str = ""
    """Where to save the script with the new version in it; empty for not at all."""


def main(arguments: list[str]) -> int:
    """``render SCRIPT --node NAME [--frames …] [--version new|current] [--timeout …] [--save …]``; the exit code."""
    parser = argparse.ArgumentParser(prog="overscan_nuke")
    commands = parser.add_subparsers(dest="command", required=True)
    render = commands.add_parser("render", help="run an Overscan node of a script and wait for its frames")
    render.add_argument("script", help="the .nk file")
    render.add_argument("--node", required=True, help="name of the Overscan node, e.g. Extend1 or Group1.Extend1")
    render.add_argument("--frames", default="", help="e.g. 1001-1100 or 1001-1100x2,1200; else what the node says")
    render.add_argument("--version", choices=("new", "current"), default="new",
                        help="new: a new version (default); current: finish the one that the script shows")  # fmt: skip
    render.add_argument("--timeout", type=_seconds, default=0.0, metavar="TIME",
                        help="cancel after e.g. 90s, 30m or 2h; finished frames stay")  # fmt: skip
    render.add_argument("--save", default="", metavar="FILE", help="save the script with the new version here")
    try:
        given = parser.parse_args(arguments)
    except SystemExit as end:
        return int(end.code or 0)
    options = Options(given.script, given.node, given.frames, given.version, given.timeout, given.save)
    return render_script(options)


def render_script(options: Options) -> int:
    """Open a script, run a node of it, and wait for the frames. Returns the exit code; says on stderr what is wrong."""
    try:
        if not Path(options.script).is_file():
            raise refuse("USAGE", f"There is no script {options.script}.", "Correct the path.")
        nuke.scriptOpen(str(Path(options.script).resolve()))
        node: Any = nuke.toNode(options.node)
        if node is None or not _knobs.is_overscan(node):
            names = ", ".join(one.fullName() for one in _knobs.our_nodes()) or "none"
            raise refuse("USAGE", f"The script has no Overscan node called {options.node}.",
                         f"There are: {names}.")  # fmt: skip
        if not migrate(node):
            raise refuse("UNSUPPORTED", "The node was made with a newer Overscan.", "Update Overscan here.")
        return render_node(node, options)
    except BridgeError as error:
        _tell(f"overscan: {error_words(error)}")
        return exit_codes.exit_code(error.code)
    except StoppedError:
        return exit_codes.INTERRUPTED
    except KeyboardInterrupt:
        _tell("overscan: stopped; the job was cancelled and finished frames are kept")
        return exit_codes.INTERRUPTED
    except (RuntimeError, OSError) as error:  # Nuke's own, such as a script that cannot be read
        _tell(f"overscan: {error}")
        return exit_codes.INTERNAL
    finally:
        _follow.forget_all()
        _session.close()


def render_node(node: Any, options: Options) -> int:
    """Run a node of the open script and wait for the frames; the exit code. Raises `BridgeError`."""
    if options.frames:
        with _knobs.quietly():
            node["overscan_range"].setValue("custom")
            node["overscan_frames"].setValue(options.frames)
    bridge = _session.bridge()
    steps = _current_steps(node) if options.version == "current" else _run.generate_steps(node)
    version: Version = run_through(steps, bridge=bridge)
    try:
        _wait(node, version.name, options.timeout_seconds)
    except (KeyboardInterrupt, TimeoutError) as stopped:
        run_through(_run.cancel_steps(node), bridge=bridge)
        if isinstance(stopped, KeyboardInterrupt):
            raise
        raise refuse(
            "CANCELLED",
            f"The time limit of {options.timeout_seconds:g} s is over; the jobs were cancelled.",
            "Give more time; --version current goes on from the finished frames.",
        ) from stopped
    if options.save:
        nuke.scriptSaveAs(options.save, overwrite=1)
    return _outcome(node, version.name)


def _current_steps(node: Any) -> Steps:
    """Bring the version that the script shows to its end: watch it, retry it, or make what is missing of it."""
    version = shown_version(node)
    if version is None:
        raise refuse("USAGE", "The node has no version yet.", "Run it with --version new.")
    for job in version.jobs:
        try:
            known = yield Ask("job.get", {"job_id": job.job_id})
        except BridgeError as error:
            if error.code != "UNKNOWN_JOB":
                raise
            version = yield from _made_again(node, version, job.view)
            continue
        state = str(known.get("state", ""))
        if state in ("failed", "cancelled"):
            yield Ask("job.retry", {"job_id": job.job_id})
            state = "queued"
        version = version.with_job(replace(job, state=state, done=frames_done(known)))
    remember(node, version)
    _inside.refresh(node)
    return version


def _made_again(node: Any, version: Version, view: str) -> Steps:
    """A job for what is missing of a version that another machine's service has begun."""
    job = next(one for one in version.jobs if one.view == view)
    path = version.path.replace("%V", view).replace("%v", view[:1])
    there = set(frames_on_disk(path))
    missing = sorted(set(frames_from_text(version.frames)) - there)
    if not missing:
        return version.with_job(replace(job, state="succeeded", done=tuple(sorted(there))))
    answer = yield from _run.create_again(node, version, view, frames_to_text(missing))
    newer = replace(job, job_id=str(answer["id"]), state="queued", number=0, done=tuple(sorted(there)))
    return replace(version, jobs=tuple(newer if one is job else one for one in version.jobs))


def _wait(node: Any, name: str, timeout_seconds: float) -> None:
    """Run what the bridge tells until the version has ended. Raises TimeoutError."""
    own = _session.session()
    end = time.monotonic() + timeout_seconds if timeout_seconds else None
    told = 0.0
    version = version_named(node, name)
    assert version is not None
    _follow.follow(node, version)
    while version is not None and any(job.state in RUNNING for job in version.jobs):
        if end is not None and time.monotonic() > end:
            raise TimeoutError
        own.woken.wait(_POLL_SECONDS)
        own.woken.clear()
        own.queue.drain()
        if time.monotonic() - told > _TELL_SECONDS:
            told = time.monotonic()
            _tell(str(_knobs.get(node, "progress")).split("\n")[0])
        version = version_named(node, name)


def _outcome(node: Any, name: str) -> int:
    version = version_named(node, name)
    assert version is not None
    _tell(progress_words(version))
    if version.state == "succeeded":
        sys.stdout.write(f"{version.path}\n")
        return exit_codes.DONE
    if version.state == "cancelled":
        return exit_codes.CANCELLED
    for job in version.jobs:
        if job.state == "failed":
            answer = _session.bridge().request("job.get", {"job_id": job.job_id, "brief": True})
            return exit_codes.exit_code(str((answer.get("error") or {}).get("code", "STEP_FAILED")))
    return exit_codes.SERVICE if version.state == "lost" else exit_codes.INTERNAL


def _tell(words: str) -> None:
    sys.stderr.write(words + "\n")
    sys.stderr.flush()


def _seconds(text: str) -> float:
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    number, unit = (text[:-1], text[-1]) if text[-1:] in units else (text, "s")
    try:
        value = float(number) * units[unit]
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no time; write it like 90s, 30m or 2h") from None
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"'{text}' is no time; write it like 90s, 30m or 2h")
    return value
