"""Loads a pipeline from a folder: safetensors only, no code but diffusers' and transformers' own, nothing fetched."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from overscan.core.engines.diffusion.runtime._choose import Settings, settings_of
from overscan.core.engines.diffusion.runtime._devices import Device
from overscan.core.engines.diffusion.runtime._facts import model_facts
from overscan.core.engines.diffusion.runtime._libraries import diffusers_library, torch_library
from overscan.core.engines.diffusion.runtime._painting import enough_memory
from overscan.core.engines.diffusion.runtime._warm import warm
from overscan.core.errors import InvalidJobError
from overscan.core.jobs import ParameterValue

if TYPE_CHECKING:
    from overscan.core.models import ModelFolder

_LIBRARIES = ("diffusers", "transformers")


def load_pipeline(
    folder: ModelFolder,
    *,
    classes: Sequence[str],
    device: Device,
    parameters: Mapping[str, ParameterValue],
    float32: Sequence[str] = ("vae",),
    components: Mapping[str, Any] | None = None,
    cls: Callable[[], type[Any]] | None = None,
    prepare: Callable[[Any], None] | None = None,
    variant_key: object = None,
) -> Any:
    """The pipeline in `folder`, on its device and ready; kept warm for the next call with the same settings.

    `classes` are the class names that its index may say. Components named in `float32` stay in float32: half overflows
    in some autoencoders, and bands a log code in all. `components` replace or (None) leave out some of the folder's.
    `cls` gives a subclass of our own to load it as. `prepare` is called once after loading, before anything is placed
    on the device, e.g. to add LoRAs; where it does not always do the same, `variant_key` tells the pipelines apart.

    Raises `InvalidJobError` for a folder that holds what it must not, `OutOfMemoryError` where the device or the
    machine has no room for it, and whatever the libraries raise.
    """
    settings = settings_of(parameters)
    if folder.pipeline not in classes:
        raise _refused(
            folder, f"the model '{folder.name}' is a {folder.pipeline}, not a {' or '.join(classes)}.", "model"
        )

    def load() -> Any:
        with enough_memory(f"the model '{folder.name}' was loaded"):
            return _load(
                folder,
                settings=settings,
                device=device,
                float32=float32,
                components=dict(components or {}),
                cls=cls,
                prepare=prepare,
            )

    key = (
        folder.name,
        tuple(sorted(folder.hashes.items())),
        device.name,
        settings,
        tuple(float32),
        (cls.__module__, cls.__qualname__) if cls is not None else None,
        variant_key,
    )
    return warm(
        key,
        name=folder.name,
        device=device.name if settings.offload == "none" else "cpu",
        expected_bytes=sum(
            part.parameters * (4 if part.name in float32 or settings.precision == "float32" else 2)
            for part in model_facts(folder).components.values()
        ),
        total_bytes=device.total_bytes,
        load=load,
    )


def _load(
    folder: ModelFolder,
    *,
    settings: Settings,
    device: Device,
    float32: Sequence[str],
    components: dict[str, Any],
    cls: Callable[[], type[Any]] | None,
    prepare: Callable[[Any], None] | None,
) -> Any:
    torch, diffusers = torch_library(), diffusers_library()
    _check_components(folder)
    kind = cls() if cls is not None else getattr(diffusers, folder.pipeline)
    main = getattr(torch, settings.precision)
    dtypes = {"default": main, **{name: torch.float32 for name in float32 if name in folder.components}}
    pipeline = kind.from_pretrained(
        str(folder.path),
        local_files_only=True,
        use_safetensors=True,
        trust_remote_code=False,
        dtype=dtypes,
        variant=folder.variant or None,
        **components,
    )
    _check_loaded(folder, pipeline)
    pipeline.set_progress_bar_config(disable=True)
    if prepare is not None:
        prepare(pipeline)
    _set_up(pipeline, settings)
    _place(pipeline, settings, device)
    return pipeline


def _check_components(folder: ModelFolder) -> None:
    """Refuse an index that names anything but classes of the two libraries; the folder was inspected when it was added,
    but what is loaded is what lies there now."""
    for name, value in folder.index().items():
        if name.startswith("_") or not isinstance(value, list):
            continue
        library, class_name = (*value, None, None)[:2]
        if library is None and class_name is None:
            continue
        known = isinstance(library, str) and isinstance(class_name, str) and _knows(library, class_name)
        if not known or folder.components.get(name) != (library, class_name):
            raise _refused(folder, f"the component '{name}' of the model '{folder.name}' is {library}.{class_name}.")


def _knows(library: str, class_name: str) -> bool:
    diffusers = diffusers_library()
    if library in _LIBRARIES:
        if library == "transformers" and _is_tokenizer(class_name):
            return True
        return inspect.isclass(getattr(sys.modules[library], class_name, None))
    # Parts that belong to one pipeline lie in that pipeline's package, e.g. the vocoder of LTX-2.
    found = getattr(getattr(diffusers.pipelines, library, None), class_name, None)
    return inspect.isclass(found) and found.__module__.startswith("diffusers.pipelines.")


def _is_tokenizer(class_name: str) -> bool:
    """Tokenizers are loaded by what their own files say, whatever the class was called when they were saved."""
    return class_name.endswith(("Tokenizer", "TokenizerFast", "TokenizersBackend"))


def _check_loaded(folder: ModelFolder, pipeline: Any) -> None:
    for name, component in pipeline.components.items():
        home = type(component).__module__.partition(".")[0]
        if component is not None and home not in (*_LIBRARIES, "overscan"):
            raise _refused(folder, f"the component '{name}' of the model '{folder.name}' was loaded as {home} code.")


def _refused(folder: ModelFolder, message: str, field: str = "model") -> InvalidJobError:
    return InvalidJobError(
        message,
        next_step=f"Run `overscan models verify {folder.name}`, and get the folder again from its makers.",
        path=folder.path,
        field=field,
    )


def _set_up(pipeline: Any, settings: Settings) -> None:
    torch = torch_library()
    for name, component in pipeline.components.items():
        if not isinstance(component, torch.nn.Module):
            continue
        component.requires_grad_(False)
        if name.startswith(("transformer", "unet")):
            if hasattr(component, "set_attention_backend"):
                component.set_attention_backend(settings.attention)
            if settings.compile and hasattr(component, "compile_repeated_blocks"):
                component.compile_repeated_blocks(fullgraph=True)
        # Autoencoders of sound have the methods too, and cannot.
        if hasattr(component, "use_tiling"):
            (component.enable_tiling if settings.tiling else component.disable_tiling)()


def _place(pipeline: Any, settings: Settings, device: Device) -> None:
    if settings.offload == "model":
        pipeline.enable_model_cpu_offload(device=device.name)
    elif settings.offload == "sequential":
        pipeline.enable_sequential_cpu_offload(device=device.name)
    else:
        pipeline.to(device.name)
