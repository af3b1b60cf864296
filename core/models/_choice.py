"""Which model a job runs with, and which of its files the policy has to judge."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from overscan.core.access import check_read
from overscan.core.errors import ModelsNotInstalledError, UnknownModelError
from overscan.core.jobs import Job
from overscan.core.models._folder import ModelFolder
from overscan.core.models._installed import INSTALL, missing_packages
from overscan.core.models._library import Library, library
from overscan.core.rights import ModelFiles


class ModelFamily(Protocol):
    """What is asked about a family of models; `FamilyCard` of the diffusion engines is one."""

    @property
    def name(self) -> str:
        """The engine's name."""

    @property
    def pipelines(self) -> Collection[str]:
        """Class names that ``model_index.json`` may say."""


def chosen_model(*, job: Job, family: ModelFamily, models: Library | None = None) -> ModelFolder:
    """The model that `job` names, or the only one in the library that fits `family`.

    Raises `UnknownModelError` where there is none, where it does not fit, or where several do and the job names none;
    `ModelsNotInstalledError` without the libraries that run models.
    """
    missing = missing_packages()
    if missing:
        raise ModelsNotInstalledError(
            f"the engine '{family.name}' cannot run here: {missing.partition(':')[0]}.",
            next_step=f"{INSTALL[0].upper()}{INSTALL[1:]}.",
            field="engine",
            actual=family.name,
        )
    shelf = models or library()
    if job.model:
        found = shelf.find(job.model)
        if found.pipeline not in family.pipelines:
            raise UnknownModelError(
                f"the model '{found.name}' is a {found.pipeline}, which the engine '{family.name}' does not run.",
                next_step=f"Name another with --model: {_names(_fitting(shelf, family)) or 'none here fits'}.",
                field="model",
                expected=" or ".join(sorted(family.pipelines)),
                actual=found.pipeline,
            )
        return found
    fitting = _fitting(shelf, family)
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise UnknownModelError(
            f"the library has {len(fitting)} models for the engine '{family.name}', and the job names none.",
            next_step=f"Name one with --model: {_names(fitting)}.",
            field="model",
            expected=_names(fitting),
        )
    raise UnknownModelError(
        f"the library has no model for the engine '{family.name}'.",
        next_step="Add the folder of one with `overscan models add FOLDER`; docs/models.md says where to get it.",
        field="model",
        expected=" or ".join(sorted(family.pipelines)),
    )


def model_files(*, job: Job, family: ModelFamily, models: Library | None = None) -> ModelFiles:
    """What `ModelEngine.model` of a family's engine returns: every file that loading reads, as it was inspected.

    Raises like `chosen_model`, and `ModelError` where the folder is not what was added to the library.
    """
    shelf = models or library()
    found = chosen_model(job=job, family=family, models=shelf)
    for path in found.files.values():
        check_read(path)
    shelf.require_unchanged(found)
    return ModelFiles(name=found.rights_card, files=found.files)


def _fitting(shelf: Library, family: ModelFamily) -> tuple[ModelFolder, ...]:
    return tuple(model for model in shelf.list() if model.pipeline in family.pipelines)


def _names(models: Collection[ModelFolder]) -> str:
    return ", ".join(model.name for model in models)
