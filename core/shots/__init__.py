"""A shot as engines see it: plate, matte, colour and layout, opened once and checked whole."""

from overscan.core.shots._layout import Layout, lay_out
from overscan.core.shots._matte import Matte
from overscan.core.shots._shot import Shot, Stamp
from overscan.core.shots._survey import Survey, survey

__all__ = ["Layout", "Matte", "Shot", "Stamp", "Survey", "lay_out", "survey"]
