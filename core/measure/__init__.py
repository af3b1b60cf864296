"""How good a result is, without learned weights: quality figures, and the simple fills they are compared with.

``python -m overscan.core.measure compare`` measures a result against the truth beyond the frame and makes a contact
sheet and a before/after movie.
"""

from overscan.core.measure._baselines import pull_push, telea_per_frame
from overscan.core.measure._compare import Comparison, compare
from overscan.core.measure._measured import Scores
from overscan.core.measure._quality import high_frequency_ratio, log_psnr, psnr, ssim

__all__ = [
    "Comparison",
    "Scores",
    "compare",
    "high_frequency_ratio",
    "log_psnr",
    "psnr",
    "pull_push",
    "ssim",
    "telea_per_frame",
]
