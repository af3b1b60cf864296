"""C2PA manifests: sidecars for frames and receipts, embedded ones for preview stills and movies.

Follows the C2PA specification, through the Content Authenticity Initiative's own library. Nothing here uses the
network: no time stamps are asked for, no manifests fetched.
"""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any

import c2pa

from overscan.core.errors import UnreadableImageError
from overscan.core.orders import KeySource
from overscan.core.receipts._keys import SELF_MADE, SigningKey, load_key, own_anchor, studio_anchors
from overscan.core.result_names import signature_path
from overscan.core.temporaries import written_beside

EXR, JSON = "image/x-exr", "application/json"
_MEDIA_TYPES = {".exr": EXR, ".json": JSON, ".png": "image/png", ".tif": "image/tiff", ".tiff": "image/tiff"}
_OTHER = "application/octet-stream"
_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_MADE_BY_MODEL, _COMPOSITE = "compositeWithTrainedAlgorithmicMedia", "composite"
_ASSERTION = "org.overscan.receipt"
_EXPIRED = "signingCredential.expired"
_UNKNOWN_SIGNER = {"signingCredential.untrusted", "signingCredential.invalid", _EXPIRED}


class Signer(str, Enum):
    """Whose signature it is."""

    STUDIO = "studio"
    """A certificate that the configured anchors vouch for."""
    SELF_MADE = "self-made"
    """The key that Overscan made itself in this home folder."""
    UNKNOWN = "unknown"
    """A sound signature of somebody that nothing here vouches for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What a signature says, once checked."""

    intact: bool
    """Whether it fits the bytes it was made for."""
    signer: Signer
    """Meaningful where it is `intact`."""
    name: str
    """In the certificate."""
    detail: str
    """In plain words: what does not fit, or what is unusual."""
    facts: Mapping[str, Any]
    """What was signed along with the bytes; empty where that cannot be read."""


class Notary:
    """Signs with one key. Safe to use from several threads."""

    def __init__(self, *, source: KeySource, version: str) -> None:
        """`version` is Overscan's; raises `SigningKeyError` where there is no key to sign with."""
        self._key = load_key(source)
        self._version = version
        # The library's signers and contexts are not meant to be shared while they work.
        self._own = threading.local()

    @property
    def key(self) -> SigningKey:
        """The key it signs with."""
        return self._key

    def sign_beside(self, path: Path, *, facts: Mapping[str, object], model: bool, owner: str = "") -> Path:
        """Sign the file `path` into a sidecar, which it returns, with `facts` that anybody can read.

        `model` says whether a trained model made any of it; `owner` is `written_beside`'s. Raises OSError.
        """
        sidecar = signature_path(path)
        builder = self._builder(path.name, facts, model=model)
        builder.set_no_embed()
        with path.open("rb") as file:
            manifest = builder.sign(self._signer, _media_type(path), file, _Nowhere())
        with written_beside(sidecar, owner=owner) as temporary:
            temporary.write_bytes(manifest)
        return sidecar

    def embed(self, data: bytes, *, media_type: str, title: str, facts: Mapping[str, object], model: bool) -> bytes:
        """A picture or movie with its signature inside; image/jpeg, image/png, image/tiff, video/mp4 and the like."""
        signed = io.BytesIO()
        self._builder(title, facts, model=model).sign(self._signer, media_type, io.BytesIO(data), signed)
        return signed.getvalue()

    @property
    def _signer(self) -> Any:
        signer = getattr(self._own, "signer", None)
        if signer is None:
            key = self._key
            info = c2pa.C2paSignerInfo(key.algorithm, key.chain, key.private_key, None)
            signer = self._own.signer = c2pa.Signer.from_info(info)
        return signer

    @property
    def _context(self) -> Any:
        context = getattr(self._own, "context", None)
        if context is None:
            context = self._own.context = c2pa.Context.from_dict(
                {"verify": {"verify_after_sign": False}, "builder": {"thumbnail": {"enabled": False}}}
            )
        return context

    def _builder(self, title: str, facts: Mapping[str, object], *, model: bool) -> Any:
        source = _SOURCE_TYPE + (_MADE_BY_MODEL if model else _COMPOSITE)
        signer = SELF_MADE if self._key.self_made else "studio certificate"
        manifest = {
            "claim_generator_info": [{"name": "Overscan", "version": self._version}],
            "title": title,
            "assertions": [
                {
                    "label": "c2pa.actions",
                    "data": {"actions": [{"action": "c2pa.created", "digitalSourceType": source}]},
                },
                {"label": _ASSERTION, "data": {"signed_with": signer, **facts}},
            ],
        }
        return c2pa.Builder(manifest, context=self._context)


