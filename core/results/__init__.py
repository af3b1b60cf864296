"""Results: composing generated pixels with the plate, writing them, and proving the plate untouched."""

from overscan.core.result_names import beside_path, extras_pattern
from overscan.core.results._beside import claim_beside, files_beside
from overscan.core.results._compare import FrameCheck
from overscan.core.results._compose import Composer, Generated
from overscan.core.results._extras import EXTRA_CHANNELS, EXTRAS_PART, SourceKind
from overscan.core.results._groundwork import Groundwork, GroundworkStore, read_groundwork, read_sketch
from overscan.core.results._new_frame import empty_frame
from overscan.core.results._output import check_output, encoding
from overscan.core.results._sketch import CELL, LightCounts, Sketch
from overscan.core.results._verify import verify_job, verify_result

__all__ = [
    "CELL",
    "EXTRAS_PART",
    "EXTRA_CHANNELS",
    "Composer",
    "FrameCheck",
    "Generated",
    "Groundwork",
    "GroundworkStore",
    "LightCounts",
    "Sketch",
    "SourceKind",
    "beside_path",
    "check_output",
    "claim_beside",
    "empty_frame",
    "encoding",
    "extras_pattern",
    "files_beside",
    "read_groundwork",
    "read_sketch",
    "verify_job",
    "verify_result",
]
