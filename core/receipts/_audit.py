"""Checks a result against its receipts and everything they name: what is intact, what is changed, what nobody knows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from overscan.core.errors import InvalidJobError, OverscanError
from overscan.core.orders import KeySource
from overscan.core.plates import PlateFrame, Sequence, read_header, sha256_of
from overscan.core.receipts._audit_frames import SourceSampler, check_file, header_receipt
from overscan.core.receipts._audit_receipt import ReceiptCheck, check_receipt, check_surroundings
from overscan.core.receipts._document import FrameFacts, JobReceipt, ReceiptError, read_receipt_file
from overscan.core.receipts._finding import Finding, State, Subject
from overscan.core.receipts._places import receipt_paths
from overscan.core.receipts._refetch import SAMPLED
from overscan.core.receipts._sign import SignatureReader
from overscan.core.result_names import RECEIPT_SUFFIX
from overscan.core.results import extras_pattern
from overscan.core.results._digests import PREFIX
from overscan.core.results._receipt import Receipt, read_receipt

REPRODUCED, REFUTED = 0.99, 0.8
"""Least part of the sampled pixels that must be found at their sources, and the part below which the layers are wrong.
In between nothing can be said: frames that were averaged with others, or given grain, differ that much."""
_FRAME_REFUTED, _FRAME_FEWEST = 0.7, 50
"""The same for one frame, and the fewest pixels that say anything of it: few are drawn, in a handful of squares, whose
pixels are right or wrong together. docs/receipts.md has what true and displaced addresses come to."""


@dataclass(slots=True, kw_only=True)
class _Known:
    """A receipt's frame, and the receipt."""

    facts: FrameFacts
    receipt: JobReceipt
    found: bool = False


@dataclass(slots=True, kw_only=True)
class _Tally:
    """What fetching again has found so far."""

    sampled: int = 0
    reproduced: int = 0
    unreachable: int = 0
    without: int = 0
    """Frames without source layers."""


def audit(*, result: str, plate: str = "", keys: KeySource, archive: Path | None) -> Iterator[Finding]:
    """Check the frames ``result`` (a path pattern), one finding at a time; promise 1 is `verify_result`'s.

    `plate` is where the plate is now, empty for where the receipt says. `keys` are what signatures are checked against,
    and `archive` holds the home folder's copies of receipts, if any. Raises `MissingFramesError` where there are no
    frames at all, and `SigningKeyError`.
    """
    signatures = SignatureReader(source=keys)
    frames = Sequence.find(pattern=result)
    checks = [check_receipt(path, signatures=signatures, archive=archive) for path in _receipts(result)]
    for check in checks:
        yield from check.findings
    if not checks:
        detail = "there is no receipt beside the frames; their own headers are all there is."
        yield Finding(subject=Subject.RECEIPT, state=State.UNKNOWN, detail=detail, path=result)
    known = _Register(checks)
    tally = _Tally()
    samplers: dict[int, SourceSampler] = {}
    for number in frames.frames:
        path = frames.path(number)
        digest = sha256_of(path)
        own = known.of(path, digest=digest)
        facts = None if own is None else own.facts
        found, image = check_file(
            facts, path, digest=digest, frame=number if facts is None else facts.frame, signatures=signatures
        )
        yield from found
        if image is not None:
            sampler = _sampler(own, path, samplers, plate=plate, frames=len(frames.frames))
            yield from _sampled(sampler, image, tally, sidecar=_sidecar(facts, path))
    yield from known.missing()
    yield from _summary(tally)
    for receipt in known.receipts():
        yield from check_surroundings(receipt, plate=plate, folder=Path(result).parent)


def header_receipts(result: str) -> dict[int, Receipt]:
    """What the headers of the frames ``result`` said, by the number of the file, as far as a receipt knows: a tool that
    wrote a frame again may have dropped it.
    """
    known: dict[str, Receipt] = {}
    for path in reversed(_receipts(result)):
        try:
            receipt = read_receipt_file(path)
        except ReceiptError:
            continue
        known |= {facts.path: header_receipt(receipt, facts) for facts in receipt.frames}
    frames = Sequence.find(pattern=result)
    names = {number: frames.path(number).name for number in frames.frames}
    return {number: known[name] for number, name in names.items() if name in known}