class SignatureReader:
    """Checks signatures against the keys that are known here."""

    def __init__(self, *, source: KeySource) -> None:
        """Raises `SigningKeyError` where configured anchors cannot be read."""
        self._known = [(Signer.STUDIO, studio_anchors(source)), (Signer.SELF_MADE, own_anchor(source))]

    def read(self, path: Path) -> Signature | None:
        """The signature in the sidecar of `path`; None where there is none, or the file itself is gone."""
        try:
            manifest = signature_path(path).read_bytes()
            with path.open("rb") as file:
                return self._checked(_media_type(path), file, manifest)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UnreadableImageError(
                f"cannot be read: {error.strerror}.", next_step="Check the file and its permissions.", path=path
            ) from error

    def read_embedded(self, data: bytes, *, media_type: str) -> Signature | None:
        """The signature inside a picture or movie; None where there is none."""
        try:
            return self._checked(media_type, io.BytesIO(data), None)
        except c2pa.C2paError.ManifestNotFound:
            return None

    def _checked(self, media_type: str, file: Any, manifest: bytes | None) -> Signature:
        found = None
        for signer, context in self._contexts:
            file.seek(0)
            found = _read(media_type, file, manifest, context)
            if not found.intact or found.signer is Signer.STUDIO:  # of that context: trusted
                return replace(found, signer=signer) if found.intact else found
        assert found is not None
        return found

    @cached_property
    def _contexts(self) -> list[tuple[Signer, Any]]:
        """One for each key known here; where there is none, one that trusts nobody."""
        known = [(signer, anchors) for signer, anchors in self._known if anchors] or [(Signer.UNKNOWN, b"")]
        return [(signer, _reading(anchors)) for signer, anchors in known]


def _reading(anchors: bytes) -> Any:
    trust = {"trust_anchors": anchors.decode("ascii", "replace")} if anchors else {}
    verify = {"verify_trust": True, "remote_manifest_fetch": False, "ocsp_fetch": False}
    return c2pa.Context.from_dict({"verify": verify, "trust": trust})


def _read(media_type: str, file: Any, manifest: bytes | None, context: Any) -> Signature:
    """Check against one context; a signer it trusts is called a studio's, and whoever asks knows better."""
    try:
        with c2pa.Reader(media_type, file, manifest, context=context) as reader:
            whole = json.loads(reader.json())
    except c2pa.C2paError.ManifestNotFound:
        if manifest is None:
            raise
        return _broken("the signature is damaged: there is no manifest in it")
    except c2pa.C2paError as error:
        return _broken(f"the signature is damaged: {error}")
    active = whole.get("manifests", {}).get(whole.get("active_manifest", ""), {})
    results = whole.get("validation_results", {}).get("activeManifest", {})
    failures = [entry["code"] for entry in results.get("failure", ())]
    wrong = [code for code in failures if code not in _UNKNOWN_SIGNER]
    info = active.get("signature_info", {})
    facts: Mapping[str, Any] = next(
        (entry["data"] for entry in active.get("assertions", ()) if entry["label"] == _ASSERTION), {}
    )
    trusted = whole.get("validation_state") == "Trusted"
    detail = ", ".join(wrong)
    if not wrong and _EXPIRED in failures:
        detail = "its certificate has expired since"
    return Signature(
        intact=not wrong and bool(active),
        signer=Signer.STUDIO if trusted else Signer.UNKNOWN,
        name=str(info.get("common_name") or info.get("issuer") or ""),
        detail=detail,
        facts=facts,
    )


def _broken(detail: str) -> Signature:
    return Signature(intact=False, signer=Signer.UNKNOWN, name="", detail=detail, facts={})


def _media_type(path: Path) -> str:
    return _MEDIA_TYPES.get(path.suffix.lower(), _OTHER)


class _Nowhere(io.RawIOBase):
    """Takes the signed file's bytes, which the sidecar does not need: large frames would lie in memory twice."""

    def __init__(self) -> None:
        super().__init__()
        self._at = 0
        self._end = 0

    def writable(self) -> bool:
        """Yes."""
        return True

    def readable(self) -> bool:
        """Yes: the library looks at what it has written."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def write(self, data: Any) -> int:
        """Forget `data`."""
        self._at += len(data)
        self._end = max(self._end, self._at)
        return len(data)

    def read(self, size: int = -1) -> bytes:
        """Zeros."""
        left = self._end - self._at
        count = left if size < 0 else min(size, left)
        self._at += count
        return bytes(count)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go there."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._end}[whence]
        return self._at

    def tell(self) -> int:
        """Where it is."""
        return self._at
