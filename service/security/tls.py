"""The service's certificate and key: looked at when it starts, and taken anew when they change."""

from __future__ import annotations

import logging
import ssl
import stat
import sys
from datetime import datetime, timezone
from pathlib import Path

import grpc

from overscan.service._errors import AddressError
from overscan.service._settings import Settings

_LOG = logging.getLogger(__name__)


def check_tls(*, settings: Settings) -> None:
    """Raise `AddressError` where certificate, key or authorities are there and cannot be used."""
    certificate, key = settings.tls_certificate, settings.tls_key
    if certificate is None or key is None:
        named = [
            name for name in ("tls_certificate", "tls_key", "tls_client_ca") if getattr(settings, name) is not None
        ]
        if not named:
            return
        raise AddressError(
            f"there is {' and '.join(named)} without {'tls_certificate' if certificate is None else 'tls_key'}.",
            next_step="Set both tls_certificate and tls_key.",
        )
    for path in filter(None, (certificate, key, settings.tls_client_ca)):
        _check_readable(path)
    if sys.platform != "win32" and stat.S_IMODE(key.stat().st_mode) & 0o007:
        raise AddressError("everybody can read or write the private key.", next_step=f"chmod o-rwx '{key}'.", path=key)
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key, password=lambda: b"")
        if settings.tls_client_ca is not None:
            context.load_verify_locations(settings.tls_client_ca)
    except (ssl.SSLError, OSError, ValueError) as error:
        raise AddressError(
            f"the certificate and its key cannot be used: {error}.",
            next_step="Give PEM files that belong together, the key without a password.",
            path=certificate,
        ) from error
    from cryptography import x509  # 8 MB that only a service with TLS needs

    ends = x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
    if ends <= datetime.now(timezone.utc):
        raise AddressError(
            f"the certificate has ended on {ends:%Y-%m-%d %H:%M} UTC.", next_step="Renew it.", path=certificate
        )


def server_credentials(*, settings: Settings) -> grpc.ServerCredentials:
    """TLS for a server, with the files as they are at each connection: a renewed certificate needs no restart."""
    files = tuple(filter(None, (settings.tls_certificate, settings.tls_key, settings.tls_client_ca)))
    seen = [_state(files)]

    def anew() -> grpc.ServerCertificateConfiguration | None:
        state = _state(files)
        if state == seen[0]:
            return None
        try:
            check_tls(settings=settings)
            configuration = _configuration(settings)
        except (AddressError, OSError, ValueError) as error:
            _LOG.error("the new certificate is not taken: %s", error)
            return None
        seen[0] = state
        _LOG.info("the certificate was taken anew from %s", settings.tls_certificate)
        return configuration

    return grpc.dynamic_ssl_server_credentials(
        _configuration(settings),
        anew,  # type: ignore[arg-type]  # None says that nothing has changed, which grpc's types do not know
        require_client_authentication=settings.tls_client_ca is not None,
    )


def _configuration(settings: Settings) -> grpc.ServerCertificateConfiguration:
    assert settings.tls_certificate is not None
    assert settings.tls_key is not None
    authorities = None if settings.tls_client_ca is None else settings.tls_client_ca.read_bytes()
    pair = (settings.tls_key.read_bytes(), settings.tls_certificate.read_bytes())
    return grpc.ssl_server_certificate_configuration([pair], root_certificates=authorities)


def _state(files: tuple[Path, ...]) -> tuple[tuple[int, int], ...]:
    found = []
    for path in files:
        try:
            status = path.stat()
            found.append((status.st_mtime_ns, status.st_size))
        except OSError:
            found.append((0, 0))
    return tuple(found)


def _check_readable(path: Path) -> None:
    try:
        path.read_bytes()
    except OSError as error:
        raise AddressError(
            f"cannot be read: {error.strerror}.", next_step="Check the setting and the file's mode.", path=path
        ) from error
