"""The environment of the bridge: the user's, without what the host has put in for itself."""

from __future__ import annotations

from typing import Mapping

_NAMES = frozenset(
    {
        # The host's own Python, or an activated one: another Python would load its modules.
        "PYTHONHOME",
        "PYTHONPATH",
        "PYTHONSTARTUP",
        "PYTHONEXECUTABLE",
        "PYTHONPLATLIBDIR",
        "PYTHONUSERBASE",
        "PYTHONINSPECT",
        "PYTHONOPTIMIZE",
        "PYTHONWARNINGS",
        "PYTHONCASEOK",
        "__PYVENV_LAUNCHER__",
        "VIRTUAL_ENV",
        "CONDA_PREFIX",
        "CONDA_DEFAULT_ENV",
        # Hosts load their own OpenSSL, OpenEXR, protobuf and Qt by these.
        "LD_LIBRARY_PATH",
        "LD_PRELOAD",
        "LD_AUDIT",
        "TCL_LIBRARY",
        "TK_LIBRARY",
    }
)
_BEGINNINGS = ("DYLD_", "QT_", "QML_", "NUKE_", "FN_", "FOUNDRY_", "RLM_", "RESOLVE_SCRIPT_", "FUSION_PYTHON")


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` without what belongs to the host: search paths of Python and of shared libraries, Qt, the host's own.

    Kept is what belongs to the user or the studio: HOME, PATH, TMPDIR, proxies, locale, ``OVERSCAN_*``; and OCIO,
    because the show's colour configuration must be the one that the artist sees in the host.
    """
    return {
        name: value
        for name, value in environ.items()
        if name.upper() not in _NAMES and not name.upper().startswith(_BEGINNINGS)
    }
