"""The keys that receipts are signed with: a studio's, or one that Overscan makes for itself."""

from __future__ import annotations

import contextlib
import datetime
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from overscan.core.errors import OverscanError
from overscan.core.orders import KeySource

SELF_MADE = "Overscan self-made key (no studio)"
"""The organisation in a self-made certificate, so that every reader shows what it is."""
_FILE = "self-made.pem"
_YEARS = 20
_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
_KEY_MARK = b"-----BEGIN PRIVATE KEY-----"


class SigningKeyError(OverscanError):
    """A certificate or key that was configured cannot be used."""

    code = "SIGNING_KEY"


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A key ready to sign with."""

    chain: bytes
    """Certificates, PEM, the signer's own first."""
    private_key: bytes = field(repr=False)
    """PEM."""
    algorithm: str
    """C2PA's name for it, e.g. ``es256``."""
    self_made: bool


def load_key(source: KeySource) -> SigningKey:
    """The studio's key where one is configured, else the self-made one, made now where there is none.

    Raises `SigningKeyError` where what is configured cannot be used: nothing is then signed with anything else.
    """
    if source.certificate is None and source.private_key is None:
        chain, private_key = _self_made(source.folder / _FILE)
        return SigningKey(chain=chain, private_key=private_key, algorithm="es256", self_made=True)
    if source.certificate is None or source.private_key is None:
        missing = "OVERSCAN_SIGNING_KEY" if source.private_key is None else "OVERSCAN_SIGNING_CERTIFICATE"
        raise SigningKeyError(
            "a certificate and its private key are needed, and only one of them is configured.",
            next_step=f"Set {missing} too, or neither.",
        )
    chain, private_key = _read(source.certificate), _read(source.private_key)
    try:
        key = serialization.load_pem_private_key(private_key, password=None)
        own = x509.load_pem_x509_certificates(chain)[0]
    except (ValueError, TypeError, UnsupportedAlgorithm, IndexError) as error:
        raise SigningKeyError(
            f"the certificate or its key cannot be read: {error}.",
            next_step="Give the chain as PEM, the signer's own certificate first, and its key as PEM without password.",
            path=source.certificate,
        ) from error
    if own.public_key() != key.public_key():
        raise SigningKeyError(
            "the private key is not that of the first certificate.",
            next_step="Give the key that belongs to it, and the signer's own certificate first.",
            path=source.private_key,
        )
    return SigningKey(chain=chain, private_key=private_key, algorithm=_algorithm(key, source), self_made=False)


def own_anchor(source: KeySource) -> bytes:
    """The root of the self-made key, PEM; empty where none was ever made, or it is damaged."""
    try:
        chain = x509.load_pem_x509_certificates((source.folder / _FILE).read_bytes())
    except (OSError, ValueError):
        return b""
    return chain[-1].public_bytes(serialization.Encoding.PEM)


def studio_anchors(source: KeySource) -> bytes:
    """The certificates that count as a studio's, PEM; raises `SigningKeyError` where they cannot be read."""
    return _read(source.anchors) if source.anchors is not None else b""


def _self_made(path: Path) -> tuple[bytes, bytes]:
    """Chain and key of the self-made signer, from the one file that holds both."""
    try:
        if not path.exists():
            _make(path)
        whole = path.read_bytes()
    except OSError as error:
        raise SigningKeyError(
            f"the self-made key cannot be kept: {error.strerror}.", next_step="Check the home folder.", path=path
        ) from error
    chain, mark, key = whole.partition(_KEY_MARK)
    if not mark or not chain:
        raise SigningKeyError(
            "the self-made key is damaged.",
            next_step="Take it from a backup, or move the file away: the next job makes another.",
            path=path,
        )
    return chain, mark + key


def _make(path: Path) -> None:
    """Make a root, a signer's certificate and its key. The root's own key is thrown away: it signs nothing else."""
    now = datetime.datetime.now(datetime.timezone.utc)
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    serial = secrets.token_hex(4)
    root_name, name = _name(f"root {serial}"), _name(f"signer {serial}")

    def draft(subject: x509.Name, own: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(root_name)
            .public_key(own.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=365 * _YEARS))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
        )

    root = (
        draft(root_name, root_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    own = (
        draft(name, key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    whole = b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in (own, root)) + secret
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(whole)
        # The first of several workers wins; the others use its key.
        with contextlib.suppress(FileExistsError):
            temporary.rename(path) if os.name == "nt" else os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, SELF_MADE),
            x509.NameAttribute(NameOID.COMMON_NAME, f"{SELF_MADE} ({common})"),
        ]
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _algorithm(key: object, source: KeySource) -> str:
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        return _CURVES[key.curve.name]
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(key, rsa.RSAPrivateKey):
        return "ps256"
    raise SigningKeyError(
        "the private key is of a kind that C2PA does not know.",
        next_step="Use an elliptic curve (P-256, P-384, P-521), Ed25519 or RSA.",
        path=source.private_key or "",
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SigningKeyError(
            f"cannot be read: {error.strerror}.", next_step="Check the path and its permissions.", path=path
        ) from error
