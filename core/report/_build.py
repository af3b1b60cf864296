"""Builds a report from receipts, their signatures, and the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any

from overscan.core.ledger import Asset, asset_ids, objection, read_archive, read_ledger
from overscan.core.ledger._archive import Archived
from overscan.core.orders import KeySource
from overscan.core.receipts import JobReceipt, Shares, Signature, SignatureReader, Signer
from overscan.core.report._facts import JobEntry, Material, Report, Seal, ShotEntry, UsedAsset
from overscan.core.report._questions import answer, combine
from overscan.core.report._select import select

_SHOWS_OWN = frozenset({"plate", "matte", "movers", "never_copy"})
"""Inputs that a show makes itself; all others may be somebody else's."""
_NAMED = 5
"""Most jobs that one warning names."""


def build(*, name: str, home: Path, keys: KeySource, now: datetime, version: str) -> Report:
    """Report on the show, shot or job `name`, by what is in the home folder `home`.

    `keys` are what receipts' signatures are checked against, `now` is UTC, and `version` is Overscan's. Raises
    `ReportError`, `LedgerError`, `SigningKeyError`.
    """
    archive = read_archive(home=home)
    chosen = select(name=name, archive=archive)
    ledger = read_ledger(home=home)
    signatures = SignatureReader(source=keys)
    latest = _latest(archive.receipts)
    entries = [_entry(item, home=home, latest=latest, signatures=signatures) for item in chosen.receipts]
    shots = tuple(_shot(group, ledger.statements, ledger.assets) for group in _by_shot(entries))
    used = _assets(shots, ledger.assets, now)
    return Report(
        title=chosen.title,
        kind=chosen.kind,
        made_at=now.isoformat(timespec="seconds"),
        version=version,
        answers=combine(shots),
        shots=shots,
        materials=_materials(shots),
        approvals=_approvals(entries),
        assets=used,
        statements=tuple(
            statement
            for statement in ledger.statements
            if any(statement.speaks_of(show=shot.show, shot=shot.shot) for shot in shots)
        ),
        warnings=tuple(_warnings(entries, used, len(archive.unreadable))),
    )


def _latest(receipts: Iterable[Archived]) -> dict[Path, str]:
    """By file of a frame, the id of the job that wrote it last."""
    latest: dict[Path, str] = {}
    for entry in receipts:  # in the order of their ends
        folder = _folder(entry.receipt)
        for frame in entry.receipt.frames:
            latest[folder / frame.path] = entry.receipt.run.job_id
    return latest


def _folder(receipt: JobReceipt) -> Path:
    return Path(str(receipt.job.spec.get("output", {}).get("path", ""))).parent


def _entry(item: Archived, *, home: Path, latest: Mapping[Path, str], signatures: SignatureReader) -> JobEntry:
    receipt = item.receipt
    folder = _folder(receipt)
    known = [frame.shares for frame in receipt.frames if frame.shares is not None]
    foreign = [entry for entry in receipt.inputs if entry.role not in _SHOWS_OWN]
    ids = asset_ids(sha256s=[file.sha256 for entry in receipt.inputs for file in entry.frames], home=home)
    return JobEntry(
        receipt=receipt,
        archived=item.path,
        folder=folder,
        seal=_seal(signatures.read(item.path)),
        shares=_mean(known),
        unknown_frames=len(receipt.frames) - len(known),
        on_disk=sum(_size(folder / frame.path) == frame.bytes for frame in receipt.frames),
        replaced=sum(latest[folder / frame.path] != receipt.run.job_id for frame in receipt.frames),
        assets=tuple(sorted({*ids, *receipt.assets})),
        unregistered=tuple(
            entry.pattern
            for entry in foreign
            if not all(asset_ids(sha256s=[file.sha256], home=home) for file in entry.frames)
        ),
    )


