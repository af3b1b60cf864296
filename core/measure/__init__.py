"""How good a result is, without learned weights: quality figures, and the simple fills they are compared with.

``python -m overscan.core.measure compare`` measures a result against the truth beyond the frame and makes a contact
sheet and a before/after movie.
"""

from overscan.core.measure._baselines import pull_push, telea_per_frame
from overscan.core.measure._compare import Comparison, compare
from overscan.core.measure._measured import Scores
from overscan.core.measure._quality import high_frequency_ratio, log_psnr, psnr, ssim
from overscan.core.measure._seams import grain_ratio, seam_step
from overscan.core.measure._steadiness import PixelMotion, misplacement, pixel_motion, warp_error

__all__ = [
    "Comparison",
    "PixelMotion",
    "Scores",
    "compare",
    "grain_ratio",
    "high_frequency_ratio",
    "log_psnr",
    "misplacement",
    "pixel_motion",
    "psnr",
    "pull_push",
    "seam_step",
    "ssim",
    "telea_per_frame",
    "warp_error",
]
