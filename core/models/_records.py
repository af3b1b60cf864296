"""How the library writes down a model, in a JSON file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from overscan.core.models._folder import ModelFolder

_FORMAT = 1


def to_record(model: ModelFolder) -> str:
    """`model` as the library keeps it."""
    record: dict[str, Any] = {
        "format": _FORMAT,
        "path": str(model.path),
        "pipeline": model.pipeline,
        "components": {name: list(kind) for name, kind in model.components.items()},
        "variant": model.variant,
        "files": {name: {"sha256": model.hashes[name], "bytes": model.sizes[name]} for name in sorted(model.files)},
        "others": list(model.others),
        "rights_card": model.rights_card,
        "source": model.source,
        "added": model.added,
        "copied": model.copied,
    }
    return json.dumps(record, indent=1) + "\n"


def from_record(text: str, *, name: str) -> ModelFolder:
    """The model that `to_record` wrote. Raises ValueError, KeyError, TypeError or AttributeError where it did not."""
    record = json.loads(text)
    if record["format"] != _FORMAT:
        raise ValueError(f"its format is {record['format']!r}, and this version knows {_FORMAT}")
    path = Path(record["path"])
    files = {str(inside): facts for inside, facts in record["files"].items()}
    if not path.is_absolute() or any(Path(inside).is_absolute() or ".." in Path(inside).parts for inside in files):
        raise ValueError("it names files outside its folder")
    return ModelFolder(
        name=name,
        path=path,
        pipeline=str(record["pipeline"]),
        components={str(part): (str(kind[0]), str(kind[1])) for part, kind in record["components"].items()},
        variant=str(record["variant"]),
        files={inside: path / inside for inside in files},
        hashes={inside: str(facts["sha256"]) for inside, facts in files.items()},
        sizes={inside: int(facts["bytes"]) for inside, facts in files.items()},
        others=tuple(str(inside) for inside in record["others"]),
        rights_card=str(record["rights_card"]),
        source=str(record["source"]),
        added=str(record["added"]),
        copied=bool(record["copied"]),
    )
