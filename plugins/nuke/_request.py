"""What a node asks for, put together: the jobs (one a view) and what their result will look like."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nuke
from overscan_host import build_job, frames_to_text
from overscan_nuke import _handover, _knobs, _settings
from overscan_nuke._camera import camera_node, camera_samples
from overscan_nuke._handover import Plate
from overscan_nuke._kinds import Kind
from overscan_nuke._outputs import script_path
from overscan_nuke._preferences import Preferences, user_name
from overscan_nuke._ranges import named_frames, wanted_frames
from overscan_nuke._reads import FileSource
from overscan_nuke._refusals import refuse
from overscan_nuke._steps import Steps
from overscan_nuke._trackers import tracked_points, tracker_node
from overscan_nuke._upstream import source_of

_MATTES = (("matte", "matte_channel", "the matte"), ("movers", "movers_channel", "the movers"))


@dataclass(frozen=True)
class Request:
    """All that is needed to plan or create the jobs, but where they write."""

    jobs: dict[str, dict[str, Any]]
    """By view; one empty name where one job does for all. Without `output`."""
    plate: Plate | None
    extras: str
    unrendered: int = 0
    """Frames that must still be rendered before a job can be planned or run."""
    rendered: tuple[str, ...] = field(default_factory=tuple)
    """What has to be rendered, and why, in plain words."""


def put_together(node: Any, preferences: Preferences, *, render: bool) -> Steps:
    """Read the knobs and inputs, hand the pictures over, and return the `Request`.

    Without `render` nothing is written: pictures that would have to be rendered are counted. Raises `RefusalError`.
    """
    kind = _knobs.kind_of(node)
    cache = Path(preferences.cache)
    if kind.name == "generate":
        return (yield from _from_controls(node, kind))
    index = kind.inputs.index("plate")
    plate: Plate
    plate = yield from _handover.look_at_plate(node, index)
    wanted = wanted_frames(node, plate.shot)
    over = wanted or plate.shot
    settings = _settings.task_settings(node, plate=plate.shape, matte={}, frames=over, offset=plate.offset)
    plain = _settings.controls(node, frames=over, offset=plate.offset)
    plain.update((yield from _paths(node, kind, plate)))
    reasons = [f"the plate, because {plate.reason}"] if plate.reason else []
    missing, plate = yield from _handover.missing_of_plate(node, index, plate, cache=cache)
    if render:
        plate = yield from _handover.render_plate(node, index, plate, cache=cache)
        missing = 0
    jobs = {}
    for view in plate.views:
        found = dict(plain)
        task = dict(settings)
        for name, channel, words in _MATTES:
            reference = yield from _matte(node, kind, name, channel, words, plate, view, cache, render)
            if reference == {}:
                missing += len(plate.shot)
                reasons.append(words)
            elif reference is not None and name == "matte":
                task["matte"] = reference
            elif reference is not None:
                found["movers"] = reference
                if _knobs.get(node, "never_copy"):
                    found["never_copy"] = reference
        found.update(_references(node, kind, plate, over))
        several = len(plate.views) > 1 or bool(_knobs.text(node, "views"))
        shared = isinstance(plate.source, FileSource) and several and not plate.source.has_views
        jobs[view] = build_job(
            task=kind.name,
            settings=task,
            output={},
            plate=plate.reference(view, named=shared),
            frames=frames_to_text(frame - plate.offset for frame in wanted),
            controls=found,
            **_about(node),
        )
    return Request(jobs, plate, str(_knobs.get(node, "extras")), missing, tuple(reasons))


def _from_controls(node: Any, kind: Kind) -> Steps:
    root = nuke.root()
    frames = wanted_frames(node, []) or list(
        range(int(root["first_frame"].value()), int(root["last_frame"].value()) + 1)
    )
    controls = _settings.controls(node, frames=frames, offset=0)
    controls.update(_references(node, kind, None, frames))
    camera = camera_node(node, kind.inputs.index("camera"))
    if camera is not None:
        shape = _settings.shape_of(_knobs.get(node, "format"))
        controls["camera"] = yield from camera_samples(
            camera, frames=frames, offset=0, format_size=(shape.width, shape.height), pixel_aspect=shape.pixel_aspect
        )
    settings = _settings.task_settings(node, plate=None, matte=None, frames=frames, offset=0)
    job = build_job(task=kind.name, settings=settings, output={}, controls=controls, **_about(node))
    return Request({"": job}, None, str(_knobs.get(node, "extras")))


def _paths(node: Any, kind: Kind, plate: Plate) -> Steps:
    found: dict[str, Any] = {}
    camera = camera_node(node, kind.inputs.index("camera"))
    if camera is not None:
        found["camera"] = yield from camera_samples(
            camera,
            frames=plate.shot,
            offset=plate.offset,
            format_size=(plate.shape.width, plate.shape.height),
            pixel_aspect=plate.shape.pixel_aspect,
        )
    tracker = tracker_node(node)
    if tracker is not None:
        found["trajectories"] = yield from tracked_points(
            tracker, frames=plate.shot, offset=plate.offset, height=plate.shape.height
        )
    return found


def _matte(
    node: Any, kind: Kind, name: str, knob: str, words: str, plate: Plate, view: str, cache: Path, render: bool
) -> Steps:
    """The reference; None where there is no such matte, an empty one where it must be rendered first."""
    if name not in kind.inputs:
        return None
    index = kind.inputs.index(name)
    if node.input(index) is None:
        if name != "matte":
            return None
        index = kind.inputs.index("plate")  # what is drawn into the plate's own alpha, or any channel of it
    own = name == "matte" and index == kind.inputs.index("plate")
    channel = str(_knobs.get(node, knob))
    if channel in ("", "none"):
        raise refuse("INVALID_JOB", f"No channel is chosen for {words}.", "Choose one.", field=knob)
    rendered = own and view in plate.files and not isinstance(plate.source, FileSource)
    if rendered and channel in _handover.BARE and channel in node.input(index).channels():
        return {"sequence": {"path": plate.files[view], "frames": plate.frames}, "channel": _handover.BARE[channel]}
    reference = yield from _handover.matte(
        node, index, plate, view, channel=channel, what=words, cache=cache, render=render
    )
    return {} if reference is None else reference


def _references(node: Any, kind: Kind, plate: Plate | None, frames: list[int]) -> dict[str, Any]:
    index = kind.inputs.index("references")
    keyframes = named_frames(node, "keyframes")
    if node.input(index) is None:
        if keyframes:
            raise refuse("INVALID_JOB", "Keyframes are named, but no references are connected.",
                         "Connect the images, or clear the keyframes.", field="keyframes")  # fmt: skip
        return {}
    source = source_of(node, index, frames=frames)
    if not isinstance(source, FileSource):
        why = source.reason if source is not None else "nothing is connected"
        raise refuse(
            "UNSUPPORTED",
            f"The references have to be files as they are, but {why}.",
            "Render them with a Write, and connect a Read.",
            field="references",
        )
    sequence: dict[str, Any] = {"path": source.of_view(nuke.views()[0])}
    if source.color_space:
        sequence["color_space"] = source.color_space
    if keyframes:
        shift = plate.offset if plate is not None else 0
        return {"keyframes": [
            {"frame": frame - shift, "image": {"sequence": sequence, "frame": frame - source.offset}}
            for frame in keyframes
        ]}  # fmt: skip
    if not source.is_still and not source.is_whole:
        sequence["frames"] = f"{source.first}-{source.last}"
    use = str(_knobs.get(node, "references"))
    if use == "clean plate":
        return {"clean_plates": [sequence]}
    image = {"sequence": sequence} if source.is_still else {"sequence": sequence, "frame": source.first}
    return {"references": [{"image": image, "kind": use}]}


def _about(node: Any) -> dict[str, Any]:
    script = os.path.splitext(os.path.basename(script_path()))[0]  # noqa: PTH119, PTH122
    shot = re.sub(r"_v\d+$", "", script)
    return {
        "engine": _knobs.text(node, "engine"),
        "labels": {"shot": shot, "artist": user_name()},
        "use": str(_knobs.get(node, "use")),
    }
