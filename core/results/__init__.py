"""Results: composing generated pixels with the plate, writing them, and proving the plate untouched."""

from overscan.core.results._compare import FrameCheck
from overscan.core.results._compose import Composer, Generated
from overscan.core.results._extras import EXTRA_CHANNELS, EXTRAS_PART, SourceKind, extras_pattern
from overscan.core.results._output import check_output, encoding
from overscan.core.results._verify import verify_job, verify_result

__all__ = [
    "EXTRAS_PART",
    "EXTRA_CHANNELS",
    "Composer",
    "FrameCheck",
    "Generated",
    "SourceKind",
    "check_output",
    "encoding",
    "extras_pattern",
    "verify_job",
    "verify_result",
]
