"""Checks a receipt itself: its text, its signature, and what it says of cards, policies and inputs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from overscan.core.errors import MissingFramesError, OverscanError, UnreadableImageError
from overscan.core.plates import Sequence, sha256_of
from overscan.core.receipts._document import (
    Input,
    InputFile,
    JobReceipt,
    ReceiptError,
    content_digest,
    parse_receipt,
    read_receipt_file,
    receipt_bytes,
)
from overscan.core.receipts._finding import Finding, State, Subject
from overscan.core.receipts._places import archived
from overscan.core.receipts._record import pixels_digest
from overscan.core.receipts._sign import Signature, SignatureReader, Signer
from overscan.core.result_names import signature_path

_DIFFERENCES_SHOWN = 3
_JOB_ID = re.compile(rb'"job_id": "([0-9a-f]{32})"')
_ROLES = {"plate": "plate", "matte": "matte", "movers": "movers matte", "never_copy": "never-copy matte"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptCheck:
    """A receipt that could be read, with what is wrong with it."""

    path: Path
    receipt: JobReceipt | None
    """What frames are to be compared with: the home folder's copy where the receipt itself is not whole; None where
    there is neither."""
    findings: tuple[Finding, ...]


def check_receipt(path: Path, *, signatures: SignatureReader, archive: Path | None) -> ReceiptCheck:
    """Read a receipt and check all that needs no other file than its signature and the copy in the `archive`."""
    try:
        data = path.read_bytes()
        receipt = parse_receipt(data, path=path)
    except OSError as error:
        return _unreadable(path, f"the receipt cannot be read: {error.strerror}.")
    except ReceiptError as error:
        return _unreadable(path, error.record.message, twin=_twin(data, archive, signatures))
    found = list(_inner(receipt, path))
    signature = signatures.read(path)
    if data != receipt_bytes(receipt):
        found.append(_changed(path, "its text is not as Overscan writes it: somebody has edited it."))
    if signature is not None and not signature.intact:
        found.append(_changed(path, f"the receipt is not what was signed{_differences(data, receipt, archive)}."))
    elif kept := _differences(data, receipt, archive):
        found.append(_changed(path, f"the receipt is not the copy in the home folder{kept}."))
    if not any(finding.bad for finding in found):
        found.append(
            Finding(subject=Subject.RECEIPT, state=State.INTACT, detail="the receipt is whole.", path=str(path))
        )
    elif (twin := _twin(data, archive, signatures)) is not None:
        receipt = twin
        found.append(_by_the_twin(path))
    found.append(signature_finding(signature, path, what="the receipt"))
    return ReceiptCheck(path=path, receipt=receipt, findings=tuple(found))


def signature_finding(signature: Signature | None, path: Path, *, what: str, frame: int | None = None) -> Finding:
    """What a signature is worth."""
    state, detail = State.UNKNOWN, f"{what} is not signed."
    if signature is not None and not signature.intact:
        state, detail = State.CHANGED, f"the signature does not fit {what}: {signature.detail}."
    elif signature is not None:
        remark = f"; {signature.detail}" if signature.detail else ""
        state = State.UNKNOWN if signature.signer is Signer.UNKNOWN else State.INTACT
        detail = {
            Signer.STUDIO: f"{what} is signed with the studio certificate of '{signature.name}'{remark}.",
            Signer.SELF_MADE: f"{what} is signed with this installation's self-made key, which proves no studio.",
            Signer.UNKNOWN: f"{what} is signed by '{signature.name}', for whom nothing here vouches{remark}.",
        }[signature.signer]
    return Finding(subject=Subject.SIGNATURE, state=state, detail=detail, path=str(signature_path(path)), frame=frame)


def check_surroundings(receipt: JobReceipt, *, plate: str, folder: Path) -> Iterator[Finding]:
    """Check the files that a receipt names besides the frames; `plate` is where the plate is, empty for as named, and
    `folder` where the frames are."""
    yield from _policies(receipt)
    for file in receipt.beside:
        yield _beside(file, folder)
    for source in receipt.inputs:
        yield from _input(source, moved=plate if source.role == "plate" else "")


def _inner(receipt: JobReceipt, path: Path) -> Iterator[Finding]:
    """What a receipt says of itself: digests of its own parts."""
    engine, model = receipt.engine, receipt.model
    cards = [(f"the engine '{engine.name}'", engine.card, engine.card_sha256)]
    if model is not None:
        cards.append((f"the model '{model.name}'", model.card, model.card_sha256))
    for whose, card, digest in cards:
        state, words = State.INTACT, "whole"
        if not card:
            state, words = State.UNKNOWN, "not in the receipt"
        elif content_digest(card) != digest:
            state, words = State.CHANGED, "not the one whose digest stands beside it"
        detail = f"the rights card of {whose} is {words}."
        yield Finding(subject=Subject.CARD, state=state, detail=detail, path=str(path))
    for facts in receipt.frames:
        if pixels_digest(facts.parts) != facts.pixels_sha256:
            detail = f"what it says of frame {facts.frame}'s samples does not fit its own digest."
            yield Finding(
                subject=Subject.RECEIPT, state=State.CHANGED, detail=detail, path=str(path), frame=facts.frame
            )


def _policies(receipt: JobReceipt) -> Iterator[Finding]:
    for file in receipt.policy.files if receipt.policy is not None else ():
        is_lock = file.level == "lock"
        name = "the show's lock" if is_lock else f"the {file.level}'s policy"
        subject = Subject.LOCK if is_lock else Subject.POLICY
        state, detail = State.INTACT, f"{name} is what it was when the job was allowed."
        try:
            if sha256_of(Path(file.path)) != file.sha256:
                # A policy may be revised; a lock holds for the life of its show.
                state = State.CHANGED if is_lock else State.UNKNOWN
                detail = f"{name} is another text than when the job was allowed."
        except UnreadableImageError:
            state, detail = State.UNKNOWN, f"{name} is not there any more."
        yield Finding(subject=subject, state=state, detail=detail, path=file.path)


def _beside(file: InputFile, folder: Path) -> Finding:
    path = folder / Path(file.path).name
    state, detail = State.INTACT, f"'{path.name}' beside the frames is what the job wrote."
    try:
        if sha256_of(path) != file.sha256:
            state, detail = State.CHANGED, f"'{path.name}' beside the frames is not the file that the job wrote."
    except UnreadableImageError:
        state, detail = State.MISSING, f"'{path.name}', which the job wrote beside the frames, is not there."
    return Finding(subject=Subject.EXTRAS, state=state, detail=detail, path=str(path))


def _input(source: Input, *, moved: str) -> Iterator[Finding]:
    name = _ROLES.get(source.role, source.role.replace("_", " "))
    intact = 0
    for file in source.frames:
        path = Path(file.path)
        if moved and file.frame is not None:
            try:
                path = Sequence.find(pattern=moved, frames=(file.frame,)).path(file.frame)
            except MissingFramesError:
                path = Path(moved)
        where = f" frame {file.frame}" if file.frame is not None else ""
        try:
            same = sha256_of(path) == file.sha256
        except UnreadableImageError:
            yield Finding(
                subject=Subject.INPUT,
                state=State.UNKNOWN,
                detail=f"{name}{where} is not there to compare.",
                path=str(path),
                frame=file.frame,
            )
            continue
        if same:
            intact += 1
            continue
        yield Finding(
            subject=Subject.INPUT,
            state=State.CHANGED,
            detail=f"{name}{where} is not the file that the job read.",
            path=str(path),
            frame=file.frame,
        )
    if intact:
        yield Finding(
            subject=Subject.INPUT,
            state=State.INTACT,
            detail=f"{name}: {intact} of {len(source.frames)} files are what the job read.",
            path=moved or source.pattern,
            count=intact,
        )


def _unreadable(path: Path, why: str, *, twin: JobReceipt | None = None) -> ReceiptCheck:
    found = (_changed(path, why), *([_by_the_twin(path)] if twin is not None else []))
    return ReceiptCheck(path=path, receipt=twin, findings=found)


def _twin(data: bytes, archive: Path | None, signatures: SignatureReader) -> JobReceipt | None:
    """The home folder's copy of a receipt whose text is `data`, where that copy is as it was signed."""
    named = _JOB_ID.search(data)
    if archive is None or named is None:
        return None
    path = archived(archive, job_id=named[1].decode())
    try:
        signature = signatures.read(path)
        return read_receipt_file(path) if signature is not None and signature.intact else None
    except OverscanError:
        return None


