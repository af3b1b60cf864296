"""Runs diffusers pipelines: devices, memory, loading, and everything round a denoising loop.

Importing this imports no torch; what needs it imports it when called.
"""

from overscan.core.engines.diffusion.runtime._choose import Choice, Settings, choose, moved_out
from overscan.core.engines.diffusion.runtime._devices import Device, devices
from overscan.core.engines.diffusion.runtime._facts import ComponentFacts, ModelFacts, model_facts
from overscan.core.engines.diffusion.runtime._libraries import surroundings
from overscan.core.engines.diffusion.runtime._load import load_pipeline
from overscan.core.engines.diffusion.runtime._need import Need, PartNeed, video_need
from overscan.core.engines.diffusion.runtime._painting import painting
from overscan.core.engines.diffusion.runtime._preview import LatentPreview
from overscan.core.engines.diffusion.runtime._steps import late_start, listen, noise, step_hook
from overscan.core.engines.diffusion.runtime._tensors import video_array, video_tensor
from overscan.core.engines.diffusion.runtime._unlimited import decode_unlimited
from overscan.core.engines.diffusion.runtime._warm import forget_models, warm_models
from overscan.core.errors import OutOfMemoryError

__all__ = [
    "Choice",
    "ComponentFacts",
    "Device",
    "LatentPreview",
    "ModelFacts",
    "Need",
    "OutOfMemoryError",
    "PartNeed",
    "Settings",
    "choose",
    "decode_unlimited",
    "devices",
    "forget_models",
    "late_start",
    "listen",
    "load_pipeline",
    "model_facts",
    "moved_out",
    "noise",
    "painting",
    "step_hook",
    "surroundings",
    "video_array",
    "video_need",
    "video_tensor",
    "warm_models",
]
