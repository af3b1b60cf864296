"""Models: folders on disk that were looked over, hashed and entered in a library. Docs: docs/models.md.

Nothing here loads a model, or imports what does.
"""

from overscan.core.models._choice import ModelFamily, chosen_model, model_files
from overscan.core.models._folder import INDEX, LORAS, ModelFolder
from overscan.core.models._inspect import Inspection, inspect_folder
from overscan.core.models._installed import missing_packages
from overscan.core.models._library import FileState, Library, accepted, library
from overscan.core.models._safetensors import Tensor, read_tensors

__all__ = [
    "INDEX",
    "LORAS",
    "FileState",
    "Inspection",
    "Library",
    "ModelFamily",
    "ModelFolder",
    "Tensor",
    "accepted",
    "chosen_model",
    "inspect_folder",
    "library",
    "missing_packages",
    "model_files",
    "read_tensors",
]