def _by_the_twin(path: Path) -> Finding:
    detail = "frames are compared with the home folder's copy of the receipt, which is whole."
    return Finding(subject=Subject.RECEIPT, state=State.UNKNOWN, detail=detail, path=str(path))


def _changed(path: Path, detail: str) -> Finding:
    return Finding(subject=Subject.RECEIPT, state=State.CHANGED, detail=detail, path=str(path))


def _differences(data: bytes, receipt: JobReceipt, archive: Path | None) -> str:
    """Where the receipt differs from the home folder's own copy, in words; empty where it does not, or nobody knows."""
    if archive is None:
        return ""
    try:
        kept = archived(archive, job_id=receipt.run.job_id).read_bytes()
        if kept == data:
            return ""
        fields = list(_differing(json.loads(data), json.loads(kept), ""))
    except (OSError, ValueError):
        return ""
    shown = ", ".join(fields[:_DIFFERENCES_SHOWN]) or "its spelling"
    more = f" and {len(fields) - _DIFFERENCES_SHOWN} more" if len(fields) > _DIFFERENCES_SHOWN else ""
    return f": it differs from the home folder's copy in {shown}{more}"


def _differing(one: Any, other: Any, at: str) -> Iterator[str]:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for name in sorted({*one, *other}):
            yield from _differing(one.get(name), other.get(name), f"{at}.{name}" if at else name)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (first, second) in enumerate(zip(one, other, strict=True)):
            yield from _differing(first, second, f"{at}[{index}]")
    elif one != other:
        yield at