def _mean(known: Sequence[Shares]) -> Shares | None:
    if not known:
        return None
    return Shares(
        **{
            entry.name: round(sum(getattr(shares, entry.name) for shares in known) / len(known), 6)
            for entry in fields(Shares)
        }
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _seal(signature: Signature | None) -> Seal:
    if signature is None:
        return Seal(sound=False, words="not signed")
    if not signature.intact:
        words = f"the receipt is not what was signed ({signature.detail or 'it was changed'})"
        return Seal(sound=False, words=words, is_broken=True)
    whose = {
        Signer.STUDIO: f"signed with the studio's certificate ({signature.name})",
        Signer.SELF_MADE: "signed with Overscan's self-made key: unchanged since, but nobody vouches for whose it is",
        Signer.UNKNOWN: f"signed by '{signature.name}', whom nothing here vouches for",
    }
    return Seal(sound=signature.signer is not Signer.UNKNOWN, words=whose[signature.signer])


def _by_shot(entries: Iterable[JobEntry]) -> list[list[JobEntry]]:
    groups: dict[tuple[str, str], list[JobEntry]] = {}
    for entry in entries:
        groups.setdefault((entry.show.casefold(), entry.shot.casefold()), []).append(entry)
    return [groups[key] for key in sorted(groups)]


def _shot(group: Sequence[JobEntry], statements: Any, assets: Mapping[str, Asset]) -> ShotEntry:
    first = group[0]
    counting = [entry for entry in group if entry.counts]
    return ShotEntry(
        show=first.show,
        shot=first.shot,
        jobs=tuple(reversed(group)),
        answers=answer(show=first.show, shot=first.shot, jobs=counting, statements=statements, assets=assets),
    )


def _materials(shots: Iterable[ShotEntry]) -> tuple[Material, ...]:
    found: dict[tuple[str, ...], tuple[Any, list[str]]] = {}
    for shot in shots:
        for job in shot.jobs:
            for kind, facts in (("engine", job.receipt.engine), ("model", job.receipt.model)):
                if facts is not None:
                    key = (kind, facts.name, facts.version, facts.card_sha256)
                    users = found.setdefault(key, (facts, []))[1]
                    if shot.name not in users:
                        users.append(shot.name)
    return tuple(
        Material(
            kind=key[0],
            name=facts.name,
            version=facts.version,
            card=facts.card,
            card_sha256=facts.card_sha256,
            weights=getattr(facts, "weights", {}),
            shots=tuple(users),
        )
        for key, (facts, users) in sorted(found.items(), key=lambda item: item[0])
    )


def _approvals(entries: Iterable[JobEntry]) -> tuple[str, ...]:
    policies = [entry.receipt.policy for entry in entries]
    return tuple(dict.fromkeys(text for policy in policies if policy for text in policy.approvals))


def _assets(shots: Iterable[ShotEntry], assets: Mapping[str, Asset], now: datetime) -> tuple[UsedAsset, ...]:
    found = []
    for asset in sorted(assets.values(), key=lambda asset: asset.id):
        using = [(shot, job) for shot in shots for job in shot.jobs if asset.id in job.assets and job.counts]
        if using:
            reasons = [
                why[0]
                for shot, job in using
                if (why := objection(asset, show=shot.show, use=job.receipt.job.use, today=now.date()))
            ]
            names = tuple(dict.fromkeys(shot.name for shot, _ in using))
            found.append(UsedAsset(asset=asset, objection=reasons[0] if reasons else "", shots=names))
    return tuple(found)


def _warnings(entries: Sequence[JobEntry], used: Iterable[UsedAsset], unreadable: int) -> Iterable[str]:
    found: dict[str, list[str]] = {}
    for entry in entries:
        job = entry.receipt.run.job_id[:8]
        if not entry.seal.sound:
            words = f"{entry.seal.words}; what is said of it here rests on an unproven record."
            found.setdefault(words, []).append(job)
        missing = len(entry.receipt.frames) - entry.on_disk - entry.replaced
        if entry.counts and missing > 0:
            words = f"{missing} of its {len(entry.receipt.frames)} frames are gone or have another size."
            found.setdefault(words, []).append(job)
        if entry.receipt.policy is None:
            found.setdefault("no policy decided on it.", []).append(job)
    for words, jobs in found.items():
        more = f" and {len(jobs) - _NAMED} more" if len(jobs) > _NAMED else ""
        yield f"Job {', '.join(jobs[:_NAMED])}{more}: {words}"
    for item in used:
        if item.objection:
            yield f"{item.objection} Made with it: {', '.join(item.shots)}."
    if unreadable:
        yield f"{unreadable} receipts of this home folder cannot be read; jobs may be missing here."