class _Register:
    """Which receipt speaks of which file."""

    def __init__(self, checks: list[ReceiptCheck]) -> None:
        self._by_name: dict[str, list[_Known]] = {}
        self._by_digest: dict[str, _Known] = {}
        self._all: list[_Known] = []
        for receipt in (check.receipt for check in checks if check.receipt is not None):
            for facts in receipt.frames:
                one = _Known(facts=facts, receipt=receipt)
                self._all.append(one)
                self._by_name.setdefault(facts.path, []).append(one)
                self._by_digest.setdefault(facts.sha256, one)

    def of(self, path: Path, *, digest: str) -> _Known | None:
        """What is known of the file at `path`: by its name, the newest receipt first, or by its bytes."""
        named = self._by_name.get(path.name, [])
        found = self._by_digest.get(digest)
        if found is None or (named and found not in named):
            found = named[0] if named else found
        for one in [*named, *([found] if found is not None else [])]:
            one.found = True
        return found

    def receipts(self) -> list[JobReceipt]:
        """The receipts that speak of frames that were looked at."""
        used = {id(one.receipt): one.receipt for one in self._all if one.found}
        return list(used.values())

    def missing(self) -> Iterator[Finding]:
        """Frames of those receipts that are not there."""
        used = {id(receipt) for receipt in self.receipts()}
        for one in self._all:
            if not one.found and id(one.receipt) in used:
                detail = f"frame {one.facts.frame} is not there."
                yield Finding(
                    subject=Subject.FRAME,
                    state=State.MISSING,
                    detail=detail,
                    path=one.facts.path,
                    frame=one.facts.frame,
                )


def _receipts(result: str) -> tuple[Path, ...]:
    """Receipts that may speak of the frames: by their name, else any in the folder, as frames may be renamed."""
    named = receipt_paths(result)
    if named:
        return named
    try:
        return tuple(sorted(Path(result).parent.glob(f"*{RECEIPT_SUFFIX}")))
    except OSError:
        return ()


def _sampler(
    own: _Known | None, path: Path, samplers: dict[int, SourceSampler], *, plate: str, frames: int
) -> SourceSampler | None:
    key = 0 if own is None else id(own.receipt)
    if key in samplers:
        return samplers[key]
    try:
        header: Receipt = read_receipt(path) if own is None else header_receipt(own.receipt, own.facts)
    except InvalidJobError:
        return None
    try:
        plates = Sequence.find(pattern=plate or header.plate) if header.plate else None
    except OverscanError:
        plates = None
    space = _space(path) or ("" if own is None else str(own.receipt.job.spec.get("plate", {}).get("color_space", "")))
    per_frame = max(SAMPLED // max(frames, 1), 1)
    samplers[key] = SourceSampler(plates=plates, receipt=header, colour_space=space, per_frame=per_frame)
    return samplers[key]


def _space(path: Path) -> str:
    for header in read_header(path):
        name = header.attributes.get(f"{PREFIX}colour_space")
        if isinstance(name, str):
            return name
    return ""


def _sidecar(facts: FrameFacts | None, path: Path) -> Path | None:
    """The file with a frame's layers; one that its receipt does not name is another job's."""
    if facts is None:
        return Path(extras_pattern(str(path)))
    return None if facts.extras is None else path.with_name(facts.extras.path)


def _sampled(
    sampler: SourceSampler | None, image: PlateFrame, tally: _Tally, *, sidecar: Path | None
) -> Iterator[Finding]:
    check = None if sampler is None else sampler.sample(image, sidecar=sidecar)
    if check is None:
        tally.without += 1
        return
    tally.sampled += check.sampled
    tally.reproduced += check.reproduced
    tally.unreachable += check.unreachable
    if check.sampled >= _FRAME_FEWEST and check.reproduced < _FRAME_REFUTED * check.sampled:
        yield Finding(
            subject=Subject.SOURCES,
            state=State.CHANGED,
            detail=f"frame {image.number}: of {check.sampled} copied pixels only {check.reproduced} are in the plate "
            "where its source layers say.",
            path=str(image.path),
            frame=image.number,
        )


def _summary(tally: _Tally) -> Iterator[Finding]:
    def finding(state: State, detail: str) -> Finding:
        return Finding(subject=Subject.SOURCES, state=state, detail=detail)

    if tally.sampled:
        share = tally.reproduced / tally.sampled
        detail = (
            f"{tally.reproduced:,} of {tally.sampled:,} copied pixels ({share:.2%}) were found in the plate where the "
            "source layers say"
        )
        if share >= REPRODUCED:
            yield finding(State.INTACT, f"{detail}.")
        elif share >= REFUTED:
            yield finding(State.UNKNOWN, f"{detail}: not enough to be sure of all.")
        else:
            yield finding(State.CHANGED, f"{detail}: too few.")
    elif not tally.without and not tally.unreachable:
        yield finding(State.INTACT, "no pixel was copied from another frame.")
    if tally.unreachable:
        yield finding(
            State.UNKNOWN, f"{tally.unreachable:,} copied pixels could not be fetched: their frames are gone."
        )
    if tally.without:
        yield finding(State.UNKNOWN, f"frames without source layers to check, or without them now: {tally.without}.")
