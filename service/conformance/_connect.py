"""How to get to a service: its address, a token, certificates, from options or the variables of Overscan's clients."""

from __future__ import annotations

import argparse
import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path

import grpc


class CannotConnectError(Exception):
    """What was given does not lead to a service; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """The way to a service."""

    address: str
    token: str
    credentials: grpc.ChannelCredentials | None
    """For TLS; None without."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that say where the service is and who asks."""
    for option, variable, what in (
        ("--address", "ADDRESS", "unix:///path, host:port, or https://host:port"),
        ("--token", "TOKEN", "a user's token, which other users of this machine see in the list of processes"),
        ("--token-file", "TOKEN_FILE", "a file with the token and nothing else"),
        ("--tls-ca", "TLS_CA", "certificates, PEM, that the service's is checked with, in place of the system's"),
        ("--client-certificate", "CLIENT_CERTIFICATE", "the caller's own certificate, PEM, for mutual TLS"),
        ("--client-key", "CLIENT_KEY", "its key, PEM"),
    ):
        name = f"OVERSCAN_{variable}"
        parser.add_argument(option, default=os.environ.get(name, ""), help=f"{what}; ${name} unless given")


def find_way(options: argparse.Namespace) -> Way:
    """The way that options name; raises `CannotConnectError`."""
    address = options.address.removeprefix("https://").rstrip("/")
    files = (options.tls_ca, options.client_certificate, options.client_key)
    secure = options.address.startswith("https://") or (any(files) and not address.startswith("unix:"))
    token = options.token
    if not token and options.token_file:
        token = _read(options.token_file).decode(errors="replace").strip()
    if token and not secure and not _stays_here(address):
        raise CannotConnectError(f"a token would go to {address} in the clear; write https://{address}.")
    credentials = None
    if secure:
        authorities, certificate, key = (_read(name) if name else None for name in files)
        credentials = grpc.ssl_channel_credentials(authorities, key, certificate)
    return Way(address=address, token=token, credentials=credentials)


def _stays_here(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    try:
        return address.startswith("unix:") or host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _read(name: str) -> bytes:
    try:
        return Path(name).expanduser().read_bytes()
    except OSError as error:
        raise CannotConnectError(f"{name} cannot be read: {error.strerror}.") from error
