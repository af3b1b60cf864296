"""How the pixels of a clip go over: its files as they are where that is exact, else rendered by Resolve."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from overscan_host import Steps, Work, refuse
from overscan_resolve._asking import ask, listed, number, text, unique_id
from overscan_resolve._clip import Clip, sequence_path
from overscan_resolve._colour import colour_of_media, colour_of_render
from overscan_resolve._render_job import Rendering, render_steps
from overscan_resolve._restore import kept
from overscan_resolve._scratch import scratch_timeline
from overscan_resolve._wish import Wish

FIRST_NUMBER = 1001
"""Of rendered frames."""

_READABLE = (".exr", ".dpx", ".tif", ".tiff")


@dataclass(frozen=True)
class Handover:
    """What the service gets to see of a clip."""

    path: str
    """Pattern of the plate's files; empty where Resolve must render them first."""
    first: int
    """Number of the first file."""
    last: int
    begins: int
    """Number of the file that the clip's lowest source frame (``source``) or first record frame (``graded``) is in."""
    count: int
    """Files from there to the clip's other end."""
    color_space: str
    matte: dict[str, Any] | None
    """As job files have it; None for none."""
    reasons: tuple[str, ...]
    """What must be rendered, and why, in plain words."""
    frames_to_render: int

    @property
    def is_ready(self) -> bool:
        """Whether a job can be planned."""
        return not self.frames_to_render

    def plate(self) -> dict[str, Any]:
        """As job files have it."""
        frames = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        return {"path": self.path, "frames": frames, "color_space": self.color_space}


def look(project: Any, timeline: Any, clip: Clip, wish: Wish) -> Handover:
    """What has to be done to hand a clip over; changes nothing. Raises `RefusalError`."""
    if wish.pixels == "graded":
        return _look_graded(project, timeline, clip, wish)
    first, last = _source_range(clip, wish)
    timing = clip.timing
    if not timing.is_inside:
        raise refuse(
            "MISSING_FRAMES",
            f"'{clip.name}' uses frames {timing.source_start} to {timing.source_last} of its media, which has only "
            f"{clip.media.frames} from 0 on.",
            "Trim the clip to what its media has, or relink the media.",
        )
    matte, alpha = _matte_of(project, clip, wish)
    why = _why_not_by_path(clip)
    number = clip.media.first_number if not why else FIRST_NUMBER - first
    color_space = _color_space(wish, *colour_of_media(project, clip.media.properties)) if not why else ""
    if why:
        color_space = _color_of_ungraded_render(project, clip, wish)
    count = last - first + 1
    reasons = [f"the plate, because {why}"] if why else []
    reasons += ["the matte, which is the alpha output of the Color page"] if alpha else []
    return Handover(
        path="" if why else clip.media.path,
        first=first + number,
        last=last + number,
        begins=timing.source_start + number,
        count=timing.source_last - timing.source_start + 1,
        color_space=color_space,
        matte=matte,
        reasons=tuple(reasons),
        frames_to_render=(count if why else 0) + (count if alpha else 0),
    )


def render(resolve: Any, timeline: Any, clip: Clip, wish: Wish, looked: Handover, *, folder: Path, name: str) -> Steps:
    """Have Resolve render what `look` found missing, into `folder`; returns the `Handover` that is complete.

    Raises `RefusalError`.
    """
    if looked.is_ready:
        return looked
    path, matte = looked.path, looked.matte
    problems: list[str] = []
    with kept(resolve, render=True) as held:
        if wish.pixels == "graded":
            alpha = wish.needs_matte and matte is None
            held.show_only(timeline, clip.track)
            ask(held.project, "SetCurrentTimeline", timeline)
            width, height = timeline_size(timeline)
            path = yield from render_steps(held, Rendering(
                clip.timing.record_start, clip.timing.record_end - 1, folder / "plate", f"{name}_plate", FIRST_NUMBER,
                width, height, alpha,
            ))  # fmt: skip
            matte = {"sequence": {"path": path, "frames": _range(looked)}, "channel": "A"} if alpha else matte
        else:
            offset = looked.begins - clip.timing.source_start
            first, last = looked.first - offset, looked.last - offset
            plate, alpha = not looked.path, wish.needs_matte and matte is None
            for what, graded, wanted in (("plate", False, plate), ("matte", True, alpha)):
                if not wanted:
                    continue
                _, start = scratch_timeline(held, clip, first=first, last=last, graded=graded)
                done = yield from render_steps(held, Rendering(
                    start, start + last - first, folder / what, f"{name}_{what}", looked.first,
                    clip.media.width, clip.media.height, graded,
                ))  # fmt: skip
                if what == "plate":
                    path = done
                else:
                    matte = {"sequence": {"path": done, "frames": _range(looked)}, "channel": "A"}
        problems = held.problems
    if problems:
        raise refuse("STEP_FAILED", "The frames were rendered, but not all is as before. " + " ".join(problems),
                     "Put that right by hand, then run Overscan again.")  # fmt: skip
    yield Work(lambda: None)
    return Handover(
        path, looked.first, looked.last, looked.begins, looked.count, looked.color_space, matte, looked.reasons, 0
    )


