"""TLS to a service on another machine: what the client trusts, what it shows, and why a service is not trusted."""

from __future__ import annotations

import os
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc

from overscan.client._errors import ServiceError, make_problem
from overscan.v1.plan_pb2 import Problem

_ENDED, _NOT_YET = 10, 9
_OTHER_NAME = (62, 64)
"""OpenSSL's numbers for what is wrong with a certificate."""
_SETTLE_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """What a connection with TLS is made with; PEM files."""

    authorities: Path | None = None
    """Who may have signed the service's certificate; None for those that this system trusts."""
    certificate: Path | None = None
    """The client's own certificate, where the service wants one."""
    key: Path | None = None
    """Its private key."""


def tls_of_environment() -> Tls | None:
    """What ``$OVERSCAN_TLS_CA``, ``$OVERSCAN_CLIENT_CERTIFICATE`` and ``$OVERSCAN_CLIENT_KEY`` name; None for none."""
    named = [os.environ.get(f"OVERSCAN_{name}") or "" for name in ("TLS_CA", "CLIENT_CERTIFICATE", "CLIENT_KEY")]
    if not any(named):
        return None
    ca, certificate, key = (Path(name).expanduser() if name else None for name in named)
    return Tls(authorities=ca, certificate=certificate, key=key)


def credentials(tls: Tls) -> grpc.ChannelCredentials:
    """gRPC's credentials; raises `ServiceError` for a file that cannot be read."""
    authorities = _read(tls.authorities, "OVERSCAN_TLS_CA")
    if authorities is None:
        system = ssl.get_default_verify_paths().cafile
        authorities = _read(Path(system), "the system's authorities") if system else None
    return grpc.ssl_channel_credentials(
        root_certificates=authorities,
        private_key=_read(tls.key, "OVERSCAN_CLIENT_KEY"),
        certificate_chain=_read(tls.certificate, "OVERSCAN_CLIENT_CERTIFICATE"),
    )


def tls_problem(*, host: str, port: int, tls: Tls, timeout_seconds: float = 5.0) -> Problem | None:
    """Why the service there is not to be trusted, or does not trust us; None where all is well.

    gRPC itself says of all of it that the service is unavailable.
    """
    try:
        context = ssl.create_default_context(cafile=None if tls.authorities is None else str(tls.authorities))
        if tls.certificate is not None:
            context.load_cert_chain(tls.certificate, tls.key)
    except (OSError, ValueError) as error:
        return _problem(
            f"The certificates for TLS cannot be used: {error}.",
            "OVERSCAN_TLS_CA, OVERSCAN_CLIENT_CERTIFICATE and OVERSCAN_CLIENT_KEY name PEM files that belong together.",
        )
    context.set_alpn_protocols(["h2"])
    where = f"{host}:{port}"
    try:
        with (
            socket.create_connection((host, port), timeout=timeout_seconds) as plain,
            context.wrap_socket(plain, server_hostname=host) as secured,
        ):
            # A service that wants a certificate of ours says so only when its own part is done, or just hangs up.
            secured.settimeout(_SETTLE_SECONDS)
            if not secured.recv(1):
                return _not_taken("it hung up", where=where, shown=tls.certificate is not None)
    except TimeoutError:
        return None
    except ssl.SSLCertVerificationError as error:
        return _distrusted(error, where=where, host=host)
    except ssl.SSLError as error:
        return _refused(error, where=where, shown=tls.certificate is not None)
    except ConnectionError:
        return _problem(f"The service at {where} speaks no TLS.", "Call it without https://, or give its TLS port.")
    except OSError:  # nothing listens, which others say better
        return None
    return None


def _distrusted(error: ssl.SSLCertVerificationError, *, where: str, host: str) -> Problem:
    if error.verify_code == _ENDED:
        what, then = "has ended", "Whoever runs the service renews it; look at this machine's clock, too."
    elif error.verify_code == _NOT_YET:
        what, then = "is not valid yet", "Look at this machine's clock, and the service's."
    elif error.verify_code in _OTHER_NAME:
        what, then = f"is not for '{host}'", "Call the service by a name that is in its certificate."
    else:
        what = "is signed by nobody this machine trusts"
        then = "Set OVERSCAN_TLS_CA to the file of the authority that signed it; ask whoever runs the service."
    return _problem(f"The certificate of the service at {where} {what} ({error.verify_message}).", then)


def _refused(error: ssl.SSLError, *, where: str, shown: bool) -> Problem:
    reason = error.reason or str(error)
    if "ALERT" in reason:
        return _not_taken(reason, where=where, shown=shown)
    return _problem(
        f"The service at {where} speaks no TLS ({reason}).", "Call it without https://, or give its TLS port."
    )


def _not_taken(reason: str, *, where: str, shown: bool) -> Problem:
    if shown:
        what = f"The service at {where} does not take our certificate ({reason})."
        then = "Set OVERSCAN_CLIENT_CERTIFICATE and OVERSCAN_CLIENT_KEY to ones that its authority signed."
    else:
        what = f"The service at {where} wants a certificate of the caller ({reason})."
        then = "Set OVERSCAN_CLIENT_CERTIFICATE and OVERSCAN_CLIENT_KEY to yours; whoever runs the service has them."
    return _problem(what, then)


def _read(path: Path | None, what: str) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise ServiceError(
            [_problem(f"{what} cannot be read: {path}: {error.strerror}.", "Check the name and the file's mode.")]
        ) from error


def _problem(message: str, next_step: str) -> Problem:
    return make_problem("TLS", message, next_step=next_step)
