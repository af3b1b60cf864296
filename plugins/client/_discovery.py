"""Where the service listens: ``service.json`` in the home folder, or the environment."""

from __future__ import annotations

import ipaddress
import json
import os
import socket
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from overscan.client._errors import ServiceError, make_problem
from overscan.client._tls import Tls, tls_of_environment, tls_problem
from overscan.v1.plan_pb2 import Problem

PROTOCOL = 1
"""Version of the wire contract that this client speaks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A service's address, as it was announced."""

    address: str
    """``unix:/path`` or ``host:port``."""
    tls: Tls | None = None
    """How TLS is spoken; None where it is not."""
    token: str = ""
    """Sent as bearer token; empty for Unix sockets."""
    pid: int = 0
    """Process id of the service; 0 where not announced."""
    version: str = ""
    """Version of the service; empty where not announced."""
    protocol: int = PROTOCOL


def home_folder(home: str | os.PathLike[str] | None = None) -> Path:
    """The folder with the service's jobs, logs and address: `home`, ``$OVERSCAN_HOME``, or the user's data folder."""
    chosen = home or os.environ.get("OVERSCAN_HOME") or platformdirs.user_data_dir("overscan", appauthor=False)
    return Path(os.path.abspath(os.path.expanduser(chosen)))  # noqa: PTH100, PTH111 (resolve() would follow links)


def given_endpoint(address: str | None = None) -> Endpoint | None:
    """The endpoint named by `address` or ``$OVERSCAN_ADDRESS``, None where neither is set."""
    address = address or os.environ.get("OVERSCAN_ADDRESS")
    if not address:
        return None
    tls = None
    if address.startswith("https://"):
        address = address.removeprefix("https://").rstrip("/")
        tls = tls_of_environment() or Tls()
    elif not address.startswith("unix:"):
        tls = tls_of_environment()
    return Endpoint(address=address, tls=tls, token=_given_token())


def connection_problem(endpoint: Endpoint) -> Problem | None:
    """Why a service that answers must not be called: TLS that is not to be trusted, or a token that all could read."""
    if endpoint.address.startswith("unix:"):
        return None
    host, _, port = endpoint.address.removeprefix("dns:///").rpartition(":")
    host = host.strip("[]")
    if endpoint.tls is not None:
        return tls_problem(host=host, port=int(port), tls=endpoint.tls)
    if endpoint.token and not _is_loopback(host):
        return make_problem(
            "TLS",
            f"A token would go to {host} in the clear, for everybody on the way to read.",
            next_step=f"Write https://{endpoint.address}, or call through a tunnel that ends at localhost.",
        )
    return None


def _given_token() -> str:
    """``$OVERSCAN_TOKEN``, or what the file ``$OVERSCAN_TOKEN_FILE`` holds."""
    token, named = os.environ.get("OVERSCAN_TOKEN", ""), os.environ.get("OVERSCAN_TOKEN_FILE", "")
    if token or not named:
        return token
    try:
        return Path(named).expanduser().read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise ServiceError(
            [
                make_problem(
                    "UNAUTHENTICATED",
                    f"The token cannot be read from the file {named}: {error}.",
                    next_step="OVERSCAN_TOKEN_FILE names a file with the token and nothing else.",
                    path=named,
                )
            ]
        ) from error


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def announced_endpoint(*, home: Path) -> Endpoint | None:
    """What ``service.json`` says; None where there is none or it is not one."""
    try:
        record = json.loads((home / "service.json").read_text(encoding="utf-8"))
        return Endpoint(
            address=str(record["address"]),
            token=str(record.get("token", "")),
            pid=int(record.get("pid", 0)),
            version=str(record.get("version", "")),
            protocol=int(record.get("protocol", 0)),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def refusal(endpoint: Endpoint, *, timeout_seconds: float = 2.0) -> str:
    """Why nothing listens at the endpoint, in plain words; empty where something does.

    A plain socket tells at once what gRPC would only say after its own retries.
    """
    address = endpoint.address
    try:
        if address.startswith("unix:"):
            if not hasattr(socket, "AF_UNIX"):
                return "this system has no Unix sockets"
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
                probe.settimeout(timeout_seconds)
                probe.connect(address.removeprefix("unix://").removeprefix("unix:"))
            return ""
        host, _, port = address.removeprefix("dns:///").rpartition(":")
        with socket.create_connection((host.strip("[]"), int(port)), timeout=timeout_seconds):
            return ""
    except FileNotFoundError:
        return "its socket is gone"
    except ConnectionRefusedError:
        return "nothing listens there"
    except ValueError:
        return "that is no address; write unix:/path or host:port"
    except OSError as error:
        return error.strerror or str(error)
