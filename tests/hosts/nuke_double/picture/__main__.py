"""Questions in, one JSON line each; answers out. Ends with its input."""

from __future__ import annotations

import json
import sys
import traceback
from typing import Any

from .. import _groups, _script_reading, _session, double
from .graph import Pictures, render
from .image import Image, PictureError


def _open(script: str, version: str) -> None:
    double.install(version=version, gui=False)
    now = _session.current()
    now.quiet = True
    _script_reading.read(script, now.root, paste=False)


def _described(image: Image) -> dict[str, Any]:
    plain = {key: value for key, value in image.metadata.items() if isinstance(value, (int, float, str, list))}
    return {"format": image.format, "bbox": image.box, "channels": sorted(image.channels), "metadata": plain}


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """What to say to one request."""
    now = _session.current()
    now.view = request["view"]
    now.executing_frame = request["frame"]
    node = _groups.find(request["node"], now.root)
    if node is None:
        raise RuntimeError(f"the script has no node {request['node']}: what was saved is not what was asked about")
    what, frame = request["what"], request["frame"]
    if what == "render":
        try:
            return {"path": render(node, frame, request["view"])}
        except PictureError as problem:
            return {"error": str(problem)}
    try:
        image = Pictures(request["view"]).of(node, frame)
    except PictureError as problem:
        size = now.root["format"].value()._key()
        nothing = {"format": size, "bbox": (0, 0, size[0], size[1]), "channels": [], "metadata": {}, "value": 0.0}
        return {**nothing, "error": str(problem)}
    if what == "sample":
        point = (request["x"], request["y"], request["x"] + 1, request["y"] + 1)
        return {"value": float(image.on(point).channel(request["channel"])[0, 0])}
    return _described(image)


def main() -> None:
    """Answer until the input ends."""
    held = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if held != (request["script"], request["version"]):
                held = None
                _open(request["script"], request["version"])
                held = (request["script"], request["version"])
            reply = answer(request)
        except Exception as problem:
            reply = {"failure": f"{type(problem).__name__}: {problem}\n{traceback.format_exc()}"}
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
