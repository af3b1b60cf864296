"""The model library: which folders on this machine are models, and what was in them when they were added."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import platformdirs

from overscan.core.errors import ErrorRecord, ModelError, UnknownModelError
from overscan.core.errors import from_record as rebuilt
from overscan.core.models._folder import LORAS, ModelFolder
from overscan.core.models._inspect import Inspection, inspect_folder
from overscan.core.models._records import from_record, to_record
from overscan.core.models._tree import scan
from overscan.core.rights import ModelFiles, seal
from overscan.core.temporaries import written_beside

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")
_COPIES = "files"
"""Folder of the library's own copies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileState:
    """How a file of a model is compared with what it was when the model was added."""

    name: str
    state: str
    """``intact``, ``changed``, ``missing`` or ``extra``."""


def library(home: Path | None = None) -> Library:
    """The library in Overscan's `home`: None for ``$OVERSCAN_HOME``, else the user's folder."""
    named = os.environ.get("OVERSCAN_HOME", "") or platformdirs.user_data_dir("overscan", appauthor=False)
    return Library(folder=(home or Path(named)) / "models")


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """The models that were added; the folders themselves stay where they are, unless they are copied."""

    folder: Path
    """Where the library's records are, a JSON file for each model."""

    def names(self) -> tuple[str, ...]:
        """Names of all models."""
        return tuple(sorted(path.stem for path in self.folder.glob("*.json") if _NAME.fullmatch(path.stem)))

    def list(self) -> tuple[ModelFolder, ...]:
        """All models, as they were when they were added. Raises `ModelError` for a record that cannot be read."""
        return tuple(self.find(name) for name in self.names())

    def find(self, name: str) -> ModelFolder:
        """The model called `name`, as it was when it was added; `changes` says whether it still is.

        Raises `UnknownModelError` where there is none, and `ModelError` where its record cannot be read.
        """
        path = self._record(name)
        if path is None or not path.is_file():
            there = self.names()
            raise UnknownModelError(
                f"there is no model called '{name}' in the library.",
                next_step=f"There are {', '.join(there)}." if there else "Add one with `overscan models add FOLDER`.",
                field="model",
                actual=name,
            )
        try:
            return from_record(path.read_text(encoding="utf-8"), name=name)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(
                f"the library's record of '{name}' cannot be read: {type(error).__name__}: {error}.",
                next_step=f"Add the model again (`overscan models remove {name}`, then `overscan models add FOLDER`).",
                path=path,
                field="model",
            ) from None

    def add(self, folder: Path, *, name: str = "", card: str, source: str = "", copy: bool = False) -> ModelFolder:
        """Inspect the model in `folder`, hash all that loading reads, and enter it.

        `card` names its rights card. `copy` takes what loading reads into the library, and leaves the rest. Raises
        `ModelError` with the first of what is wrong with it (`inspect_folder` has all), and where the name is
        taken.
        """
        name = name or _name_from(folder)
        path = self._record(name)
        if path is None:
            raise ModelError(
                f"'{name}' is no name for a model.",
                next_step="Give one of small letters, digits, '.', '_' and '-' with --name.",
                field="name",
                actual=name,
            )
        if path.exists():
            raise ModelError(
                f"the library has a model called '{name}' already.",
                next_step=f"Give another name with --name, or remove it first (`overscan models remove {name}`).",
                field="name",
                actual=name,
            )
        with self._taken(folder, name, copy) as root:
            files = {inside: root / inside for inside in accepted(root).files}
            sealed = seal(ModelFiles(name=card, files=files))
            # Once more, now that the hashes are known: what was looked over is what was hashed.
            found = accepted(root)
            sealed.check()
            if set(found.files) != set(files):
                raise _moving(root)
            model = ModelFolder(
                name=name,
                path=root,
                pipeline=found.pipeline,
                components=found.components,
                variant=found.variant,
                files=files,
                hashes=dict(sealed.hashes),
                others=tuple(inside for inside in found.others if _is_inside(found.components, inside)),
                sizes={inside: file.stat().st_size for inside, file in files.items()},
                rights_card=card,
                source=source,
                added=datetime.now(timezone.utc).date().isoformat(),
                copied=copy,
            )
            _make_private(self.folder)
            with written_beside(path) as temporary:
                temporary.write_text(to_record(model), encoding="utf-8")
        return model

    def remove(self, name: str, *, delete_files: bool = False) -> bool:
        """Forget the model called `name`; whether its files were deleted, which `delete_files` does to our own copies.

        Raises `UnknownModelError` where there is no such model, and `ModelError` where files are to be deleted that
        are not the library's: then it is not forgotten either.
        """
        path = self._record(name)
        if path is None or not path.is_file():
            self.find(name)
            raise AssertionError("unreachable")
        copy = self._copy(name)
        is_copy = copy.is_dir() and not copy.is_symlink()
        if delete_files and not is_copy:
            raise ModelError(
                f"the files of '{name}' are not the library's to delete.",
                next_step="Leave out --delete-files, and delete the folder yourself.",
                field="name",
                actual=name,
            )
        path.unlink()
        if delete_files:
            shutil.rmtree(copy)
        return delete_files

    def changes(self, model: ModelFolder) -> tuple[FileState, ...]:
        """Compare every file with what it was when the model was added; all are hashed that this process has not."""
        there = set(scan(model.path).sizes) if model.path.is_dir() else set()
        present = {name: path for name, path in model.files.items() if name in there}
        hashes = seal(ModelFiles(name=model.rights_card, files=present)).hashes
        states = [
            FileState(
                name=name,
                state="missing" if name not in there else "intact" if hashes[name] == model.hashes[name] else "changed",
            )
            for name in sorted(model.files)
        ]
        states += [
            FileState(name=name, state="extra")
            for name in sorted(there - set(model.files) - set(model.others))
            if _is_inside(model.components, name)
        ]
        return tuple(states)

    def require_unchanged(self, model: ModelFolder) -> None:
        """Raise `ModelError` unless loading the model reads the very files that were inspected, and no other."""
        tree = scan(model.path)
        for name, fault in tree.faults.items():
            if name in model.files or (name not in model.others and _is_inside(model.components, name)):
                raise fault
        state = next((item for item in self.changes(model) if item.state != "intact"), None)
        if state is not None:
            was = {
                "missing": "is gone",
                "changed": "is not what it was",
                "extra": "was not there, and loading may read it",
            }
            raise ModelError(
                f"the model '{model.name}' is not what was added to the library: '{state.name}' {was[state.state]}.",
                next_step=f"Put the model's own files back (`overscan models verify {model.name}` lists them), or "
                "remove it from the library and add it again.",
                path=model.path / state.name,
                field="model",
            )

    def _record(self, name: str) -> Path | None:
        return self.folder / f"{name}.json" if _NAME.fullmatch(name) else None

    def _copy(self, name: str) -> Path:
        return self.folder / _COPIES / name

    @contextlib.contextmanager
    def _taken(self, folder: Path, name: str, copy: bool) -> Iterator[Path]:
        """The folder to enter: `folder` itself, or a copy of what loading reads, which goes where entering fails."""
        if not copy:
            yield Path(os.path.realpath(folder))
            return
        found = accepted(folder, copied=True)
        place = self._copy(name)
        _make_private(place.parent)
        temporary = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=place.parent))
        try:
            for inside in found.files:
                target = temporary / inside
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(found.sources.get(inside, found.path / inside), target, follow_symlinks=False)
            if place.exists():
                shutil.rmtree(place)
            temporary.rename(place)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        try:
            yield place
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise


