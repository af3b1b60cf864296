"""Tells by the first bytes of a file what its name may hide."""

from __future__ import annotations

import os
from pathlib import Path

HEAD_BYTES = 512
_PROTOCOLS = range(2, 6)
_STARTS = {
    b"PK\x03\x04": "a zip archive, as PyTorch's pickles are",
    b"\x1f\x8b": "a compressed file",
    b"BZh": "a compressed file",
    b"\xfd7zXZ\x00": "a compressed file",
    b"7z\xbc\xaf'\x1c": "a compressed file",
    b"\x93NUMPY": "a numpy array, which may hold a pickle",
    b"\x89HDF\r\n": "an HDF5 file, which may hold code",
    b"\x7fELF": "a program",
    b"MZ": "a program",
    b"#!": "a script",
}
PICKLES = (
    *(".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".dill", ".npy", ".npz", ".h5", ".keras"),
    *(".zip", ".tar", ".gz", ".nemo", ".mar", ".t7"),
)
"""Endings of weights that run code when they are loaded, or may."""
CODE = (
    *(".py", ".pyc", ".pyo", ".pyw", ".pth", ".so", ".pyd", ".dll", ".dylib", ".exe", ".sh", ".bat", ".ps1", ".whl"),
    *(".egg", ".ipynb", ".js"),
)
"""Endings of programs."""


def head_of(path: Path) -> bytes:
    """The first bytes of an ordinary file; nothing else is opened, and no link followed."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags), "rb") as file:
        return file.read(HEAD_BYTES)


def hides(head: bytes) -> str:
    """What a file is that begins with `head`, where it is nothing to load; empty where nothing is wrong."""
    if len(head) >= 2 and head[0] == 0x80 and head[1] in _PROTOCOLS:
        return "a pickle, which runs code when it is loaded"
    if head[257:262] == b"ustar":
        return "a tar archive, as old PyTorch pickles are"
    return next((what for start, what in _STARTS.items() if head.startswith(start)), "")
