"""Guides: what an artist gives to steer a model, as the pictures that published models were trained on.

`check_guides` is for plans; `measure_guides` looks at a shot once; `GuideSet.make` draws the guides of one window, and
`read_keyframes` and `read_references` read single images. No torch. docs/controls.md says what goes where.
"""

from overscan.core.engines.diffusion.guides._check import check_guides
from overscan.core.engines.diffusion.guides._facts import GuideFacts, measure_guides
from overscan.core.engines.diffusion.guides._set import GuideSet
from overscan.core.engines.diffusion.guides._stills import read_keyframes, read_references
from overscan.core.engines.diffusion.guides._wanted import wanted_guides

__all__ = [
    "GuideFacts",
    "GuideSet",
    "check_guides",
    "measure_guides",
    "read_keyframes",
    "read_references",
    "wanted_guides",
]
