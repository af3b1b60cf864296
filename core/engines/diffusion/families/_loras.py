"""LoRAs that lie in a model folder's ``loras/``: what each is for, and switching them on for a window.

A file ``loras/loras.toml`` says it, one table each::

    [[lora]]
    file = "our-normals.safetensors"
    serves = ["normals"]    # kinds of guides, fill, hdr, distilled, or move:dolly-in and the like
    scale = 1.0
    downscale = 1           # how many times smaller than the window its references are

Without an entry, files are known by the names that they were published with.
"""

from __future__ import annotations

import json
import math
import re
import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from overscan.core.engines.diffusion._family import PassKind
from overscan.core.errors import ErrorRecord, ModelError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from overscan.core.models import ModelFolder

FILL, HDR, DISTILLED = "fill", "hdr", "distilled"
MOVES = ("static", "dolly-in", "dolly-out", "dolly-left", "dolly-right", "jib-up", "jib-down")
_TABLE = "loras/loras.toml"
_ENTRY = {"file", "serves", "scale", "downscale"}
"""What the table says of a file."""
_SERVABLE = {*(kind.value for kind in PassKind), FILL, HDR, DISTILLED, *(f"move:{move}" for move in MOVES)}
_PUBLISHED: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("ic-lora-union-control", ("depth", "pose", "edges")),
    ("ic-lora-canny-control", ("edges",)),
    ("ic-lora-depth-control", ("depth",)),
    ("ic-lora-pose-control", ("pose",)),
    ("ic-lora-motion-track-control", ("tracks",)),
    ("ic-lora-in-outpainting", (FILL,)),
    ("ic-lora-hdr", (HDR,)),
    ("distilled-lora", (DISTILLED,)),
    *((f"lora-camera-control-{move}", (f"move:{move}",)) for move in MOVES),
)
"""Parts of published file names, and what those files are for."""
_DOWNSCALE = "reference_downscale_factor"
"""Where a published file says it in its metadata."""
_DOWNSCALES = (1, 2)
"""Windows of twice the lattice have references on it at both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lora:
    """One file."""

    name: str
    """Of the file, without its ending."""
    path: Path
    serves: frozenset[str]
    scale: float = 1.0
    downscale: int = 1

    @property
    def adapter(self) -> str:
        """What the libraries know it by: they take no dots."""
        return re.sub(r"\W", "_", self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipped:
    """A pipeline with the LoRAs that were loaded into it."""

    pipeline: Any = field(repr=False)
    loras: tuple[Lora, ...]


def read_loras(folder: ModelFolder, *, kinds: Iterable[str]) -> tuple[Lora, ...]:
    """The LoRAs of a folder that serve any of `kinds`, by name. Raises `ModelError` where the table makes no sense."""
    wanted = frozenset(kinds)
    said = _said(folder)
    found = []
    for name, path in sorted(folder.loras.items()):
        entry = said.pop(path.name, {})
        serves = frozenset(entry.get("serves", _recognised(name)))
        if serves & wanted and _is_lora(path):
            found.append(
                Lora(
                    name=name,
                    path=path,
                    serves=serves & wanted,
                    scale=float(entry.get("scale", 1.0)),
                    downscale=int(entry["downscale"]) if "downscale" in entry else _downscale(folder, name, path),
                )
            )
    if said:
        raise _wrong(folder, f"names '{sorted(said)[0]}', which is not in the folder")
    return tuple(found)


def serving(loras: Sequence[Lora], kind: str) -> Lora | None:
    """The LoRA for something; of several, the one for least else."""
    fitting = [lora for lora in loras if kind in lora.serves]
    return min(fitting, key=lambda lora: (len(lora.serves), lora.name), default=None)


def missing_peft() -> ErrorRecord | None:
    """What stands in the way of loading any."""
    if find_spec("peft") is not None:
        return None
    return ErrorRecord(
        code="MODELS_NOT_INSTALLED",
        message="The model folder has LoRAs, and the library that adds them, peft, is not installed.",
        next_step="Install it into Overscan's environment: `pip install '.[models]'` in its folder.",
        field="engine.model",
    )


def add_loras(pipeline: Any, loras: Sequence[Lora]) -> None:
    """Load LoRAs into a pipeline, all switched off."""
    for lora in loras:
        with warnings.catch_warnings():
            # That there is one already is how several come to be in one model.
            warnings.filterwarnings("ignore", message="Already found a `peft_config`")
            pipeline.load_lora_weights(
                str(lora.path.parent),
                weight_name=lora.path.name,
                adapter_name=lora.adapter,
                local_files_only=True,
                use_safetensors=True,
            )
    if loras:
        pipeline.disable_lora()


def switch_on(pipeline: Any, loras: Sequence[Lora]) -> None:
    """Let these of the loaded LoRAs work, and no others."""
    if missing_peft() is not None or not pipeline.get_list_adapters():
        return  # without the library none was loaded
    if not loras:
        pipeline.disable_lora()
        return
    pipeline.enable_lora()
    pipeline.set_adapters([lora.adapter for lora in loras], [lora.scale for lora in loras])


def _recognised(name: str) -> tuple[str, ...]:
    return next((serves for part, serves in _PUBLISHED if part in name.lower()), ())


def header_of(path: Path) -> Mapping[str, Any]:
    """What a safetensors file of an inspected folder says it holds."""
    with path.open("rb") as file:
        header: Mapping[str, Any] = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return header


def _is_lora(path: Path) -> bool:
    """Whether a file holds weights to add, and not, say, words read beforehand."""
    return any("lora" in name.lower() for name in header_of(path) if name != "__metadata__")


def _downscale(folder: ModelFolder, name: str, path: Path) -> int:
    said = header_of(path).get("__metadata__", {}).get(_DOWNSCALE)
    if said is None:
        # Names say the references' size over the window's, e.g. ref0.5.
        part = re.search(r"ref(0\.\d+)", name)
        said = 1 / float(part.group(1)) if part and float(part.group(1)) else 1
    try:
        found = round(float(said))
    except (ValueError, OverflowError):
        found = 0
    if found not in _DOWNSCALES:
        raise ModelError(
            f"the LoRA '{path.name}' of the model '{folder.name}' takes references {said} times smaller than the "
            "window, and 1 and 2 are possible.",
            next_step="Take the file out of loras/, then `overscan models add` the folder again.",
            path=path,
        )
    return found


def _said(folder: ModelFolder) -> dict[str, dict[str, Any]]:
    """The table's entries by file name."""
    path = folder.files.get(_TABLE)
    if path is None:
        return {}
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8")).get("lora", [])
        said = {str(entry["file"]): dict(entry) for entry in entries}
        if len(said) < len(entries):
            raise _wrong(folder, "names a file twice")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise _wrong(folder, f"cannot be understood ({error})") from None
    for name, entry in said.items():
        unknown = set(entry.get("serves", ())) - _SERVABLE
        if unknown:
            raise _wrong(folder, f"says that '{name}' serves '{sorted(unknown)[0]}'")
        strange = sorted(entry.keys() - _ENTRY)
        if strange:
            raise _wrong(folder, f"says '{strange[0]}' of '{name}', which means nothing")
        scale = entry.get("scale", 1.0)
        if isinstance(scale, bool) or not isinstance(scale, (int, float)) or not math.isfinite(scale):
            raise _wrong(folder, f"gives '{name}' a scale of {scale!r}, which is no number")
        if entry.get("downscale", 1) not in _DOWNSCALES:
            raise _wrong(folder, f"gives '{name}' a downscale of {entry['downscale']}, and 1 and 2 are possible")
    return said


def _wrong(folder: ModelFolder, what: str) -> ModelError:
    return ModelError(
        f"{_TABLE} of the model '{folder.name}' {what}.",
        next_step=f"Mend it (serves: {', '.join(sorted(_SERVABLE))}), then `overscan models add` the folder again.",
        path=folder.path / _TABLE,
    )
