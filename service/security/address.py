"""Where the service listens: a Unix socket that only its user can open, or loopback with a token.

Anything wider is refused unless it has TLS, users, and folders that it is confined to.
"""

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

from overscan.service._errors import AddressError, UsersFileError
from overscan.service._settings import Settings
from overscan.service.security.tls import check_tls
from overscan.service.security.users import read_users

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
    """The Unix socket: the address, or, with TLS, what the service's own user calls in place of it."""
    socket_mode: int = 0o600
    host: str = ""
    """The host, where the address is none of a Unix socket."""
    tls: bool = False
    """Whether callers at the host speak TLS."""
    token: str = ""
    """What the service's own user shows where anybody else could call, too; empty where nobody can."""

    @property
    def private_socket(self) -> bool:
        """Whether the Unix socket's mode keeps everybody else out."""
        return self.socket_path is not None and self.socket_mode == 0o600


def check_address(*, settings: Settings) -> None:
    """Raise `AddressError` where a service with these settings must not listen where they say, whoever listens there.

    That is an address that is none, and one that others could call without what that takes, saying all that is missing.
    """
    host, _ = _place(settings.listen)
    missing = [] if host is None or is_loopback(host) else _missing_for_others(settings)
    if missing:
        raise AddressError(
            f"the service does not listen on '{host}', where other machines could call it, without {_and(missing)}.",
            next_step="See docs/hardening.md; or use a Unix socket or loopback (127.0.0.1:PORT).",
            expected=_and(missing),
            actual=host,
        )
    check_tls(settings=settings)


def choose_address(*, settings: Settings) -> Listen:
    """Read ``unix:PATH`` or ``HOST:PORT``, or choose for the home where none is given.

    Raises `AddressError` as `check_address` does, and for a socket that somebody else serves.
    """
    check_address(settings=settings)
    host, place = _place(settings.listen)
    if host is None:
        path = Path(place) if place else _own_socket(settings.home)
        return _unix(path, int(settings.socket_mode, 8))
    if settings.tls_certificate is not None:
        return _with_tls(host, int(place), settings)
    return Listen(target=f"{_shown(host)}:{place}", host=_shown(host), token=secrets.token_urlsafe(_TOKEN_BYTES))


def split_address(address: str, *, setting: str, example: str) -> tuple[str, int]:
    """Host and port; raises `AddressError` where `address`, the value of a `setting`, is none."""
    host, separator, port = address.rpartition(":")
    host = host.strip("[]")
    if not separator or not host or not port.isdecimal() or int(port) > 65535:
        raise AddressError(f"'{address}' is no address for {setting}.", next_step=f"Write {example}.", actual=address)
    return host, int(port)


def is_loopback(host: str) -> bool:
    """Whether only this machine can call there."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _place(listen: str) -> tuple[str | None, str]:
    """Host and port; or None and the path of a Unix socket, empty for the home's own."""
    if not listen:
        return ("127.0.0.1", "0") if sys.platform == "win32" else (None, "")
    if not listen.startswith("unix:"):
        host, port = split_address(listen, setting="the service", example="unix:/path or HOST:PORT, e.g. 127.0.0.1:0")
        return host, str(port)
    text = listen.removeprefix("unix:")
    path = Path("/" + text.lstrip("/") if text.startswith("//") else text)
    if sys.platform == "win32" or not path.is_absolute():
        raise AddressError(
            f"'{listen}' is no address here.",
            next_step="Write unix:/absolute/path, or 127.0.0.1:0 for loopback.",
            actual=listen,
        )
    if len(os.fsencode(path)) > _SOCKET_PATH_BYTES_MAX:
        raise AddressError(
            f"the socket path '{path}' is too long.",
            next_step="Give a shorter one.",
            path=path,
            expected=f"at most {_SOCKET_PATH_BYTES_MAX} bytes",
            actual=len(os.fsencode(path)),
        )
    return None, str(path)


def _missing_for_others(settings: Settings) -> list[str]:
    """What an address that other machines reach needs and does not have, in words."""
    missing = []
    if settings.tls_certificate is None:
        missing.append("a certificate (tls_certificate)")
    if settings.tls_key is None:
        missing.append("its private key (tls_key)")
    try:
        if not read_users(settings.users):
            missing.append("users (`overscan users add`)")
    except UsersFileError as error:
        missing.append(f"a file of users that can be used ({error})")
    if not settings.roots_read and not settings.roots_write:
        missing.append("folders that jobs are confined to (roots_read, roots_write)")
    return missing


def _and(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _unix(path: Path, mode: int = 0o600) -> Listen:
    if path.exists() or path.is_symlink():
        _refuse_taken(path)
    token = "" if mode == 0o600 else secrets.token_urlsafe(_TOKEN_BYTES)
    return Listen(target=f"unix:{path}", socket_path=path, socket_mode=mode, token=token)


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


def _with_tls(host: str, port: int, settings: Settings) -> Listen:
    """An address with TLS, and beside it a Unix socket for the service's own user, where there are such."""
    own = None if sys.platform == "win32" else _unix(_own_socket(settings.home)).socket_path
    token = secrets.token_urlsafe(_TOKEN_BYTES) if own is None else ""
    return Listen(target=f"{_shown(host)}:{port}", host=_shown(host), tls=True, socket_path=own, token=token)


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
