"""Looks a model's folder over without loading anything of it: what loading reads, and what must not be there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from overscan.core.errors import ErrorRecord, ModelError
from overscan.core.models._documents import VOCABULARY_BYTES_MAX, faults_of, read_document
from overscan.core.models._folder import INDEX, LORAS
from overscan.core.models._installed import knows_class, pipeline_classes
from overscan.core.models._magic import CODE, PICKLES, head_of, hides
from overscan.core.models._parts import READ, WeightSet, has_weights, shards_of, tensors_of, weight_sets
from overscan.core.models._safetensors import read_tensors
from overscan.core.models._tree import Tree, scan

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_UNSAFE_CLASSES = re.compile(r"Onnx|Flax|TF[A-Z]|Pipeline$")
_LIBRARIES = ("diffusers", "transformers")
_ADAPTER = "adapter_config.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What a folder holds. It may be added where there are no `faults`, or none but in `strays` and it is copied."""

    path: Path
    pipeline: str
    components: Mapping[str, tuple[str, str]]
    variant: str
    files: tuple[str, ...]
    """What loading reads, by path inside the folder."""
    others: tuple[str, ...]
    """Other files, which loading does not read."""
    sources: Mapping[str, Path]
    """Where to copy a file from that is a link into a hub's cache."""
    faults: tuple[ErrorRecord, ...]
    """What is wrong with what loading reads."""
    strays: tuple[ErrorRecord, ...]
    """What is wrong with `others`, or with a link."""
    notes: tuple[str, ...]
    """What a careful reader would want to know."""


