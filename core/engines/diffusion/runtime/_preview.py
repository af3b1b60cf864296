"""A cheap look at latents while they are denoised."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from overscan.core.engines.diffusion.runtime._libraries import torch_library


class LatentPreview:
    """Turns latents into small pictures by the linear map that fits one picture and its latents best.

    No table of factors for each autoencoder is needed, and none can be wrong: the map is fitted to the plate itself.
    """

    def __init__(self, *, latents: Any, picture: npt.NDArray[np.float32]) -> None:
        """`latents` is ``(C, h, w)`` of the clean `picture`, ``(H, W, 3)`` codes with H and W multiples of h and w."""
        torch = torch_library()
        channels, height, width = latents.shape
        known = latents.detach().double().cpu().reshape(channels, -1).T
        known = torch.cat([known, torch.ones(len(known), 1, dtype=torch.float64)], dim=1)
        small = torch.nn.functional.adaptive_avg_pool2d(
            torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1))).double()[None], (height, width)
        )
        colours = small[0].reshape(3, -1).T
        # A little damping: a window of few samples, or a flat one, has many maps that fit.
        square = known.T @ known + 1e-3 * len(known) * torch.eye(channels + 1, dtype=torch.float64)
        self._map = torch.linalg.solve(square, known.T @ colours).float()

    def picture(self, latents: Any) -> npt.NDArray[np.float32]:
        """Codes ``(h, w, 3)`` of latents ``(C, h, w)``, not limited."""
        torch = torch_library()
        channels, height, width = latents.shape
        flat = latents.detach().float().cpu().reshape(channels, -1).T
        flat = torch.cat([flat, torch.ones(len(flat), 1)], dim=1)
        made: npt.NDArray[np.float32] = (flat @ self._map).reshape(height, width, 3).numpy()
        return made