def accepted(folder: Path, *, copied: bool = False) -> Inspection:
    """The inspection of `folder`; raises `ModelError` with the first of its faults.

    Where it is to be `copied`, what loading does not read may be anything.
    """
    found = inspect_folder(folder)
    faults = faults_against(found, copied=copied)
    if faults:
        raise rebuilt(faults[0])
    return found


def faults_against(found: Inspection, *, copied: bool) -> tuple[ErrorRecord, ...]:
    """What keeps a folder out of the library."""
    return found.faults if copied else (*found.faults, *found.strays)


def _make_private(folder: Path) -> None:
    """Make `folder` and what is missing above it, closed to other users: the home may be made here first."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    for place in reversed(missing):
        place.mkdir(mode=0o700, exist_ok=True)


def _is_inside(components: Iterable[str], name: str) -> bool:
    """Whether a file lies where loading looks for files of its own accord."""
    first, slash, _ = name.partition("/")
    return bool(slash) and (first in components or first == LORAS)


def _name_from(folder: Path) -> str:
    """A name for the model in `folder`, after the folder."""
    return re.sub(r"[^a-z0-9._-]+", "-", Path(os.path.realpath(folder)).name.lower()).strip("-._")[:80]


def _moving(root: Path) -> ModelError:
    return ModelError(
        "the folder was changed while it was looked over.", next_step="Add it when nothing writes to it.", path=root
    )
