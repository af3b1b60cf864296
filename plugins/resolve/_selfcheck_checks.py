"""The checks of the self-check, in order. Each says what it found, and raises where that is wrong."""

from __future__ import annotations

import json
import platform
import re
import sys
import tempfile
import time
import types
from pathlib import Path
from typing import Any, Callable

from overscan_host import PROTOCOL, exr, installation, run_through
from overscan_host.selfcheck import Bench, SkippedError, plain
from overscan_resolve._asking import ask, number, text, unique_id
from overscan_resolve._clip import read_clip, read_media, timeline_rate
from overscan_resolve._record import Record
from overscan_resolve._render_job import Rendering, render_steps
from overscan_resolve._restore import kept
from overscan_resolve._retimes import retimes_of
from overscan_resolve._return import bring_back
from overscan_resolve._run import Follower, cancel_steps, generate_steps
from overscan_resolve._selfcheck_fusion import fusion_tools, windows
from overscan_resolve._selfcheck_scene import (
    FIRST,
    HEIGHT,
    LAST,
    RATE,
    SHOT,
    TALL,
    WIDE,
    WIDTH,
    Scene,
    compare_with_plate,
    frame_shown,
    open_scene,
    own_item,
    state_of,
    write_plate,
)
from overscan_resolve._session import Session
from overscan_resolve._wish import Wish

_OURS = ("overscan_host", "overscan_resolve")
_FOREIGN = ("grpc", "google", "numpy", "PySide2", "PySide6", "OpenImageIO", "opentimelineio")
_JOB_SECONDS = 120.0
_POLL_SECONDS = 0.2
_PRIVATE = re.compile(r"date|path|name|folder|directory|description|comments|keyword|artist|^(scene|shot|take)$", re.I)
"""Properties of a clip whose values a report need not tell."""


def versions(bench: Bench) -> str:
    """Which Resolve and which Overscan this is."""
    resolve = bench.need("resolve")
    found = installation()
    facts = {
        "resolve": text(resolve, "GetVersionString") or "unknown", "product": text(resolve, "GetProductName"),
        "window": bool(text(resolve, "GetCurrentPage")), "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}", "overscan": found.version, "protocol": PROTOCOL,
    }  # fmt: skip
    bench.trace("versions", "versions", **facts)
    bench.kept["versions"] = dict(facts, folder=str(found.folder))
    return "{product} {resolve}, Python {python}, {system}, Overscan {overscan}".format(**facts)


def nothing_foreign(_: Bench) -> str:
    """Whether Overscan uses anything in this process but the standard library."""
    ours = {name: module for name, module in sys.modules.items() if name.split(".")[0] in _OURS}
    held = []
    for name, module in sorted(ours.items()):
        for value in list(vars(module).values()):
            origin = value.__name__ if isinstance(value, types.ModuleType) else str(getattr(value, "__module__", ""))
            if origin.split(".")[0] in _FOREIGN:
                held.append(f"{name} uses {origin}")
    if held:
        raise AssertionError("; ".join(held))
    return f"{len(ours)} modules, and the standard library alone"


def bridge(bench: Bench) -> str:
    """Whether the bridge starts out of this Python, and finds or starts the service."""
    session = Session(bench.need("resolve"))
    bench.kept["session"] = session
    bench.kept["undo"].callback(session.close)
    began = time.monotonic()
    status = session.bridge.request("service.status", timeout_seconds=60.0)
    started = time.monotonic() - began
    service = session.bridge.request("service.open", timeout_seconds=60.0)
    bench.kept["service"] = service
    whether = "found" if status.get("address") else "started"
    return f"the bridge answered after {started:.1f} s; a service of version {service.get('version')} was {whether}"


def opens(bench: Bench) -> str:
    """Whether a bin, a timeline and a sequence can be made in the project that is open."""
    bench.kept["before"] = state_of(bench.need("resolve"))
    scene = open_scene(bench)
    pattern = write_plate(bench.folder / "plate")
    clip, has_rate = scene.import_plate(pattern, rate=RATE)
    bench.kept.update(scene=scene, clip=clip, pattern=pattern)
    said = ask(clip, "GetClipProperty")
    properties = said if isinstance(said, dict) else {}
    shown = {str(key): "" if _PRIVATE.search(str(key)) else str(value) for key, value in sorted(properties.items())}
    bench.trace("clip_properties", "a sequence of EXR files", properties=shown)
    written = re.split(r"[/\\]", text(clip, "GetClipProperty", "File Path"))[-1]
    bench.trace("behaviour", "how a sequence is written", gives=written)
    read = _facts_read(scene, clip)
    wanted = (LAST - FIRST + 1, WIDTH, HEIGHT)
    if read != wanted:
        raise AssertionError(f"frames, width and height of the sequence are read as {read}, not {wanted}")
    if not has_rate:
        raise AssertionError(f"Resolve does not give a sequence {RATE} frames per second")
    return f"a sequence of {wanted[0]} frames of {WIDTH}x{HEIGHT}, with {len(properties)} properties"


