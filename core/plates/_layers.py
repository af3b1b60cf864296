"""Which part and which channels of a frame an engine looks at and paints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from overscan.core.errors import InvalidJobError, UnsupportedImageError
from overscan.core.plates._frame import PartHeader

_RED, _GREEN, _BLUE = ("r", "red"), ("g", "green"), ("b", "blue")
_ALPHA = ("a", "alpha")
_LUMINANCE = ("y", "l", "lum", "luminance", "i", "gray", "grey")
_CHROMA = ("ry", "by")
_POSITION = ("x",)


def colour_planes(header: PartHeader, *, layer: str = "", view: str = "") -> tuple[str, ...]:
    """Names of the channels that hold the picture of `layer`: three (red, green, blue) or one (luminance).

    The layer is the part of a channel name before its last dot; the empty layer is the unnamed one, or the whole
    part. `view` chooses a view of a part that holds several (attribute ``multiView``); empty is the default view.
    Raises `InvalidJobError` where there is no such layer or view, `UnsupportedImageError` where it has no colour.
    """
    members = _members(header, layer=layer, view=view)
    found = _colour(members)
    if found is None:
        names = ", ".join(members.values())
        label = f"layer '{layer}'" if layer else "the unnamed layer"
        raise UnsupportedImageError(
            f"{label} of part {header.index} ('{header.name}') has no colour, only {names or 'nothing'}.",
            next_step=_offer([header]),
            field="plate.layer",
            actual=names,
        )
    return found


def alpha_plane(header: PartHeader, *, layer: str = "", view: str = "") -> str | None:
    """Name of the alpha channel that belongs to `layer`, None where it has none."""
    members = _members(header, layer=layer, view=view)
    return next((members[name] for name in _ALPHA if name in members), None)


def layers(header: PartHeader) -> tuple[str, ...]:
    """Layers of the part that have colour, the unnamed one as the empty string."""
    prefixes = dict.fromkeys(channel.name.rpartition(".")[0] for channel in header.channels)
    return tuple(prefix for prefix in prefixes if _colour(_with_prefix(header, prefix)) is not None)


def views(header: PartHeader) -> tuple[str, ...]:
    """Views that the part holds, the default one first; empty where the file knows no views."""
    if header.view:
        return (header.view,)
    several = header.attributes.get("multiView", ())
    return (several,) if isinstance(several, str) else tuple(several)


def find_part(headers: Sequence[PartHeader], *, part: str = "", view: str = "", layer: str = "") -> PartHeader:
    """The part to work on: the one named `part`, else the first of `view` that holds the colour of `layer`.

    Red, green and blue come before a luminance, and that before a lone channel of another name, such as a depth.
    Raises `InvalidJobError` where a name is unknown, `UnsupportedImageError` where nothing has colour; both list
    what there is.
    """
    chosen = [header for header in headers if not part or header.name == part]
    if not chosen:
        raise _unknown("part", part, [header.name for header in headers])
    if view:
        chosen = [header for header in chosen if view in views(header)]
        if not chosen:
            raise _unknown("view", view, [name for header in headers for name in views(header)])
    ranked: dict[int, PartHeader] = {}
    for header in chosen:
        # Several views in one part: `colour_planes` takes the view again.
        own = view if len(views(header)) > 1 else ""
        prefix = _prefix(header, layer=layer, view=own)
        found = _colour(_with_prefix(header, prefix)) if prefix is not None else None
        if found is not None:
            ranked.setdefault(_rank(found), header)
    if ranked:
        return ranked[min(ranked)]
    if layer:
        raise _unknown("layer", layer, [name or "(unnamed)" for header in chosen for name in layers(header)])
    raise UnsupportedImageError(
        "no part has a picture in its unnamed layer.", next_step=_offer(chosen), field="plate.layer"
    )


def _members(header: PartHeader, *, layer: str, view: str) -> dict[str, str]:
    """Channels of the layer: full names by last component in lower case."""
    held = views(header)
    if view and view not in held:
        raise _unknown("view", view, held)
    prefix = _prefix(header, layer=layer, view=view)
    if prefix is None:
        raise _unknown("layer", layer or view, [name or "(unnamed)" for name in layers(header)])
    return _with_prefix(header, prefix)


def _prefix(header: PartHeader, *, layer: str, view: str) -> str | None:
    """What stands before the last dot in the channels of `layer` in `view`; None where no channel has it.

    In a part of several views the view is the last component but one (``layer.view.R``), and is left out in the
    unnamed layer of the default view (OpenEXR: "Multi-View Images"). Some writers put it first.
    """
    several = views(header) if len(views(header)) > 1 else ()
    wanted = view or (several[0] if several else "")
    candidates = []
    if several and layer:
        candidates += [f"{layer}.{wanted}", f"{wanted}.{layer}"]
    elif several and wanted != several[0]:
        candidates.append(wanted)
    if not several or wanted == several[0]:
        candidates.append(layer)
        if layer == header.name:
            # Multi-part files name the layer in the part and not in its channels.
            candidates.append("")
    return next((prefix for prefix in candidates if _with_prefix(header, prefix)), None)


def _with_prefix(header: PartHeader, prefix: str) -> dict[str, str]:
    members: dict[str, str] = {}
    for channel in header.channels:
        before, _, last = channel.name.rpartition(".")
        if before == prefix:
            members.setdefault(last.lower(), channel.name)
    return members


def _colour(members: dict[str, str]) -> tuple[str, ...] | None:
    rgb = [next((members[name] for name in names if name in members), None) for names in (_RED, _GREEN, _BLUE)]
    if all(rgb):
        return tuple(name for name in rgb if name)
    if any(name in members for name in (*_CHROMA, *_POSITION)):
        return None
    luminance = next((members[name] for name in _LUMINANCE if name in members), None)
    if luminance:
        return (luminance,)
    rest = [name for short, name in members.items() if short not in _ALPHA]
    return (rest[0],) if len(rest) == 1 else None


def _rank(colour: tuple[str, ...]) -> int:
    """How sure it is that these channels are a picture; less is surer."""
    if len(colour) == 3:
        return 0
    return 1 if colour[0].rpartition(".")[2].lower() in _LUMINANCE else 2


def _offer(headers: Iterable[PartHeader]) -> str:
    names = [
        (f"'{layer}'" if layer else "the unnamed layer") + (f" of part '{header.name}'" if header.name else "")
        for header in headers
        for layer in layers(header)
    ]
    return f"Choose one with colour: {', '.join(names)}." if names else "Choose a file that holds a picture."


def _unknown(what: str, name: str, known: Iterable[str]) -> InvalidJobError:
    there = [entry for entry in dict.fromkeys(known) if entry]
    return InvalidJobError(
        f"there is no {what} '{name}'.",
        next_step=f"There is: {', '.join(there)}." if there else f"The file names no {what}s; leave it empty.",
        field=f"plate.{what}",
        expected=", ".join(there),
        actual=name,
    )
