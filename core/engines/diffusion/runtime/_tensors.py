"""Videos as pipelines take and give them. Floats all the way: 8 bits would destroy what is above and below."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from overscan.core.engines.diffusion.runtime._libraries import torch_library


def video_tensor(frames: npt.NDArray[np.float32]) -> Any:
    """``(T, H, W, C)`` or ``(T, H, W)`` codes as a float32 torch tensor ``(1, T, C, H, W)`` on the CPU.

    The values stay as they are, 0 to 1. diffusers' own preparation turns them into -1 to 1, unless one is below 0.
    """
    channels = frames[..., np.newaxis] if frames.ndim == 3 else frames
    return torch_library().from_numpy(np.ascontiguousarray(channels.transpose(0, 3, 1, 2), np.float32)).unsqueeze(0)


def video_array(video: Any) -> npt.NDArray[np.float32]:
    """A torch tensor ``(1, T, C, H, W)`` or ``(T, C, H, W)`` as ``(T, H, W, C)`` float32, its values as they are."""
    frames = video[0] if video.ndim == 5 else video
    array: npt.NDArray[np.float32] = frames.detach().float().cpu().permute(0, 2, 3, 1).contiguous().numpy()
    return array