def _facts_read(scene: Scene, clip: Any) -> tuple[int, int, int]:
    """Frames, width and height as the plugin reads them."""
    media = read_media(clip, timeline_rate(scene.timeline))
    return media.frames, media.width, media.height


def names(bench: Bench) -> str:
    """Keeps the names that the objects of the API have; the double's are held against them."""
    scene = bench.need("scene")
    resolve, clip = bench.need("resolve"), bench.need("clip")
    scene.append(clip, 2, 6, 0)
    item = next(iter(scene.items()), None)
    manager = ask(resolve, "GetProjectManager")
    objects = {
        "Resolve": resolve, "ProjectManager": manager, "Project": scene.held.project, "MediaPool": scene.pool,
        "Folder": scene.bin, "MediaPoolItem": clip, "Timeline": scene.timeline, "TimelineItem": item,
        "MediaStorage": ask(resolve, "GetMediaStorage"), "Gallery": ask(scene.held.project, "GetGallery"),
    }  # fmt: skip
    count = 0
    for name, value in objects.items():
        found = sorted(one for one in dir(value) if not one.startswith("_")) if value is not None else []
        bench.trace("names", name, names=found)
        count += len(found)
    for name, value in (("Project", scene.held.project), ("Timeline", scene.timeline)):
        settings = ask(value, "GetSetting", "")
        bench.trace("names", f"settings of a {name}", names=sorted(settings) if isinstance(settings, dict) else [])
    return f"{count} names of {len(objects)} kinds of objects"


def behaviours(bench: Bench) -> str:
    """Small things that the double must do as Resolve does them."""
    scene, clip = bench.need("scene"), bench.need("clip")
    before = len(bench.traces)
    scene.clear()
    for name, act in _acts(bench.need("resolve"), scene, clip).items():
        bench.behaviour(name, act)
    scene.clear()
    again, is_faster = scene.import_plate(bench.need("pattern"), rate="30")
    bench.kept["faster"] = again if is_faster else None
    return f"{len(bench.traces) - before} kept for comparison"


def _acts(resolve: Any, scene: Scene, clip: Any) -> dict[str, Callable[[], Any]]:
    timeline, pool, project = scene.timeline, scene.pool, scene.held.project
    made: dict[str, Any] = {}

    def append() -> Any:
        scene.append(clip, 2, 6, 0)
        made["item"] = scene.items()[0]
        return _read(scene, made["item"])

    def append_over() -> Any:
        answer = scene.append(clip, 0, 2, 2)
        kinds = [None if one is None else bool(unique_id(one)) for one in answer] if answer else answer
        return [kinds, len(scene.items())]

    def add_take() -> Any:
        item = made["item"]
        answer = ask(item, "AddTake", clip, 3, 7)
        seen = [answer, number(item, "GetTakesCount"), number(item, "GetSelectedTakeIndex"), _read(scene, item)]
        return [*seen, ask(item, "SelectTakeByIndex", 1), ask(item, "FinalizeTake")]

    def page_of_mode() -> Any:
        ask(resolve, "OpenPage", "edit")
        mode = type(ask(project, "GetCurrentRenderMode")).__name__
        return [mode, text(resolve, "GetCurrentPage")]

    def playhead_in_media() -> Any:
        ask(resolve, "OpenPage", "media")
        moved = ask(timeline, "SetCurrentTimecode", text(timeline, "GetStartTimecode"))
        ask(resolve, "OpenPage", "edit")
        return moved

    def sub_folder() -> Any:
        ask(pool, "SetCurrentFolder", scene.bin)
        below = ask(pool, "AddSubFolder", scene.bin, "below")
        current = unique_id(ask(pool, "GetCurrentFolder")) == unique_id(below)
        ask(pool, "DeleteFolders", [below])
        now = unique_id(ask(pool, "GetCurrentFolder")) == unique_id(scene.bin)
        ask(pool, "SetCurrentFolder", scene.bin)
        return [current, now]

    def duplicate() -> Any:
        twin = ask(timeline, "DuplicateTimeline", "Overscan self-check twin")
        current = unique_id(ask(project, "GetCurrentTimeline")) == unique_id(twin)
        ask(project, "SetCurrentTimeline", timeline)
        return [twin is not None, current, ask(pool, "DeleteTimelines", [twin])]

    def codecs() -> Any:
        found = ask(project, "GetRenderCodecs", "exr")
        return dict(sorted(found.items())) if isinstance(found, dict) else found

    return {
        "an append of source frames 2 to 6": append,
        "an append over another clip": append_over,
        "an append to a track that is not there": lambda: [plain(scene.append(clip, 0, 2, 50, 7)), len(scene.items())],
        "a take of source frames 3 to 7": add_take,
        "a flag, and flags": lambda: [ask(made["item"], "AddFlag", "Blue"), ask(made["item"], "GetFlagList")],
        "marks before there are any": lambda: ask(timeline, "GetMarkInOut"),
        "the page after asking for the render mode": page_of_mode,
        "the playhead moved on the media page": playhead_in_media,
        "the current bin after making and deleting one": sub_folder,
        "the current timeline after duplicating one": duplicate,
        "a file name of nothing for renders": lambda: ask(project, "SetRenderSettings", {"CustomName": ""}),
        "a render preset that is not there": lambda: ask(project, "LoadRenderPreset", "no such preset"),
        "codecs of EXR": codecs,
        "the rate of a clip that is in a timeline": lambda: ask(clip, "SetClipProperty", "FPS", "25"),
        "the timeline as OpenTimelineIO": lambda: _otio(resolve, timeline),
    }  # fmt: skip


