"""Where results go: a folder a version, beside the media."""

from __future__ import annotations

import os
import re
from pathlib import Path

from overscan_resolve._clip import Clip

_EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,5}$")
_RANGE = re.compile(r"[._]?\[-?\d+--?\d+\]")


def shot_name(clip: Clip) -> str:
    """A clip's name as that of a folder, a file and a bin: ``plate`` for ``plate.[1001-1100].exr``."""
    name = _RANGE.sub("", clip.name)
    name = re.sub(r"[._]\d+$", "", _EXTENSION.sub("", name)) or name
    return re.sub(r"[^\w.-]+", "_", name).strip("._") or "clip"


def output_template(clip: Clip, *, folder: str, project_name: str) -> str:
    """The path of the frames with ``{version}`` in it.

    `folder` counts first, then ``$OVERSCAN_RESOLVE_OUTPUT``, then a folder ``overscan`` beside the media; what has no
    files goes to ``~/Overscan/PROJECT``.
    """
    shot = shot_name(clip)
    root = folder or os.environ.get("OVERSCAN_RESOLVE_OUTPUT", "")
    if not root and clip.media.path:
        root = os.path.join(os.path.dirname(clip.media.path), "overscan")  # noqa: PTH118, PTH120
    if not root:
        root = str(Path.home() / "Overscan" / (re.sub(r"[^\w.-]+", "_", project_name) or "project"))
    root = os.path.abspath(os.path.expanduser(root)).replace("\\", "/").rstrip("/")  # noqa: PTH100, PTH111
    return f"{root}/{shot}/{{version}}/{shot}_{{version}}.%04d.exr"
