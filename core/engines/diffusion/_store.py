"""What steps leave for one another in the job's work folder: what was looked at, and painted windows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from overscan.core.colour import Curve, WideRange
from overscan.core.engines.diffusion._area import Area, area_from, area_record
from overscan.core.engines.diffusion._family import Floats
from overscan.core.jobs import ParameterValue
from overscan.core.temporaries import written_beside

GRAIN = "grain.npz"
_LOOK = "look.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was found out of a shot before anything is painted, and decided for all windows."""

    wide: WideRange
    areas: tuple[tuple[Area, ...], ...]
    """By window; empty where there is nothing to paint in it."""
    parameters: Mapping[str, ParameterValue]
    """Values of all parameters, with nothing left to be decided of how the model runs."""
    device: str
    """Of the model; empty where nothing is loaded."""
    surroundings: Mapping[str, str] = field(default_factory=dict)
    """What else decides about the bits that it paints: versions of libraries, by name."""
    aspect: float = 1.0
    """Width of the plate's pixels by their height."""
    inputs: str = ""
    """Stands for the files that the shot was made from."""
    guides: Mapping[str, Any] | None = None
    """What was measured for guides; None where none are made."""


class Store:
    """Files in one work folder, each written atomically."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def grain(self) -> Path:
        """File of the grain that was measured; there only where some was."""
        return self._folder / GRAIN

    def keep_look(self, look: Look) -> None:
        """Write what was found out."""
        record = {
            "curve": look.wide.curve.value,
            "exposure": look.wide.exposure,
            "areas": [[area_record(area) for area in areas] for areas in look.areas],
            "parameters": dict(look.parameters),
            "device": look.device,
            "surroundings": dict(look.surroundings),
            "aspect": look.aspect,
            "inputs": look.inputs,
            "guides": None if look.guides is None else dict(look.guides),
        }
        with written_beside(self._folder / _LOOK) as temporary:
            temporary.write_text(json.dumps(record, indent=1))

    def look(self) -> Look:
        """Read it."""
        record = json.loads((self._folder / _LOOK).read_text())
        return Look(
            wide=WideRange(curve=Curve(record["curve"]), exposure=record["exposure"]),
            areas=tuple(tuple(area_from(area) for area in areas) for areas in record["areas"]),
            parameters=record["parameters"],
            device=record["device"],
            surroundings=record["surroundings"],
            aspect=record["aspect"],
            inputs=record["inputs"],
            guides=record["guides"],
        )

    def has_window(self, window: int, area: int) -> bool:
        """Whether an area of a window was painted already."""
        return self._path(window, area).exists()

    def keep_window(self, window: int, area: int, codes: Floats) -> None:
        """Keep what was painted, ``(T, height, width, 3)`` codes, filling up in space cut off."""
        with written_beside(self._path(window, area)) as temporary, temporary.open("wb") as file:
            np.save(file, codes)

    def window(self, window: int, area: int) -> Floats:
        """What was painted, read frame by frame as it is looked at."""
        codes: Floats = np.load(self._path(window, area), mmap_mode="r")
        return codes

    def sound(self, window: int) -> Path:
        """File of the sound of a window."""
        return self._folder / "windows" / f"{window:04d}.sound.npz"

    def _path(self, window: int, area: int) -> Path:
        return self._folder / "windows" / f"{window:04d}-{area:02d}.npy"