@dataclass(slots=True)
class _Look:
    """What is known so far."""

    root: Path
    tree: Tree
    files: list[str] = field(default_factory=list)
    faults: list[ModelError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def fault(self, what: str, then: str, name: str, **facts: object) -> None:
        """Note what is wrong with the file `name`."""
        self.faults.append(ModelError(f"{what}.", next_step=f"{then}.", path=self.root / name, **facts))  # type: ignore[arg-type]

    def broken(self, name: str, error: ModelError) -> None:
        """Note that the file `name` is not of the kind it seems to be, and what it is, where that is known."""
        what = ""
        with suppress(OSError):
            what = hides(head_of(self.root / name))
        if what:
            self.fault(f"'{name}' is {what}, under another name", "Get the model from where it was published", name)
        else:
            self.faults.append(error)

    def document(self, name: str, *, bytes_max: int | None = None) -> Any:
        """A JSON file of the folder; None, with a fault, where it is none."""
        path = self.root / name
        try:
            if bytes_max is not None:
                return read_document(path, bytes_max=bytes_max)
            found = read_document(path)
        except ModelError as error:
            self.broken(name, error)
            return None
        self.faults += faults_of(found, path=path)
        return found


def inspect_folder(folder: Path) -> Inspection:
    """Look over the model in `folder`. Raises `ModelError` where it is no folder, or far too much for one."""
    tree = scan(folder)
    look = _Look(root=folder.resolve(), tree=tree)
    pipeline, components = _index(look)
    variant = _components(look, components)
    _loras(look)
    read = set(look.files)
    others = tuple(sorted(set(tree.sizes) - read))
    strays: list[ModelError] = []
    leading: list[ModelError] = []
    for name, error in sorted(tree.faults.items()):
        # What is no file cannot be copied either, and loading would miss it; a copy of a linked file is a file.
        needed = name not in tree.sizes and name.partition("/")[0] in {*components, LORAS, INDEX}
        (leading if needed else strays).append(error)
    strays += [found for name in others if name not in tree.faults for found in _stray(look.root, name)]
    return Inspection(
        path=look.root,
        pipeline=pipeline,
        components=components,
        variant=variant,
        files=tuple(sorted(read)),
        others=others,
        sources=tree.blobs,
        faults=tuple(error.record for error in (*leading, *look.faults)),
        strays=tuple(error.record for error in strays),
        notes=tuple(dict.fromkeys(look.notes)),
    )


def _index(look: _Look) -> tuple[str, dict[str, tuple[str, str]]]:
    """The pipeline's class and the components that ``model_index.json`` names."""
    if INDEX not in look.tree.sizes:
        look.fault(
            "there is no model_index.json, so this is no diffusers model",
            "Name the folder of a model in diffusers' own layout; a single .safetensors file is none",
            "",
        )
        return "", {}
    look.files.append(INDEX)
    index = look.document(INDEX)
    if not isinstance(index, dict):
        return "", {}
    pipeline = index.get("_class_name")
    if not isinstance(pipeline, str) or not _NAME.fullmatch(pipeline):
        look.fault(
            f"the class that model_index.json names is no class of diffusers: {pipeline!r}",
            "Use a model that diffusers knows without code of its own",
            INDEX,
            field="_class_name",
            actual=pipeline,
        )
        pipeline = ""
    elif not pipeline.endswith("Pipeline") or not knows_class(pipeline):
        look.fault(
            f"diffusers has no class '{pipeline}', which model_index.json names",
            "Use a model for the diffusers that is installed (`overscan doctor`)",
            INDEX,
            field="_class_name",
            actual=pipeline,
        )
    components: dict[str, tuple[str, str]] = {}
    for name, value in index.items():
        if name.startswith("_") or not isinstance(value, list) or value == [None, None]:
            continue
        if len(value) == 2 and all(isinstance(part, str) for part in value):
            library, class_name = value
            wrong = _component_fault(name, library, class_name)
            if wrong:
                look.fault(
                    wrong,
                    "Use a model whose parts are all of diffusers and transformers",
                    INDEX,
                    field=name,
                    actual=f"{library}.{class_name}",
                )
            else:
                components[name] = (library, class_name)
        elif not all(isinstance(part, (int, float)) for part in value):
            look.fault(
                f"model_index.json says of '{name}' what is neither a component nor a number",
                "Get the file again from where the model was published",
                INDEX,
                field=name,
            )
    if pipeline and not components:
        look.fault("model_index.json names no components", "Get the file again", INDEX)
    return pipeline, components


def _component_fault(name: str, library: str, class_name: str) -> str:
    if not _NAME.fullmatch(name) or name == LORAS:
        return f"'{name}' is no name of a component"
    if library not in _LIBRARIES and not pipeline_classes(library):
        return f"the component '{name}' is of '{library}', which is code that is not diffusers' or transformers'"
    if not _NAME.fullmatch(class_name) or _UNSAFE_CLASSES.search(class_name):
        return f"the component '{name}' is a '{class_name}', which Overscan does not load"
    of_diffusers = library == "diffusers" and knows_class(class_name)
    if library != "transformers" and not of_diffusers and class_name not in pipeline_classes(library):
        return f"the component '{name}' is a '{class_name}', which the diffusers that is installed has not"
    return ""


def _components(look: _Look, components: Mapping[str, tuple[str, str]]) -> str:
    """Take in the components' files; returns the variant that the weights have to be loaded in."""
    inside = {name: _inside(look, name) for name in components}
    for name, found in inside.items():
        if not found:
            look.fault(
                f"the component '{name}' is missing: there is no folder of that name with files in it",
                "Get the rest of the model",
                name,
                field=name,
            )
    networks = {
        name: weight_sets([file for file in found if "/" not in file], library=components[name][0])
        for name, found in inside.items()
        if found and has_weights(components[name][1])
    }
    lacking = [{item.variant for item in sets} for sets in networks.values() if sets and not _plain(sets)]
    common = set.intersection(*lacking) if lacking else set()
    if lacking and not common:
        look.fault("its components are there in different variants", "Get the plain weights of all of them", INDEX)
    variant = "fp16" if "fp16" in common else min(common, default="")
    for name, found in inside.items():
        for file in found:
            if file.endswith(READ) and ".index." not in file:
                if file == "config.json" and name in networks:
                    look.files.append(f"{name}/{file}")  # looked at with the weights
                else:
                    _text(look, f"{name}/{file}")
        for file in found:
            if file != file.lower() and file.lower().endswith((".json", ".safetensors")):
                look.fault(
                    f"'{name}/{file}' is not in small letters: where their case does not count, a loader takes it for "
                    "another file",
                    "Remove it, or get the file again under its own name",
                    f"{name}/{file}",
                )
        if found and _ADAPTER in found:
            look.fault(
                f"'{name}' has an adapter ({_ADAPTER}), which transformers would load unasked",
                f"Remove it; LoRAs belong into the folder '{LORAS}'",
                f"{name}/{_ADAPTER}",
            )
        if name in networks:
            _network(look, name, components[name], networks[name], variant)
    return variant


def _plain(sets: Sequence[WeightSet]) -> bool:
    return any(not item.variant for item in sets)


def _inside(look: _Look, component: str) -> list[str]:
    """Names of a component's files inside its folder."""
    return [name[len(component) + 1 :] for name in look.tree.sizes if name.startswith(f"{component}/")]


def _network(look: _Look, name: str, kind: tuple[str, str], sets: Sequence[WeightSet], variant: str) -> None:
    """Take in a network's config and weights."""
    library, class_name = kind
    if f"{name}/config.json" not in look.tree.sizes:
        look.fault(f"'{name}' has no config.json", "Get the rest of the model", f"{name}/config.json")
    else:
        config = look.document(f"{name}/config.json")
        said = config.get("_class_name") if isinstance(config, dict) else None
        if library != "transformers" and isinstance(said, str) and said != class_name:
            look.fault(
                f"'{name}' is a '{said}' by its own config, and model_index.json says '{class_name}'",
                "Get the files again from where the model was published",
                f"{name}/config.json",
                field="_class_name",
                expected=class_name,
                actual=said,
            )
    chosen = [item for item in sets if item.variant == variant] or [item for item in sets if not item.variant]
    if not chosen:
        look.fault(
            f"'{name}' has no weights in safetensors",
            "Get the model's .safetensors files; weights in other formats are not loaded",
            name,
            field=name,
        )
    elif len(chosen) > 1:
        look.fault(
            f"'{name}' has two sets of weights, {' and '.join(item.name for item in chosen)}, and loaders differ in "
            "which one they take",
            "Remove the one that the model was not published with",
            name,
        )
    else:
        _weights(look, name, chosen[0].name, is_index=chosen[0].is_index)


def _weights(look: _Look, component: str, name: str, *, is_index: bool) -> None:
    look.files.append(f"{component}/{name}")
    if not is_index:
        _tensors(look, f"{component}/{name}")
        return
    index = look.document(f"{component}/{name}", bytes_max=VOCABULARY_BYTES_MAX)
    if index is None:
        return
    shards = shards_of(index)
    if shards is None:
        look.fault(
            f"'{name}' names shards that are not files beside it",
            "Get the file again from where the model was published",
            f"{component}/{name}",
            field="weight_map",
        )
        return
    for shard in shards:
        inside = f"{component}/{shard}"
        if inside not in look.tree.sizes:
            look.fault(f"the shard '{shard}' of '{component}' is missing", "Get the rest of the model", inside)
            continue
        look.files.append(inside)
        found = _tensors(look, inside)
        absent = sorted(tensors_of(index, shard=shard) - found) if found else []
        if absent:
            look.fault(
                f"the shard '{shard}' has not the tensor '{absent[0][:80]}' that its index has in it",
                "Get the files again from where the model was published",
                inside,
            )


def _tensors(look: _Look, name: str) -> set[str]:
    """Names of the tensors in a file of weights; empty, with a fault, where it is none."""
    try:
        return set(read_tensors(look.root / name))
    except ModelError as error:
        look.broken(name, error)
        return set()


def _text(look: _Look, name: str) -> None:
    """Take in a small file of a component: a config, a vocabulary, a template."""
    look.files.append(name)
    file = name.rpartition("/")[2]
    if name.endswith(".json"):
        is_config = "config" in file or file == "special_tokens_map.json"
        found = look.document(name, bytes_max=None if is_config else VOCABULARY_BYTES_MAX)
        if isinstance(found, dict) and found.get("chat_template"):
            look.notes.append(_TEMPLATE % name)
        return
    if look.tree.sizes[name] > VOCABULARY_BYTES_MAX:
        look.fault(f"'{name}' is larger than a vocabulary is", "Get the file again", name)
        return
    raw = (look.root / name).read_bytes()
    if name.endswith(".model"):
        if raw[:1] != b"\n":
            look.broken(name, _no_such(look.root / name, "no SentencePiece vocabulary"))
        return
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        look.broken(name, _no_such(look.root / name, "no text"))
    if name.endswith(".jinja"):
        look.notes.append(_TEMPLATE % name)


def _no_such(path: Path, what: str) -> ModelError:
    return ModelError(f"'{path.name}' is {what}.", next_step="Get the file again.", path=path)


_TEMPLATE = "%s has a template for chats, a small program; transformers runs it in a sandbox, and no engine asks for it"


def _loras(look: _Look) -> None:
    for name in sorted(look.tree.sizes):
        if not name.startswith(f"{LORAS}/"):
            continue
        if name.endswith(".safetensors"):
            look.files.append(name)
            _tensors(look, name)
        elif name.endswith((".json", ".toml")):
            look.files.append(name)
            if name.endswith(".json"):
                look.document(name)


def _stray(root: Path, name: str) -> Iterator[ModelError]:
    """What is wrong with a file that loading does not read."""
    lower = name.lower()
    then = "Remove it, or add the model with --copy, which copies what loading reads and leaves the rest behind."
    if lower.endswith(CODE) and not lower.endswith(PICKLES):
        yield ModelError(
            f"'{name}' is code, and none that comes with a model is ever run.", next_step=then, path=root / name
        )
        return
    if lower.endswith(PICKLES):
        yield ModelError(
            f"'{name}' is no safetensors file: weights of its kind run code when they are loaded.",
            next_step=then,
            path=root / name,
        )
        return
    try:
        what = hides(head_of(root / name))
    except OSError as error:
        yield ModelError(f"'{name}' cannot be read: {error.strerror}.", next_step=then, path=root / name)
        return
    if what:
        yield ModelError(f"'{name}' is {what}.", next_step=then, path=root / name)
