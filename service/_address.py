"""Where the service listens: a Unix socket that only its user can open, or loopback with a token."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import secrets
import socket
import stat
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from overscan.service._errors import AddressError

_SOCKET_PATH_BYTES_MAX = 103
"""The least of what systems allow (macOS: 104 with the closing zero; Linux: 108)."""
_TOKEN_BYTES = 32
_CONNECT_SECONDS_MAX = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """An address to listen at."""

    target: str
    """For gRPC; a port of 0 lets the system choose."""
    socket_path: Path | None = None
    """The Unix socket, if it is one."""
    host: str = ""
    """The loopback host, if it is one."""
    token: str = ""
    """What callers must show; empty for a Unix socket, whose file mode keeps others out."""


def choose_address(*, listen: str, home: Path) -> Listen:
    """Read ``unix:PATH`` or ``HOST:PORT``, or choose for `home` where `listen` is empty.

    Raises `AddressError` for anything but a Unix socket or loopback, and for a socket that somebody else serves.
    """
    if not listen:
        return _loopback("127.0.0.1", 0) if sys.platform == "win32" else _unix(_own_socket(home))
    if listen.startswith("unix:"):
        text = listen.removeprefix("unix:")
        path = Path("/" + text.lstrip("/") if text.startswith("//") else text)
        if sys.platform == "win32" or not path.is_absolute():
            raise AddressError(
                f"'{listen}' is no address here.",
                next_step="Write unix:/absolute/path, or 127.0.0.1:0 for loopback.",
                actual=listen,
            )
        return _unix(path)
    host, separator, port = listen.rpartition(":")
    host = host.strip("[]")
    if not separator or not port.isdecimal() or int(port) > 65535:
        raise AddressError(
            f"'{listen}' is no address.", next_step="Write unix:/path or HOST:PORT, e.g. 127.0.0.1:0.", actual=listen
        )
    if not _is_loopback(host):
        raise AddressError(
            f"the service does not listen on '{host}': other machines could call it, and it has no TLS yet.",
            next_step="Use a Unix socket or loopback (127.0.0.1:PORT), and ssh forwarding from elsewhere.",
            expected="loopback",
            actual=host,
        )
    return _loopback(host, int(port))


def _unix(path: Path) -> Listen:
    if len(os.fsencode(path)) > _SOCKET_PATH_BYTES_MAX:
        raise AddressError(
            f"the socket path '{path}' is too long.",
            next_step="Give a shorter one.",
            path=path,
            expected=f"at most {_SOCKET_PATH_BYTES_MAX} bytes",
            actual=len(os.fsencode(path)),
        )
    if path.exists() or path.is_symlink():
        _refuse_taken(path)
    return Listen(target=f"unix:{path}", socket_path=path)


def _refuse_taken(path: Path) -> None:
    """gRPC removes a socket that is in its way, whoever serves it, so look first."""
    if not stat.S_ISSOCK(path.lstat().st_mode):
        raise AddressError(f"'{path}' is there and is no socket.", next_step="Give another path.", path=path)
    if sys.platform != "win32":
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(_CONNECT_SECONDS_MAX)
            try:
                probe.connect(str(path))
            except OSError:
                return
        raise AddressError(
            f"somebody serves '{path}' already.", next_step="Stop that service or give another path.", path=path
        )


def _own_socket(home: Path) -> Path:
    """The socket of a home, in a folder that only this user can enter."""
    name = f"{hashlib.sha256(os.fsencode(home)).hexdigest()[:16]}.sock"
    user = os.getuid() if sys.platform != "win32" else 0
    candidates = [Path(tempfile.gettempdir()) / f"overscan-{user}", Path("/tmp") / f"overscan-{user}"]
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime and os.access(runtime, os.W_OK):
        candidates.insert(0, Path(runtime) / "overscan")
    for folder in candidates:
        if len(os.fsencode(folder / name)) <= _SOCKET_PATH_BYTES_MAX:
            _make_private(folder)
            return folder / name
    raise AddressError("no folder for the socket has a short enough path.", next_step="Give --address unix:PATH.")


def _make_private(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if sys.platform != "win32" and (not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid()):
        raise AddressError(
            f"'{folder}' belongs to somebody else.", next_step="Remove it, or give --address unix:PATH.", path=folder
        )
    folder.chmod(0o700)


def _loopback(host: str, port: int) -> Listen:
    shown = f"[{host}]" if ":" in host else host
    return Listen(target=f"{shown}:{port}", host=shown, token=secrets.token_urlsafe(_TOKEN_BYTES))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