def _read(scene: Scene, item: Any) -> list[Any]:
    start = number(item, "GetStart")
    return [None if start is None else start - scene.start, *(number(item, name) for name in (
        "GetDuration", "GetSourceStartFrame", "GetSourceEndFrame", "GetLeftOffset", "GetRightOffset"))]  # fmt: skip


def _otio(resolve: Any, timeline: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "timeline.otio"
        done = ask(timeline, "Export", str(path), resolve.EXPORT_OTIO, resolve.EXPORT_NONE)
        if not done or not path.exists():
            return [done, path.exists()]
        written = json.loads(path.read_text(encoding="utf-8"))
    tracks = [track for track in written["tracks"]["children"] if track.get("kind") == "Video"]
    shape = [
        [child["OTIO_SCHEMA"], sorted(child), [effect["OTIO_SCHEMA"] for effect in child.get("effects", [])]]
        for track in tracks
        for child in track["children"]
    ]
    return [written["OTIO_SCHEMA"], shape]


def renders(bench: Bench) -> str:
    """Whether Resolve renders the frames that are asked for, in order; and which it shows of a clip of another rate."""
    scene, clip = bench.need("scene"), bench.need("clip")
    scene.clear()
    scene.append(clip, 0, 9, 0)
    shown = _rendered(bench, scene, "straight", 2, 5)
    wanted = [FIRST + number for number in range(2, 6)]
    bench.trace("behaviour", "frames 2 to 5 of a clip, rendered", gives=[frame - FIRST for frame in shown])
    if shown != wanted:
        raise AssertionError(f"of the frames {wanted} Resolve rendered {shown}")
    more = ""
    faster = bench.kept.get("faster")
    if faster is not None:
        scene.clear()
        scene.append(faster, 0, 9, 0)
        item = next(iter(scene.items()), None)
        bench.trace("behaviour", "an append of frames 0 to 9 at 30 in 24", gives=_read(scene, item))
        length = number(item, "GetDuration") or 1
        among = [frame - FIRST for frame in _rendered(bench, scene, "faster", 0, length - 1)]
        bench.trace("behaviour", "frames of a clip at 30 that 24 shows", gives=among)
        more = "; of a clip at 30 it shows {}".format(", ".join(map(str, among)))
    return f"{len(wanted)} frames in their order{more}"


def _rendered(bench: Bench, scene: Scene, name: str, first: int, last: int) -> list[int]:
    """Which frames of the plate the record frames from `first` to `last` show."""
    held = scene.held
    wanted = Rendering(first=scene.start + first, last=scene.start + last, folder=bench.folder / "rendered" / name,
                       name=name, numbers_from=1, width=WIDTH, height=HEIGHT)  # fmt: skip
    with kept(held.resolve, render=True) as rendering:
        run_through(render_steps(rendering, wanted), bridge=bench.need("session").bridge)
    if rendering.problems:
        raise AssertionError(" ".join(rendering.problems))
    shown = []
    for index in range(wanted.count):
        try:
            frame = frame_shown(exr.read(Path(wanted.pattern % (1 + index))))
        except exr.ExrError as error:
            raise SkippedError(f"Resolve rendered, but the self-check cannot read it: {error}") from error
        if frame is None:
            raise AssertionError(f"frame {index} of the render does not show the plate")
        shown.append(frame)
    return shown


def generates(bench: Bench) -> str:
    """Whether a clip is made larger and comes back as a take, with the plate in it, bit for bit."""
    scene, clip = bench.need("scene"), bench.need("clip")
    bench.need("service")
    scene.clear()
    scene.append(clip, 2, 6, 0)
    item = next(iter(scene.items()), None)
    bench.kept["item"] = item
    record = _run(bench, Wish("extend", size=f"{WIDE}x{TALL}", handles=0, output=str(bench.folder / "result"),
                              color_space="ACEScg", parameters={"quality": "preview", "fill": "smooth"}))  # fmt: skip
    compared = 0
    for frame in (record.begins, record.begins + record.count - 1):
        picture = exr.read(Path(record.path % frame))
        if picture.display_window != (0, 0, WIDE - 1, TALL - 1):
            raise AssertionError(f"the result's format is {picture.display_window}")
        compared += compare_with_plate(picture, frame=frame, at=((WIDE - WIDTH) // 2, (TALL - HEIGHT) // 2))
    bench.trace("behaviour", "a result as a take", gives=[record.placed["as"], *_read(scene, item)])
    if record.placed["as"] != "take" or record.placed["notes"]:
        raise AssertionError("it came back as {as}: {notes}".format(**record.placed))
    return f"{compared:,} samples of the plate are in the result as they were; it is a take of the clip"


def graded(bench: Bench) -> str:
    """Whether what the timeline shows goes over by a render, and comes back on the track above."""
    scene = bench.need("scene")
    bench.need("service")
    item = own_item(bench)
    ask(item, "SelectTakeByIndex", 1)
    record = _run(bench, Wish("extend", pixels="graded", size=f"{WIDE}x{TALL}", output=str(bench.folder / "graded"),
                              color_space="ACEScg", parameters={"quality": "preview", "fill": "smooth"}))  # fmt: skip
    above = [_read(scene, one)[:2] for one in scene.items(2)]
    bench.trace("behaviour", "a graded result above", gives=[record.placed["as"], above])
    if record.placed["as"] != "track" or record.placed["notes"]:
        raise AssertionError("it came back as {as}: {notes}".format(**record.placed))
    return f"{record.count} frames were rendered, extended, and are on the track above"


def _run(bench: Bench, wish: Wish) -> Record:
    """A run on the clip in the timeline to its end; its record, placed."""
    scene, session, resolve = bench.need("scene"), bench.need("session"), bench.need("resolve")
    item = own_item(bench)
    retime = retimes_of(resolve, scene.timeline).get((1, scene.start))
    clip = read_clip(scene.timeline, item, track=1, retime=retime)
    if clip.name and not clip.name.startswith(SHOT):
        raise AssertionError("the clip does not have the name of its files")
    record: Record = run_through(generate_steps(resolve, scene.timeline, clip, wish), bridge=session.bridge)
    follower = Follower(session.bridge, record, changed=lambda _: None)
    end = time.monotonic() + _JOB_SECONDS
    try:
        while not follower.ended and time.monotonic() < end:
            session.wait(_POLL_SECONDS)
        if not follower.ended:
            run_through(cancel_steps(record), bridge=session.bridge)
            raise AssertionError(f"the job was not done after {_JOB_SECONDS:g} s")
    finally:
        follower.stop()
    if follower.record.state != "succeeded":
        raise AssertionError(f"the job was {follower.record.state}: {follower.words()}")
    return bring_back(resolve, follower.record)


def put_back(bench: Bench) -> str:
    """Whether everything is as it was before: the last thing that is done in the project."""
    before, held = bench.need("before"), bench.need("held")
    bench.kept["undo"].close()
    after = state_of(bench.need("resolve"))
    changed = [f"{name} ({before[name]} before, {after[name]} now)" for name in before if before[name] != after[name]]
    if held.problems or changed:
        raise AssertionError("; ".join([*held.problems, *changed]))
    return ", ".join(before) + " are as before"


CHECKS: tuple[tuple[str, Callable[[Bench], str]], ...] = (
    ("versions", versions),
    ("nothing foreign in the process", nothing_foreign),
    ("bridge and service", bridge),
    ("bin, timeline and sequence", opens),
    ("names of the API", names),
    ("behaviours", behaviours),
    ("render", renders),
    ("generate, back as a take", generates),
    ("graded, back on the track above", graded),
    ("Fusion", fusion_tools),
    ("windows", windows),
    ("everything put back", put_back),
)
"""All checks, by the names that the report has."""
