"""Opens the doors of the service, and sets the guard before them."""

from __future__ import annotations

import os
from dataclasses import dataclass

import grpc

from overscan.service._errors import AddressError
from overscan.service._settings import Settings
from overscan.service.security.address import Listen
from overscan.service.security.audit import AuditLog
from overscan.service.security.doorkeeper import Doorkeeper
from overscan.service.security.guard import Guard
from overscan.service.security.quotas import Quotas
from overscan.service.security.tls import server_credentials
from overscan.service.security.users import UserBook


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """Where a service listens now."""

    address: str
    """For the service's own user, on its own machine: what ``service.json`` says."""
    public: str = ""
    """``HOST:PORT`` for everybody else, with TLS; empty where there is none."""


def make_guard(*, settings: Settings, listen: Listen, quotas: Quotas, audit: AuditLog) -> Guard:
    """The guard of a service that listens there; raises `UsersFileError`."""
    return Guard(
        doorkeeper=Doorkeeper(
            token=listen.token, private_socket=listen.private_socket, book=UserBook(path=settings.users)
        ),
        quotas=quotas,
        audit=audit,
    )


def bind(*, server: grpc.Server, listen: Listen, settings: Settings) -> Bound:
    """Bind the address; raises `AddressError`."""
    own = ""
    if listen.socket_path is not None:
        _bind_socket(server, listen)
        own = f"unix://{listen.socket_path}"
        if not listen.host:
            return Bound(address=own)
    credentials = server_credentials(settings=settings) if listen.tls else None
    try:
        if credentials is None:
            port = server.add_insecure_port(listen.target)
        else:
            port = server.add_secure_port(listen.target, credentials)
        reason = "it is taken or not allowed"
    except RuntimeError as error:
        port, reason = 0, str(error)
    if port == 0:
        raise _refusal(listen.target, reason)
    address = f"{listen.host}:{port}"
    return Bound(address=own or address, public=address if listen.tls else "")


def _bind_socket(server: grpc.Server, listen: Listen) -> None:
    target = f"unix:{listen.socket_path}"
    # The socket must never be more open, not even before a chmod; and no file of a worker may get this mask.
    mask = os.umask(0o777 & ~listen.socket_mode)
    try:
        if server.add_insecure_port(target) == 0:
            raise _refusal(target, "it is taken or not allowed")
    except RuntimeError as error:
        raise _refusal(target, str(error)) from error
    finally:
        os.umask(mask)


def _refusal(target: str, reason: str) -> AddressError:
    return AddressError(
        f"the service cannot listen at {target}: {reason}.", next_step="Give another --address.", actual=target
    )
