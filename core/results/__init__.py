"""Results: composing generated pixels with the plate, writing them, and proving the plate untouched."""

from overscan.core.results._compare import FrameCheck
from overscan.core.results._compose import Composer, Generated
from overscan.core.results._extras import EXTRA_CHANNELS, EXTRAS_PART, SourceKind, extras_pattern
from overscan.core.results._groundwork import Groundwork, GroundworkStore, read_groundwork
from overscan.core.results._new_frame import empty_frame
from overscan.core.results._output import check_output, encoding
from overscan.core.results._verify import verify_job, verify_result

__all__ = [
    "EXTRAS_PART",
    "EXTRA_CHANNELS",
    "Composer",
    "FrameCheck",
    "Generated",
    "Groundwork",
    "GroundworkStore",
    "SourceKind",
    "check_output",
    "empty_frame",
    "encoding",
    "extras_pattern",
    "read_groundwork",
    "verify_job",
    "verify_result",
]
