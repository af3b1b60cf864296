"""Renders an input of a node into the cache, with a Write that is there for as long as it is needed.

Float samples, lossless, without a colour transform: what is in the file is what is in the graph. Frame by frame, so
that the window stays alive between frames and a cancelled run keeps what it has.
"""

from __future__ import annotations

import contextlib
import functools
import time
from pathlib import Path
from typing import Any

import nuke
from overscan_host import digest
from overscan_nuke import _knobs
from overscan_nuke._cache import CacheEntry, accept, close_incoming, incoming, missing_frames, open_entry, stamps
from overscan_nuke._proxy import full_size
from overscan_nuke._refusals import StoppedError, refuse
from overscan_nuke._rim import has_rim, without_rim
from overscan_nuke._steps import Steps, Work
from overscan_nuke._upstream import describe_tree

TEMPORARY = "OverscanTemporary"
"""Beginning of the names of nodes that exist while rendering; `_migration` removes any that a crash left."""

_BUSY_PAUSES = 100


def cache_key(top: Any, *, about: dict[str, Any]) -> Steps:
    """A name for the picture of `top`, the same in every session as long as nothing that decides about it changes."""
    tree = yield from describe_tree(top)
    files = yield Work(lambda: stamps(tree.files))
    version = f"{nuke.NUKE_VERSION_MAJOR}.{nuke.NUKE_VERSION_MINOR}"
    return digest({"about": about, "tree": list(tree.text), "files": files, "nuke": version})


def render_input(
    node: Any,
    index: int,
    *,
    frames: list[int],
    view: str,
    channel: str,
    half: bool,
    cache: Path,
    what: str,
    offset: int = 0,
) -> Steps:
    """Bring the `frames` of an input into the cache; returns the `CacheEntry`.

    `channel` names the one channel that is wanted, as A, e.g. of a matte; empty for all. Frames that are there stay.
    Frame f of the script is stored as f - `offset`.
    """
    top = node.input(index)
    about = _about(channel, half, view, offset)
    key = yield from cache_key(top, about=about)
    described = dict(about, script=str(nuke.root().name()), node=node.fullName(), input=top.fullName())
    entry: CacheEntry
    entry = yield Work(lambda: open_entry(cache=cache, key=key, about=described))
    missing = yield Work(lambda: missing_frames(entry, [frame - offset for frame in frames]))
    if missing:
        wanted = [frame + offset for frame in missing]
        yield from _render(node, index, entry, wanted, offset, view=view, channel=channel, half=half, what=what)
    return entry


def count_missing(
    node: Any,
    index: int,
    *,
    frames: list[int],
    view: str,
    channel: str,
    half: bool,
    cache: Path,
    offset: int = 0,
) -> Steps:
    """How many of the frames would have to be rendered, and the entry they would be in; renders nothing."""
    key = yield from cache_key(node.input(index), about=_about(channel, half, view, offset))
    folder = cache / "plates" / key
    entry = CacheEntry(str(folder).replace("\\", "/"))
    exists = yield Work(folder.is_dir)
    if not exists:
        return len(frames), entry
    missing = yield Work(lambda: missing_frames(entry, [frame - offset for frame in frames]))
    return len(missing), entry


def _about(channel: str, half: bool, view: str, offset: int) -> dict[str, Any]:
    return {"channel": channel, "type": "half" if half else "float", "view": view, "offset": offset}


def _render(
    node: Any,
    index: int,
    entry: CacheEntry,
    frames: list[int],
    offset: int,
    *,
    view: str,
    channel: str,
    half: bool,
    what: str,
) -> Steps:
    pattern = yield Work(lambda: incoming(entry))
    made = _make_write(node, index, pattern, channel=channel, half=half)
    progress = nuke.ProgressTask(f"Overscan: {what}") if nuke.GUI else None
    try:
        for count, frame in enumerate(frames):
            if progress is not None:
                if progress.isCancelled():
                    raise StoppedError()
                progress.setMessage(f"Rendering frame {frame} for {node.name()}")
                progress.setProgress(int(100 * count / len(frames)))
            _knobs.say(node, "progress", f"Rendering {what}: frame {frame}, {count + 1} of {len(frames)}.")
            yield
            yield from _execute(made[-1], frame, view, what)
            yield Work(functools.partial(accept, entry, pattern, frame, frame - offset))
    finally:
        del progress  # Nuke closes its window when the object goes
        _remove(made)
        with contextlib.suppress(OSError):
            close_incoming(pattern)


def _make_write(node: Any, index: int, pattern: str, *, channel: str, half: bool) -> list[Any]:
    """The temporary nodes, the Write last."""
    inner = next(one for one in node.nodes() if one.Class() == "Input" and int(one["number"].value()) == index)
    made: list[Any] = []
    with full_size(), _knobs.quietly(), node:
        source = inner
        if has_rim(node.input(index)):
            source = without_rim(source, name=TEMPORARY + "Crop")
            made.append(source)
        if channel:
            copy = nuke.nodes.Copy(name=TEMPORARY + "Copy")
            copy.setInput(0, source)
            copy.setInput(1, source)
            copy["from0"].setValue(channel)
            copy["to0"].setValue("rgba.alpha")
            made.append(copy)
            source = copy
        write = nuke.nodes.Write(name=TEMPORARY + "Write")
        write.setInput(0, source)
        made.append(write)
        write["file"].setValue(pattern)
        write["file_type"].setValue("exr")
        write["channels"].setValue("alpha" if channel else "all")
        write["raw"].setValue(True)
        write["datatype"].setValue("16 bit half" if half else "32 bit float")
        write["compression"].setValue("Zip (1 scanline)")
        write["metadata"].setValue("default metadata")
    return made


def _execute(write: Any, frame: int, view: str, what: str) -> Steps:
    for _ in range(_BUSY_PAUSES):
        try:
            with full_size(), _knobs.quietly():
                nuke.execute(write, frame, frame, 1, [view] if view else nuke.views()[:1])
        except RuntimeError as error:
            words = str(error)
            if "executing" in words.lower():  # the artist's own render is under way
                yield from _wait()
                continue
            if "cancel" in words.lower():
                raise StoppedError() from error
            raise refuse(
                "UNREADABLE_IMAGE",
                f"Nuke could not render frame {frame} of {what}: {words}",
                "View that frame at the node's input; once it shows there, press Generate again. Frames are kept.",
            ) from error
        return
    raise refuse("UNREADABLE_IMAGE", "Nuke is busy with another render.", "Press Generate again when it is done.")


def _wait() -> Steps:
    yield Work(lambda: time.sleep(0.5))


def _remove(nodes: list[Any]) -> None:
    with _knobs.quietly():
        for node in reversed(nodes):
            if _knobs.alive(node):
                nuke.delete(node)
