"""One marked block in ``~/.nuke/init.py``, put there only when asked for, and taken out again to the byte."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from pathlib import Path

from overscan.client import ServiceError, make_problem

_BEGIN = "# >>> overscan >>> `overscan uninstall nuke` takes this block out again"
_END = "# <<< overscan <<<"
_BLOCK = re.compile(
    rb"(?P<gap>\r?\n)?# >>> overscan >>>[^\n]*\n(?P<body>.*?)# <<< overscan <<<[^\n]*(?:\n|\Z)", re.DOTALL
)


def init_file() -> Path:
    """The user's own init.py."""
    return Path.home() / ".nuke" / "init.py"


def linked_folder(file: Path) -> str:
    """The folder that the block in `file` names; empty where there is no block."""
    try:
        block = _BLOCK.search(file.read_bytes())
    except OSError:
        return ""
    named = re.search(rb"^_overscan = (.+?)\r?$", block["body"], re.MULTILINE) if block else None
    if named is None:
        return ""
    with contextlib.suppress(ValueError, UnicodeDecodeError):
        return _unquoted(named[1].decode("utf-8"))
    return ""


def link(file: Path, folder: Path) -> None:
    """Have Nuke read `folder`: add the block, or change the one that is there."""
    text = _read(file)
    newline = b"\r\n" if b"\r\n" in text else b"\n"
    lines = [
        _BEGIN,
        "import os",
        "import nuke",
        f"_overscan = {_quoted(str(folder))}",
        "if os.path.isdir(_overscan):",
        "    nuke.pluginAddPath(_overscan)",
        _END,
        "",
    ]
    block = newline.join(line.encode("ascii") for line in lines)
    rest = _BLOCK.sub(b"", text)
    # The line break before the block belongs to it, so that taking it out leaves what was there before.
    _write(file, rest + (newline if rest else b"") + block)


def unlink(file: Path, folder: Path) -> bool:
    """Take the block out if it names `folder`; says whether it did. A file that held nothing else is removed."""
    if not linked_folder(file) or Path(linked_folder(file)) != folder:
        return False
    rest = _BLOCK.sub(b"", _read(file))
    if rest:
        _write(file, rest)
    else:
        file.unlink()
    return True


def _quoted(text: str) -> str:
    """A literal that every Python reads the same from a file of unknown encoding: ASCII only."""
    return ascii(text)


def _unquoted(literal: str) -> str:
    import ast

    return str(ast.literal_eval(literal.strip()))


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise _failed(file, error) from error


def _write(file: Path, data: bytes) -> None:
    file = Path(os.path.realpath(file))  # people keep such files elsewhere and link to them
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        mode = file.stat().st_mode & 0o777 if file.exists() else 0o644
        handle, beside = tempfile.mkstemp(prefix=file.name, dir=file.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
            Path(beside).chmod(mode)
            Path(beside).replace(file)
        except BaseException:
            Path(beside).unlink()
            raise
    except OSError as error:
        raise _failed(file, error) from error


def _failed(file: Path, error: OSError) -> ServiceError:
    return ServiceError(
        [
            make_problem(
                "OUTPUT_NOT_WRITABLE",
                f"{file} cannot be changed: {error.strerror or error}.",
                next_step="Use NUKE_PATH in place of --link.",
                path=str(file),
            )
        ]
    )
