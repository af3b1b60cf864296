"""The knobs of the nodes, as data: what they are called in scripts, what artists see, and which nodes have them.

Names are stored in scripts. A knob may be added (it then appears in older nodes with its default, see `_migration`),
but none is ever renamed, given another meaning, or removed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SCHEMA = 1
"""Version of the knobs' meaning, stored in every node."""

_ALL = ("extend", "inpaint", "continue", "interpolate", "generate")
_PLATE = ("extend", "inpaint", "continue", "interpolate")


@dataclass(frozen=True)
class KnobSpec:
    """One knob."""

    name: str
    """Without the prefix ``overscan_``."""
    form: str
    """int, double, bool, choice, text, multiline, note, button, format, box, xy, channel, layer, tab, group or end."""
    label: str = ""
    default: Any = None
    choices: tuple[str, ...] = ()
    kinds: tuple[str, ...] = _ALL
    tip: str = ""
    hidden: bool = False
    same_line: bool = False
    read_only: bool = False


TABLE: tuple[KnobSpec, ...] = (
    KnobSpec("tab", "tab", "Overscan"),
    KnobSpec("plan_button", "button", "Plan", tip="What Generate would do, how long it takes, or why it cannot."),
    KnobSpec("generate_button", "button", "Generate", tip="Start a new version. Go on working; frames arrive."),
    KnobSpec("cancel_button", "button", "Cancel", tip="Stop the run. Finished frames stay.", same_line=True),
    KnobSpec("retry_button", "button", "Retry", tip="Go on where a failed or cancelled run stopped.", same_line=True),
    KnobSpec("progress", "note", "progress", "Not run yet."),
    KnobSpec("plan", "note", "plan", "Press Plan to see what will happen."),
    KnobSpec("result_group", "group", "Result"),
    KnobSpec("version", "choice", "version", choices=("none",), tip="The version that the node shows."),
    KnobSpec("show", "choice", "show", "result", ("result", "plate", "difference"), _PLATE,
             "result; plate: the input, placed as in the result; difference: 0 wherever the plate was kept."),
    KnobSpec("missing", "choice", "missing frames", "error", ("error", "black", "checkerboard", "nearest frame"),
             tip="What the node gives where the version has no frame. A farm should see an error."),
    KnobSpec("result", "text", "files", "", read_only=True),
    KnobSpec("result_end", "end"),
    # What to do.
    KnobSpec("what_group", "group", "What to make"),
    KnobSpec("target", "choice", "new frame by", "format", ("format", "box", "margins", "overscan"), ("extend",),
             "format: a new format; box: drawn in the viewer over the plate; margins: samples added to the format; "
             "overscan: samples outside the format, which stays."),
    KnobSpec("format", "format", "format", kinds=("extend", "generate")),
    KnobSpec("centred", "bool", "plate in the middle", True, kinds=("extend",)),
    KnobSpec("place", "xy", "plate at", (0, 0), kinds=("extend",),
             tip="Lower left corner of the plate in the new format, where it is not in the middle."),
    KnobSpec("box", "box", "box", (0, 0, 0, 0), kinds=("extend",), tip="The new frame, in the plate's pixels."),
    KnobSpec("left", "int", "left", 0, kinds=("extend",)),
    KnobSpec("right", "int", "right", 0, kinds=("extend",), same_line=True),
    KnobSpec("top", "int", "top", 0, kinds=("extend",), same_line=True),
    KnobSpec("bottom", "int", "bottom", 0, kinds=("extend",), same_line=True),
    KnobSpec("head", "int", "frames before", 0, kinds=("continue",)),
    KnobSpec("tail", "int", "frames after", 0, kinds=("continue",)),
    KnobSpec("between", "int", "new frames per gap", 1, kinds=("interpolate",)),
    KnobSpec("times", "text", "or at times", "", kinds=("interpolate",),
             tip="Frame numbers with fractions, e.g. 1001.5,1010.25; takes the place of new frames per gap."),
    KnobSpec("fps", "double", "frames per second", 24.0, kinds=("generate",)),
    KnobSpec("matte_channel", "channel", "matte", "rgba.alpha", kinds=("inpaint",),
             tip="1 is replaced, 0 kept. Of the input matte, or of the plate where that is not connected."),
    KnobSpec("range", "choice", "frames", "", ("script", "input", "custom"),
             tip="script: the project's range; input: all of the plate's; custom: as written beside."),
    KnobSpec("frames", "text", "", "", same_line=True, tip="e.g. 1001-1100, 1001-1100x2,1200 or -5--1"),
    KnobSpec("handles", "int", "handles", 0, kinds=("extend", "inpaint"),
             tip="Frames added before and after the project's range."),
    KnobSpec("what_end", "end"),
    # How to make it.
    KnobSpec("how_group", "group", "How to make it"),
    KnobSpec("engine", "text", "engine", "plate", tip="Plan says which there are, where the name is unknown."),
    KnobSpec("quality", "choice", "quality", "", ("final", "preview")),
    KnobSpec("seed", "int", "seed", 0, same_line=True),
    KnobSpec("prompt", "multiline", "prompt", ""),
    KnobSpec("negative_prompt", "multiline", "negative prompt", ""),
    KnobSpec("fill", "choice", "what no frame shows", "synthesise", ("synthesise", "smooth", "none"), _PLATE),
    KnobSpec("copy", "choice", "copy from frames", "auto", ("auto", "always", "never"), _PLATE),
    KnobSpec("search_range", "int", "search range", 48, kinds=_PLATE, tip="Frames away that may be copied from."),
    KnobSpec("grain", "bool", "grain", True, kinds=_PLATE),
    KnobSpec("source_frames", "text", "copy only from", "", kinds=_PLATE, tip="Frames; empty for all of the plate's."),
    KnobSpec("movers_channel", "channel", "movers", "rgba.alpha", kinds=_PLATE,
             tip="Of the input movers: 1 where something moves by itself and must not steer the background."),
    KnobSpec("never_copy", "bool", "never copy from movers", False, kinds=_PLATE),
    KnobSpec("references", "choice", "references are", "clean plate",
             ("clean plate", "subject", "style", "environment"),
             tip="What the engine takes the input references for."),
    KnobSpec("keyframes", "text", "keyframes", "", tip="Frames of the references that the result goes through."),
    KnobSpec("camera", "text", "camera", "", tip="Name of a Camera, in place of the input. Read per frame."),
    KnobSpec("trackers", "text", "trackers", "", kinds=_PLATE, tip="Name of a Tracker node. Read per frame."),
    KnobSpec("parameters", "text", "more", "", tip="Further parameters of the engine: name=value, name=value"),
    KnobSpec("how_end", "end"),
    # Plate and files.
    KnobSpec("files_group", "group", "Plate and files"),
    KnobSpec("plate_frames", "text", "plate frames", "", kinds=_PLATE,
             tip="Frames that the engine may learn from; empty for all that the input has."),
    KnobSpec("layer", "layer", "layer", "rgb", kinds=_PLATE, tip="The layer to work on; others are kept as they are."),
    KnobSpec("hand_over", "choice", "hand over", "auto", ("auto", "render"), _PLATE,
             "auto: by path where nothing changes the Read, else rendered to the cache; render: always rendered."),
    KnobSpec("render_type", "choice", "rendered as", "32 bit float", ("32 bit float", "16 bit half"), _PLATE,
             "32 bit float keeps every value of the graph; 16 bit half rounds them."),
    KnobSpec("colorspace", "text", "colour space", "", tip="Only where it cannot be known from the file."),
    KnobSpec("views", "text", "views", "", tip="e.g. left right; empty for those that the plate differs in."),
    KnobSpec("extras", "choice", "extra layers", "", ("layers", "part", "none"),
             tip="What was generated, how sure, and where it came from."),
    KnobSpec("use", "choice", "for", "temp", ("temp", "final")),
    KnobSpec("output", "text", "output", "", tip="Path with {node} and {version}; empty for the preferences' own."),
    KnobSpec("files_end", "end"),
    # What the node remembers.
    KnobSpec("schema", "int", "", SCHEMA, hidden=True),
    KnobSpec("kind", "text", "", "", hidden=True),
    KnobSpec("versions", "text", "", "[]", hidden=True),
)  # fmt: skip


def specs_of(kind: str) -> tuple[KnobSpec, ...]:
    """The knobs of a kind, in the panel's order."""
    return tuple(spec for spec in TABLE if kind in spec.kinds)
