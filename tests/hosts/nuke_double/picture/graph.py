"""Walking the graph: which pictures, at which frames, a node's picture is made of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .. import _expressions, _file_names, _knob_expressions
from .._groups import current
from . import colours, files, merging
from .image import Image, PictureError, named
from .operations import FUNCTIONS, _scaled, at

PASSING = frozenset({"Dot", "NoOp", "Output", "BlackOutside", "FrameRange", "StickyNote", "Viewer"})


class Pictures:
    """The pictures of one question, each made once."""

    def __init__(self, view: str) -> None:
        self.view = view
        self._made: dict[tuple[int, float, str], Image] = {}

    def of(self, node: Any, frame: float) -> Image:
        """The picture of a node at a frame. PictureError where Nuke would show an error."""
        key = (id(node), frame, self.view)
        if key not in self._made:
            self._made[key] = self._make(node, frame)
        return self._made[key]

    def _input(self, node: Any, place: int, frame: float) -> Image:
        source = node.input(place)
        if source is None:
            raise PictureError(f"{node.fullName()}: no input {place}")
        return self.of(source, frame)

    def _make(self, node: Any, frame: float) -> Image:
        kind = node.Class()
        if type(node).__name__ == "MissingNode":
            raise PictureError(f"{kind}: Unknown command")
        if node["disable"]._at(0, frame) and node.maxInputs():
            return self._input(node, 0, frame)
        if kind in PASSING:
            return self._input(node, 0, frame)
        if kind == "Group":
            output = node._output()
            if output is None:
                raise PictureError(f"{node.fullName()}: no Output inside")
            return self.of(output, frame)
        if kind == "Input":
            outside = node._parent.input(node._parent._input_nodes().index(node))
            return self.of(outside, frame) if outside is not None else self._input(node, 0, frame)
        if kind == "Read":
            return self._read(node, frame)
        if kind == "Write":
            return self._input(node, 0, frame)
        if kind == "Switch":
            return self._input(node, int(at(node, "which", frame)), frame)
        if kind in {"TimeOffset", "FrameHold", "TimeWarp", "Retime"}:
            return self._input(node, 0, self._time(node, kind, frame))
        if kind == "Dissolve":
            return self._dissolve(node, frame)
        if kind not in FUNCTIONS:
            raise NotImplementedError(f"the double makes no pictures of {kind}")
        if current().root["proxy"].value() and kind in {"Transform", "Crop", "Reformat"}:
            raise NotImplementedError(f"{kind} in proxy mode")
        sources = [node.input(place) for place in range(node.inputs())]
        return FUNCTIONS[kind](node, frame, [self.of(one, frame) if one is not None else None for one in sources])

    @staticmethod
    def _time(node: Any, kind: str, frame: float) -> float:
        if kind == "TimeOffset":
            return frame - at(node, "time_offset", frame)
        if kind == "TimeWarp":
            return float(np.rint(at(node, "lookup", frame)))
        if kind == "Retime":
            first, last, start, end = (
                at(node, name, frame) for name in ("input.first", "input.last", "output.first", "output.last")
            )
            part = (frame - start) / (end - start) if end != start else 0.0
            return float(np.rint(first + part * (last - first)))
        first, step = at(node, "firstFrame", frame), at(node, "increment", frame)
        return first if step == 0 else first + float(np.floor((frame - first) / step)) * step

    def _dissolve(self, node: Any, frame: float) -> Image:
        which = at(node, "which", frame)
        low = self._input(node, 0 if which < 1 else 1, frame)
        if which in {0.0, 1.0}:
            return low
        high = self._input(node, 1, frame).on(low.box)
        part = np.float32(which)
        planes = {name: low.channel(name) * (1 - part) + high.channel(name) * part for name in low.channels}
        return low.with_channels(planes)

    # Reads

    def _read(self, node: Any, frame: float) -> Image:
        root = current().root
        proxy = bool(root["proxy"].value())
        small = proxy and bool(node["proxy"].value())
        wanted = self._file_frame(node, frame)
        if wanted is None:
            return self._black(node)
        text = _file_names.without_tcl(node["proxy" if small else "file"].value(), node)
        if not text:
            raise PictureError(f"{node.fullName()}: no file name")
        image = self._one_file(node, text, wanted)
        if image is None:
            return self._black(node)
        if not node["raw"].value():
            default = "linear" if root["colorManagement"].value() == "OCIO" else root["floatLut"].value()
            image = colours.converted(
                image, node["colorspace"].value(), to_linear=True, default=default, node=node.fullName()
            )
        if proxy and not small:
            image = self._in_proxy(image)
        return replace(image, metadata={**image.metadata, "input/frame": wanted})

    def _one_file(self, node: Any, text: str, frame: int) -> Image | None:
        def path(number: int) -> str:
            return _file_names.with_frame(_file_names.with_view(text, self.view), number)

        policy = node["on_error"].value()
        if policy == "nearest frame" and not Path(path(frame)).is_file():
            first, last = int(node["first"].value()), int(node["last"].value())
            for number in sorted(range(first, last + 1), key=lambda one: (abs(one - frame), one)):
                if Path(path(number)).is_file():
                    frame = number
                    break
        try:
            edges = node["edge_pixels"].value() if "edge_pixels" in node.knobs() else "plate detect"
            return files.read(path(frame), node.fullName(), edges=edges)
        except PictureError:
            if policy in {"error", "nearest frame"}:
                raise
            return None

    def _file_frame(self, node: Any, frame: float) -> int | None:
        """The number in the file's name, or None where the Read shows black."""
        text, mode = node["frame"].value(), node["frame_mode"].value()
        number = frame
        first, last = int(node["first"].value()), int(node["last"].value())
        if text:
            value = _expressions.evaluate(
                _expressions.parse(text), name=lambda word: _knob_expressions.number(word, node, frame)
            )
            number = {"expression": value, "start at": frame - value + first, "offset": frame + value}[mode]
        whole = round(float(number))
        if first <= whole <= last or "%" not in node["file"].value() + "%" * ("#" in node["file"].value()):
            return whole
        side = node["before" if whole < first else "after"].value()
        length = last - first + 1
        if side == "black":
            return None
        if side == "hold":
            return first if whole < first else last
        place = (whole - first) % length
        if side == "bounce" and ((whole - first) // length) % 2:
            place = length - 1 - place
        return first + place

    @staticmethod
    def _black(node: Any) -> Image:
        size = node["format"].value()._key()
        planes = {f"rgba.{name}": np.zeros((size[1], size[0]), np.float32) for name in ("red", "green", "blue")}
        return Image(format=size, box=(0, 0, size[0], size[1]), channels=planes)

    @staticmethod
    def _in_proxy(image: Image) -> Image:
        root = current().root
        if root["proxy_type"].value() == "scale":
            factor = float(root["proxy_scale"].value())
        else:
            factor = root["proxy_format"].value().width() / root["format"].value().width()
        width, height = round(image.format[0] * factor), round(image.format[1] * factor)
        return replace(_scaled(image, factor, factor), format=(width, height, 0, 0, width, height, image.format[6]))


def render(node: Any, frame: float, view: str) -> str:
    """Write one frame of a Write; returns the file's path."""
    image = Pictures(view).of(node, frame)
    name = node.fullName()
    file_type = node["file_type"].value() or Path(node["file"].value()).suffix[1:]
    if file_type != "exr":
        raise NotImplementedError(f"Write to {file_type or 'a file without extension'}")
    root = current().root
    text = node["proxy"].value() if root["proxy"].value() and node["proxy"].value() else node["file"].value()
    path = _file_names.evaluated(text, node, frame=_write_frame(node, frame), view=view)
    channels = [one for one in named(node["channels"].value(), list(image.channels)) if one in image.channels]
    if not channels:
        raise PictureError(f"{name}: no channels to write")
    if not node["raw"].value():
        default = "linear" if root["colorManagement"].value() == "OCIO" else root["floatLut"].value()
        image = colours.converted(image, node["colorspace"].value(), to_linear=False, default=default, node=name)
    if node["autocrop"].value() or node["write_ACES_compliant_EXR"].value():
        raise NotImplementedError("Write with autocrop or ACES compliance")
    if node["interleave"].value() != "channels, layers and views":
        raise NotImplementedError("Write to several parts")
    files.write(
        path,
        image,
        channels,
        node=name,
        half=node["datatype"].value() == "16 bit half",
        compression=node["compression"].value(),
        folders=bool(node["create_directories"].value()),
        level=float(node["dw_compression_level"].value()),
        metadata=node["metadata"].value(),
    )
    return path


def _write_frame(node: Any, frame: float) -> float:
    text, mode = node["frame"].value(), node["frame_mode"].value()
    if not text:
        return frame
    value = _expressions.evaluate(
        _expressions.parse(text), name=lambda word: _knob_expressions.number(word, node, frame)
    )
    start = int(current().root["first_frame"].value())
    return float({"expression": value, "start at": frame - start + value, "offset": frame + value}[mode])


__all__ = ["Pictures", "merging", "render"]
