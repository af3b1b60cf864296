"""Whether a job's inputs may be used, by the ledger."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from overscan.core import plates
from overscan.core.errors import OverscanError
from overscan.core.jobs import Inpaint, Job, SequenceSource
from overscan.core.ledger._asset import Asset, Consent
from overscan.core.ledger._store import Contents, read_ledger
from overscan.core.rights import AssetStanding

_MEMO = "sha256.sqlite"
"""In the cache, shared with the making of receipts: what did not change is not hashed again."""


def asset_ids(*, sha256s: Collection[str], home: Path) -> tuple[str, ...]:
    """Ids of the assets that have a file with one of these digests, sorted. Raises `LedgerError`."""
    by_hash = read_ledger(home=home).by_hash
    return tuple(sorted({asset for digest in sha256s for asset in by_hash.get(digest, ())}))


def objection(asset: Asset, *, show: str, use: str, today: date) -> tuple[str, str] | None:
    """Why `asset` may not be used for that, and what helps, each a sentence; None where it may.

    `use` is ``temp`` or ``final``.
    """
    name, day = f"'{asset.id}' (of {asset.author})", today.isoformat()
    revoked = asset.revocation
    if revoked is not None and revoked.on <= day:
        return (
            f"The asset {name} was revoked on {revoked.on} by {revoked.by}: {revoked.reason.rstrip('.')}.",
            f"Leave it out; `overscan rights trace {asset.id}` lists what was made with it.",
        )
    if asset.expires_on and asset.expires_on <= day:
        return (
            f"The asset {name} could be used until {asset.expires_on}.",
            f"Leave it out, or renew it: `overscan rights add {asset.id} --update --expires DAY`.",
        )
    if asset.valid_from > day:
        return f"The asset {name} may be used from {asset.valid_from}.", "Leave it out until then."
    if asset.shows and show.casefold() not in {name.casefold() for name in asset.shows}:
        return (
            f"The asset {name} is cleared for {' and '.join(asset.shows)}, not for {show or 'a job without a show'}.",
            "Leave it out, name the show of the job, or have the asset cleared for it.",
        )
    if asset.uses and use not in asset.uses:
        return f"The asset {name} is cleared for {' and '.join(asset.uses)} use only.", "Leave it out."
    if asset.consent is Consent.REFUSED:
        return f"People in the asset {name} have refused their consent.", "Leave it out."
    if asset.people and asset.consent is not Consent.GIVEN:
        return (
            f"The asset {name} shows {', '.join(asset.people)}, and no consent is on record.",
            f"Get it, and enter it: `overscan rights add {asset.id} --update --consent given --consent-evidence TEXT`.",
        )
    return None


def standings(*, job: Job, root: Path, today: date) -> tuple[AssetStanding, ...]:
    """What the ledger in the home folder `root` says of the inputs of `job`.

    One for each asset in each input. Where files of a picture to take from are in no asset, there is one more,
    with an empty id; of plates, mattes and passes, which a show makes itself,
    only assets are spoken of. Files are known by
    their content, wherever they lie and whatever they are called. A picture that lies where an asset was and has
    another content is not cleared. Raises `LedgerError`, and the errors of reading files.
    """
    contents = read_ledger(home=root)
    memo = plates.HashMemo(database=root / "cache" / _MEMO, digest=plates.sha256_of)
    found: list[AssetStanding] = []
    for given in _inputs(job):
        found += _judged(given, job, contents, memo, today)
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """An input of a job."""

    source: SequenceSource
    must_be_known: bool
    """Whether it is somebody's work beside the show's own plates, mattes and rendered passes."""


def _inputs(job: Job) -> Iterator[_Given]:
    if job.plate is not None:
        yield _Given(source=job.plate, must_be_known=False)
    if isinstance(job.task, Inpaint):
        yield _Given(source=job.task.matte.sequence, must_be_known=False)
    for picture in job.controls.pictures():
        yield _Given(source=picture.source, must_be_known=not picture.own)


def _judged(given: _Given, job: Job, contents: Contents, memo: plates.HashMemo, today: date) -> Sequence[AssetStanding]:
    pattern = given.source.path
    unknown = (AssetStanding(asset="", path=pattern, cleared=True),) if given.must_be_known else ()
    if not contents.assets:
        return unknown
    try:
        sequence = plates.Sequence.find(pattern=pattern, frames=given.source.frames)
    except OverscanError:  # missing files are the plan's own matter
        return unknown
    refused = {
        asset.id: why
        for asset in contents.assets.values()
        if (why := objection(asset, show=job.labels.show, use=job.use.value, today=today))
    }
    # What a show made itself is read only where it might be something that must not be used.
    telling = contents.sizes if given.must_be_known else _sizes(contents, refused)
    found: dict[str, Path] = {}
    others = False
    for number in sequence.frames:
        path = sequence.path(number)
        assets = contents.by_hash.get(memo.hash(path), ()) if _size(path) in telling else ()
        others = others or not assets
        for asset in assets:
            found.setdefault(asset, path)
        was = contents.by_path.get(str(path.resolve()), ())
        if given.must_be_known and was and not assets:
            return (_changed(path, was[0]),)
    said = [_standing(asset, path, refused.get(asset)) for asset, path in found.items()]
    return (*said, *(unknown if others else ()))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # gone since; whoever reads it will say so
        return -1


def _sizes(contents: Contents, assets: Collection[str]) -> frozenset[int]:
    return frozenset(file.bytes for asset in assets for file in contents.assets[asset].files)


def _standing(asset: str, path: Path, why: tuple[str, str] | None) -> AssetStanding:
    if why is None:
        return AssetStanding(asset=asset, path=str(path), cleared=True)
    return AssetStanding(asset=asset, path=str(path), cleared=False, reason=why[0], remedy=why[1])


def _changed(path: Path, asset: str) -> AssetStanding:
    return AssetStanding(
        asset=asset,
        path=str(path),
        cleared=False,
        reason=f"{path} is not what was entered there as the asset '{asset}': its content has changed.",
        remedy=f"Put the file back, or enter what it is now: `overscan rights add {asset} --update {path}`.",
    )
