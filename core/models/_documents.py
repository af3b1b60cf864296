"""Reads the JSON files of a model's folder, and finds what would make a loader run or read something else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from overscan.core.errors import ModelError

CONFIG_BYTES_MAX = 16_000_000
VOCABULARY_BYTES_MAX = 256_000_000
_CODE = {"auto_map", "custom_pipeline", "custom_pipelines", "trust_remote_code", "custom_generate", "custom_code"}
"""Words by which a config has transformers or diffusers import Python files."""
_OTHER_WEIGHTS = {"transformers_weights", "gguf_file", "adapter_name_or_path", "base_model_name_or_path"}
"""Words by which a config names weights other than those in their place."""
_HARMLESS_FILES = {"special_tokens_map_file"}
"""Published tokenizers keep where their maker's lay; nothing reads it."""
_COUNT_MAX = 100_000_000
_LAYERS_MAX = 10_000


def read_document(path: Path, *, bytes_max: int = CONFIG_BYTES_MAX) -> Any:
    """What a JSON file says. Raises `ModelError` where it is none, is too large, or has numbers that are none."""
    try:
        with path.open("rb") as file:
            raw = file.read(bytes_max + 1)
    except OSError as error:
        raise ModelError(
            f"'{path.name}' cannot be read: {error.strerror or error}.", next_step="Check the folder.", path=path
        ) from None
    if len(raw) > bytes_max:
        raise _wrong(path, f"it is larger than {bytes_max:,} bytes")
    return parse(raw, path=path)


def parse(raw: bytes, *, path: Path) -> Any:
    """JSON in `raw`, which was read from `path`; numbers are finite, and no name is there twice."""

    def number(text: str) -> NoReturn:
        raise _wrong(path, f"{text} is no number that JSON has")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise _wrong(path, "it says something twice, and two readers may take two meanings from it")
        return found

    try:
        return json.loads(raw.decode("utf-8"), parse_constant=number, object_pairs_hook=unique)
    except UnicodeDecodeError:
        raise _wrong(path, "it is not in UTF-8") from None
    except RecursionError:
        raise _wrong(path, "it is nested too deeply") from None
    except ValueError as error:
        raise _wrong(path, str(error)) from None


def faults_of(document: Any, *, path: Path) -> Iterator[ModelError]:
    """What a config or an index must not say."""
    if not isinstance(document, dict):
        yield _wrong(path, "it is no object")
        return
    for where, name, value in _walk(document):
        if value is None or value is False or value == {} or value == []:
            continue
        if isinstance(value, (int, float)) and value is not True:
            # A number names neither code nor a file; vocabularies have words like "_file", with their numbers.
            if isinstance(value, int) and _too_many(path, name, value):
                yield _wrong(path, f"{where} is {value:,}")
        elif name in _CODE:
            yield ModelError(
                f"'{path.name}' asks for code that comes with the model ({where}), and none of it is ever run.",
                next_step="Use a model that diffusers and transformers know without code of its own.",
                path=path,
                field=where,
                actual=_shown(value),
            )
        elif name in _OTHER_WEIGHTS:
            yield _elsewhere(path, where, value)
        elif name == "quantization_config":
            yield ModelError(
                f"'{path.name}' says that the weights are quantised ({where}), which Overscan does not load.",
                next_step="Use the model's weights in half or bfloat16.",
                path=path,
                field=where,
            )
        elif name.endswith("_implementation") and isinstance(value, str) and not value.replace("_", "").isalnum():
            yield ModelError(
                f"'{path.name}' asks for a kernel of its own ({where}: {_shown(value)}), which would be code.",
                next_step=f"Remove '{name}' from it.",
                path=path,
                field=where,
                actual=_shown(value),
            )
        elif name.endswith(("_file", "_files")) and name not in _HARMLESS_FILES and not _is_plain(value):
            yield _elsewhere(path, where, value)


def _walk(document: Any) -> Iterator[tuple[str, str, Any]]:
    """Every named value of a document, with its place; however deep it is nested."""
    waiting: list[tuple[str, Any]] = [("", document)]
    while waiting:
        where, value = waiting.pop()
        inside: list[tuple[str, Any]] = []
        if isinstance(value, dict):
            for name, inner in value.items():
                place = f"{where}.{name}" if where else name
                yield place, name, inner
                if isinstance(inner, (dict, list)):
                    inside.append((place, inner))
        else:
            inside = [
                (f"{where}[{index}]", inner) for index, inner in enumerate(value) if isinstance(inner, (dict, list))
            ]
        waiting += reversed(inside)


def _is_plain(value: Any) -> bool:
    """Whether it names files of its own folder by ending only, as ``fast_tokenizer_files`` does."""
    return isinstance(value, list) and all(isinstance(item, str) and is_plain_name(item) for item in value)


def is_plain_name(name: str) -> bool:
    """Whether it is the name of a file in the same folder, and nothing else."""
    return bool(name) and not name.startswith(".") and not set(name) & set('/\\:*?"<>|\0') and name.isprintable()


def _too_many(path: Path, name: str, value: int) -> bool:
    if path.name != "config.json":  # tokenizers say 10^30 for "no limit"
        return False
    return abs(value) > _COUNT_MAX or ("layers" in name and value > _LAYERS_MAX)


def _elsewhere(path: Path, where: str, value: Any) -> ModelError:
    return ModelError(
        f"'{path.name}' names another file to read ({where}: {_shown(value)}).",
        next_step=f"Remove it from '{path.name}': loading finds a component's files by their own names.",
        path=path,
        field=where,
        actual=_shown(value),
    )


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:80]}…"


def _wrong(path: Path, what: str) -> ModelError:
    return ModelError(
        f"'{path.name}' is no file that a model would have: {what}.",
        next_step="Get the file again from where the model was published.",
        path=path,
    )
