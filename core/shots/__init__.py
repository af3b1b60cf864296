"""A shot as engines see it: plate, mattes, clean plates, colour and layout, opened once and checked whole."""

from overscan.core.shots._camera import camera_at
from overscan.core.shots._clean_plate import CleanPlate
from overscan.core.shots._findings import Survey
from overscan.core.shots._inputs import INPUTS, InputWatch
from overscan.core.shots._layout import Layout, lay_out
from overscan.core.shots._matte import Matte
from overscan.core.shots._samples import Light
from overscan.core.shots._shot import Shot, Stamp
from overscan.core.shots._survey import survey
from overscan.core.shots._timeline import Moment, spacing, time_text

__all__ = [
    "INPUTS",
    "CleanPlate",
    "InputWatch",
    "Layout",
    "Light",
    "Matte",
    "Moment",
    "Shot",
    "Stamp",
    "Survey",
    "camera_at",
    "lay_out",
    "spacing",
    "survey",
    "time_text",
]