def timeline_size(timeline: Any) -> tuple[int, int]:
    """Width and height of a timeline's pictures. Raises `RefusalError`."""
    width, height = (text(timeline, "GetSetting", f"timelineResolution{side}") for side in ("Width", "Height"))
    if not (width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise refuse("UNSUPPORTED", "The timeline does not say its resolution.", "Open it, and try again.")
    return int(width), int(height)


def _source_range(clip: Clip, wish: Wish) -> tuple[int, int]:
    first, last = clip.timing.with_handles(wish.handles)
    if wish.task == "continue":  # new frames begin where the media ends, so all up to there goes over
        backwards = clip.timing.speed < 0
        first = 0 if (wish.tail if backwards else wish.head) else first
        last = clip.media.frames - 1 if (wish.head if backwards else wish.tail) else last
    return first, last


def _why_not_by_path(clip: Clip) -> str:
    media = clip.media
    if not media.path:
        kind = f" ({media.kind})" if media.kind else ""
        return f"it is no file: a compound, multicam or Fusion clip, or a timeline{kind}"
    if not media.path.lower().endswith(_READABLE):
        return "it is no EXR, DPX or TIFF sequence"
    if not media.width or not media.height:
        return "Resolve does not say its size"
    return ""


def _color_space(wish: Wish, known: str, said: str) -> str:
    if wish.color_space or known or not said or said.lower() == "linear":
        return wish.color_space or known  # what the file says, where Resolve says nothing that contradicts it
    raise refuse(
        "COLOUR_SPACE",
        f"Resolve has the clip in the colour space '{said}', which Overscan does not know by that name.",
        "Name the space as Overscan's colour configuration does (--colorspace), or set $OCIO to one that has it.",
        field="color_space",
    )


def _color_of_ungraded_render(project: Any, clip: Clip, wish: Wish) -> str:
    mode = text(project, "GetSetting", "colorScienceMode").lower()
    if "managed" in mode or "aces" in mode:
        raise refuse(
            "UNSUPPORTED",
            f"'{clip.name}' has no EXR, DPX or TIFF files, so Resolve would have to render it; and in this "
            "colour-managed project it renders through the output transform, which cannot be undone.",
            "Transcode the media to EXR in its own colour space and replace the clip, or choose graded pixels.",
            field="pixels",
        )
    if not wish.color_space:
        raise refuse(
            "COLOUR_SPACE",
            f"The project is not colour managed, so Resolve does not say in which colour space '{clip.name}' is.",
            "Name it (--colorspace), as Overscan's colour configuration does.",
            field="color_space",
        )
    return wish.color_space


def _look_graded(project: Any, timeline: Any, clip: Clip, wish: Wish) -> Handover:
    if not clip.enabled:
        raise refuse("INVALID_JOB", f"'{clip.name}' is disabled, so the timeline shows nothing of it.",
                     "Enable it, or choose source pixels.")  # fmt: skip
    graph = ask(timeline, "GetNodeGraph")
    nodes = ask(graph, "GetNumNodes") or 0
    used = [index for index in range(1, int(nodes) + 1)
            if listed(graph, "GetToolsInNode", index) or text(graph, "GetLUT", index)]  # fmt: skip
    if used:
        raise refuse(
            "UNSUPPORTED",
            "The timeline has a grade of its own, which would be in the rendered frames and be applied to them again.",
            "Switch the timeline's grade off (Color page, Timeline), or choose source pixels.",
            field="pixels",
        )
    reaching = [
        text(item, "GetName")
        for item in listed(timeline, "GetItemListInTrack", "video", clip.track)
        if unique_id(item) != clip.unique_id
        and (number(item, "GetStart") or 0) < clip.timing.record_end
        and clip.timing.record_start < (number(item, "GetEnd") or 0)
    ]
    if reaching:
        raise refuse(
            "UNSUPPORTED",
            f"'{reaching[0]}' reaches into '{clip.name}', and would be in its rendered frames.",
            "Remove the transition for now, or choose source pixels.",
        )
    known, said = colour_of_render(project)
    if not (wish.color_space or known):
        which = f"in '{said}', which Overscan does not know by that name" if said else "in a space that it does not say"
        raise refuse("COLOUR_SPACE", f"Resolve renders this project {which}.",
                     "Name the space as Overscan's colour configuration does (--colorspace).",
                     field="color_space")  # fmt: skip
    matte = _named_matte(wish)
    if wish.matte == "clip":
        raise refuse("INVALID_JOB", "A clip matte belongs to the media's frames, not to what the timeline shows.",
                     "Use the alpha output of the Color page, or a matte of your own.", field="matte")  # fmt: skip
    count = clip.timing.duration
    return Handover(
        path="",
        first=FIRST_NUMBER,
        last=FIRST_NUMBER + count - 1,
        begins=FIRST_NUMBER,
        count=count,
        color_space=wish.color_space or known,
        matte=matte,
        reasons=("the clip as it is graded",),
        frames_to_render=count,
    )


def _matte_of(project: Any, clip: Clip, wish: Wish) -> tuple[dict[str, Any] | None, bool]:
    """The matte as job files have it, and whether the alpha output must be rendered for it."""
    if not wish.needs_matte:
        return None, False
    named = _named_matte(wish)
    if named is not None:
        return named, False
    pool = ask(project, "GetMediaPool")
    mattes = [str(path) for path in listed(pool, "GetClipMatteList", ask(clip.item, "GetMediaPoolItem"))]
    if mattes and wish.matte in ("auto", "clip"):
        return {"sequence": {"path": sequence_path(mattes[0])[0]}}, False
    if wish.matte == "clip":
        raise refuse("INVALID_JOB", f"The media of '{clip.name}' has no clip matte.",
                     "Add one in the media pool (Add As Matte), use the Color page's alpha output, or name one.",
                     field="matte")  # fmt: skip
    return None, True


def _named_matte(wish: Wish) -> dict[str, Any] | None:
    if not wish.needs_matte or wish.matte in ("auto", "clip", "alpha"):
        return None
    path = str(Path(wish.matte).expanduser().absolute())
    return {"sequence": {"path": sequence_path(path)[0] if "[" in path else path}}


def _range(looked: Handover) -> str:
    return str(looked.first) if looked.first == looked.last else f"{looked.first}-{looked.last}"
