"""Loads the pipelines of the LTX-2 families, which differ in the class and in the LoRAs that they use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from overscan.core.engines.diffusion.families._loras import Equipped, add_loras, read_loras
from overscan.core.engines.diffusion.families._ltx2_denoise import FLOAT32, PIPELINES
from overscan.core.engines.diffusion.runtime import Device, load_pipeline
from overscan.core.jobs import ParameterValue
from overscan.core.models import ModelFolder


def load_equipped(
    folder: ModelFolder,
    device: Device,
    *,
    parameters: Mapping[str, ParameterValue],
    kinds: Iterable[str],
    cls: Callable[[], type[Any]],
    left_out: Iterable[str] = (),
) -> Equipped:
    """The pipeline `cls`, whatever the folder's index names, with the folder's LoRAs that serve any of `kinds`.

    Components that are `left_out` are not loaded.
    """
    loras = read_loras(folder, kinds=kinds)

    def prepare(pipeline: Any) -> None:
        add_loras(pipeline, loras)

    pipeline = load_pipeline(
        folder,
        classes=PIPELINES,
        device=device,
        parameters=parameters,
        float32=FLOAT32,
        components=dict.fromkeys(left_out),
        cls=cls,
        prepare=prepare,
        variant_key=tuple(lora.adapter for lora in loras),
    )
    return Equipped(pipeline=pipeline, loras=loras)
