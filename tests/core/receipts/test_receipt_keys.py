"""Keys: one self-made key for a home, marked as such; a studio's where one is configured; and no silent fallback."""

from __future__ import annotations

import datetime
import multiprocessing
import os
import stat
from pathlib import Path

import cv2
import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from overscan.core.orders import KeySource
from overscan.core.receipts import Notary, SignatureReader, Signer, SigningKeyError, signature_path
from overscan.core.receipts._keys import load_key


def _chain(source: KeySource) -> bytes:
    return load_key(source).chain


def _in_process(folder: str) -> bytes:
    return _chain(KeySource(folder=Path(folder)))


def test_one_self_made_key_however_many_ask_at_once(tmp_path: Path) -> None:
    folder = str(tmp_path / "keys")
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        chains = pool.map(_in_process, [folder] * 6)
    assert len(set(chains)) == 1
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["self-made.pem"]
    if os.name != "nt":
        assert stat.S_IMODE((tmp_path / "keys/self-made.pem").stat().st_mode) == 0o600
    for certificate in x509.load_pem_x509_certificates(chains[0]):
        assert "self-made" in certificate.subject.rfc4514_string()


def studio(folder: Path, *, kind: str = "ec") -> KeySource:
    """A studio's root, and a signer's certificate by it."""
    folder.mkdir()
    now = datetime.datetime.now(datetime.timezone.utc)
    root_key = ec.generate_private_key(ec.SECP256R1())
    key = ec.generate_private_key(ec.SECP384R1()) if kind == "ec" else ed25519.Ed25519PrivateKey.generate()

    def made(name: str, public: object, extensions: list[tuple[x509.ExtensionType, bool]]) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(
                x509.Name(
                    [
                        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Studio"),
                        x509.NameAttribute(NameOID.COMMON_NAME, name),
                    ]
                )
            )
            .issuer_name(
                x509.Name(
                    [
                        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Studio"),
                        x509.NameAttribute(NameOID.COMMON_NAME, "root"),
                    ]
                )
            )
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=30))
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(root_key, hashes.SHA256())

    usage = [False] * 9
    root = made("root", root_key.public_key(), [
        (x509.BasicConstraints(ca=True, path_length=None), True),
        (x509.KeyUsage(*usage[:5], True, True, False, False), True),
        (x509.SubjectKeyIdentifier.from_public_key(root_key.public_key()), False),
    ])  # fmt: skip
    signer = made("signer", key.public_key(), [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509.KeyUsage(True, *usage[1:]), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False),
    ])  # fmt: skip
    pem = serialization.Encoding.PEM
    (folder / "chain.pem").write_bytes(signer.public_bytes(pem) + root.public_bytes(pem))
    (folder / "root.pem").write_bytes(root.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(private)
    return KeySource(
        folder=folder / "keys",
        certificate=folder / "chain.pem",
        private_key=folder / "key.pem",
        anchors=folder / "root.pem",
    )


@pytest.mark.parametrize("kind", ["ec", "ed25519"])
def test_a_studios_key_is_told_from_the_self_made_one(tmp_path: Path, kind: str) -> None:
    source = studio(tmp_path / "studio", kind=kind)
    own = KeySource(folder=tmp_path / "home", anchors=source.anchors)
    for name, keys, signer in (("a", source, Signer.STUDIO), ("b", own, Signer.SELF_MADE)):
        path = tmp_path / f"{name}.json"
        path.write_text("{}")
        Notary(source=keys, version="1").sign_beside(path, facts={"job": "x"}, model=False)
        found = SignatureReader(source=own).read(path)
        assert found is not None
        assert (found.intact, found.signer, found.facts["job"]) == (True, signer, "x")
        assert ("self-made" in found.facts["signed_with"]) == (signer is Signer.SELF_MADE)
    without = SignatureReader(source=KeySource(folder=tmp_path / "other")).read(tmp_path / "a.json")
    assert without is not None
    assert (without.intact, without.signer) == (True, Signer.UNKNOWN)
    assert not (tmp_path / "studio/keys").exists(), "no key is made where one is configured"


def test_what_is_configured_and_cannot_be_used_is_said(tmp_path: Path) -> None:
    good = studio(tmp_path / "one")
    other = studio(tmp_path / "two")
    folder = tmp_path / "home"
    cases = [
        (KeySource(folder=folder, certificate=good.certificate), "OVERSCAN_SIGNING_KEY"),
        (KeySource(folder=folder, private_key=good.private_key), "OVERSCAN_SIGNING_CERTIFICATE"),
        (KeySource(folder=folder, certificate=tmp_path / "none.pem", private_key=good.private_key), "cannot be read"),
        (KeySource(folder=folder, certificate=good.private_key, private_key=good.private_key), "PEM"),
        (KeySource(folder=folder, certificate=good.certificate, private_key=other.private_key), "not that of"),
    ]
    for source, words in cases:
        with pytest.raises(SigningKeyError, match=words):
            Notary(source=source, version="1")
    assert not folder.exists()


def test_a_damaged_self_made_key(tmp_path: Path) -> None:
    source = KeySource(folder=tmp_path)
    load_key(source)
    (tmp_path / "self-made.pem").write_bytes(b"gone")
    with pytest.raises(SigningKeyError, match="damaged"):
        load_key(source)


def test_stills_and_movies_carry_their_signature_inside(tmp_path: Path) -> None:
    source = KeySource(folder=tmp_path / "keys")
    notary, reader = Notary(source=source, version="1"), SignatureReader(source=source)
    picture = np.random.default_rng(1).integers(0, 255, (90, 160, 3), np.uint8)
    for media_type, suffix in (("image/jpeg", ".jpg"), ("image/png", ".png")):
        plain = cv2.imencode(suffix, picture)[1].tobytes()
        signed = notary.embed(plain, media_type=media_type, title="still", facts={"frame": 7}, model=True)
        found = reader.read_embedded(signed, media_type=media_type)
        assert found is not None
        assert (found.intact, found.signer, found.facts["frame"]) == (True, Signer.SELF_MADE, 7)
        assert np.array_equal(
            cv2.imdecode(np.frombuffer(signed, np.uint8), 1), cv2.imdecode(np.frombuffer(plain, np.uint8), 1)
        )
        assert reader.read_embedded(plain, media_type=media_type) is None
        spoilt = bytearray(signed)
        spoilt[-40] ^= 1
        found = reader.read_embedded(bytes(spoilt), media_type=media_type)
        assert found is None or not found.intact
    movie = _movie(tmp_path / "m.mp4")
    signed = notary.embed(movie, media_type="video/mp4", title="movie", facts={"shot": "010"}, model=False)
    found = reader.read_embedded(signed, media_type="video/mp4")
    assert found is not None
    assert (found.intact, found.facts["shot"]) == (True, "010")
    assert reader.read_embedded(movie, media_type="video/mp4") is None


def _movie(path: Path) -> bytes:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for value in range(5):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 40 * value, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path.read_bytes()


def test_a_sidecar_never_takes_a_plates_name(tmp_path: Path) -> None:
    assert signature_path(tmp_path / "a.1001.exr").name == "a.1001.exr.c2pa"
