"""The ledger's file: entries that are only ever added, in a chain."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from overscan.core.errors import OverscanError
from overscan.core.ledger._asset import Answer, Asset, AssetFile, AssetKind, Consent, Question, Revocation, Statement

_FILE = "ledger.sqlite"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_WAIT_SECONDS = 30.0
_START = "0" * 64
_ASSET, _REVOKED, _RESTORED, _STATED = "asset", "revoked", "restored", "stated"


class LedgerError(OverscanError):
    """The clearance ledger cannot be read, was changed outside Overscan, or does not take an entry."""

    code = "LEDGER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a ledger says now."""

    assets: Mapping[str, Asset] = field(default_factory=dict)
    statements: tuple[Statement, ...] = ()
    """In the order in which they were made."""
    by_hash: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Ids of assets by SHA-256 of their files."""
    by_path: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Ids of assets by path of their files."""
    sizes: frozenset[int] = frozenset()
    """Of all files, in bytes: a file of another size is none of them, and need not be read."""


def ledger_path(*, home: Path) -> Path:
    """Where the ledger of a home folder is."""
    return home / _FILE


def read_ledger(*, home: Path) -> Contents:
    """What the ledger of `home` says; nothing where there is none. Raises `LedgerError`."""
    path = ledger_path(home=home)
    try:
        status = path.stat()
    except FileNotFoundError:
        return Contents()
    except OSError as error:
        raise _unreadable(path, error) from error
    if status.st_size == 0:  # it is being made
        return Contents()
    # Never open the file past SQLite, not even to look: closing it would drop the locks of this whole process.
    with _connected(path) as connection:
        last = connection.execute("SELECT number, digest FROM entries ORDER BY number DESC LIMIT 1").fetchone()
    return _read(path, status.st_mtime_ns, status.st_size, last)


@lru_cache(maxsize=2)
def _read(path: Path, mtime_ns: int, size: int, last: tuple[int, str] | None) -> Contents:
    """The contents, which are the same while all of these are."""
    del mtime_ns, size, last
    with _connected(path) as connection:
        rows = connection.execute("SELECT number, digest, entry FROM entries ORDER BY number").fetchall()
        digest, contents = _START, _Folding()
        for expected, (number, said, entry) in enumerate(rows, start=1):
            digest = _digest(digest, entry)
            if number != expected or digest != said:
                raise LedgerError(
                    f"the clearance ledger was changed outside Overscan, or is damaged, at entry {expected}.",
                    next_step="Put the file back from a backup; until then no job runs.",
                    path=path,
                    expected=digest,
                    actual=said,
                )
            contents.add(json.loads(entry))
        return contents.done()


class Ledger:
    """Adds to the ledger of one home folder. Safe to use from several processes."""

    def __init__(self, *, home: Path) -> None:
        self._home = home
        self._path = ledger_path(home=home)

    def enter(self, asset: Asset, *, update: bool = False) -> Asset:
        """Enter an asset, or with `update` its new facts, whose files come on top of those it has.

        Returns it as it is then. Raises `LedgerError`, also where it is there already, or is not there to update.
        """
        _require(bool(_ID.fullmatch(asset.id)), "id", asset.id, "letters, digits, '-', '_' and '.', 100 at most")
        for name in ("author", "licence", "entered_by"):
            _require(bool(getattr(asset, name).strip()), name, "", "a name" if name != "licence" else "a licence")
        if asset.consent is Consent.GIVEN:
            _require(bool(asset.consent_evidence.strip()), "consent_evidence", "", "where the consent is on file")
        facts = asdict(replace(asset, revocation=None))
        with self._adding() as add:
            there = read_ledger(home=self._home).assets.get(asset.id)
            if (there is not None) != update:
                raise LedgerError(
                    f"there is an asset '{asset.id}' already." if there else f"there is no asset '{asset.id}'.",
                    next_step="Choose another id, or change it with --update." if there else "Leave --update out.",
                    field="id",
                    actual=asset.id,
                )
            add({"kind": _ASSET, "asset": facts})
        return read_ledger(home=self._home).assets[asset.id]

    def revoke(self, asset: str, *, revocation: Revocation) -> None:
        """Say that an asset may be used no more. Raises `LedgerError`."""
        _require(bool(revocation.by.strip()), "by", revocation.by, "a name")
        _require(bool(revocation.reason.strip()), "reason", revocation.reason, "why")
        with self._adding() as add:
            self._known(asset)
            add({"kind": _REVOKED, "id": asset, "revocation": asdict(revocation)})

    def restore(self, asset: str, *, by: str, on: str, reason: str) -> None:
        """Take a revocation back; both stay on record. Raises `LedgerError`."""
        _require(bool(by.strip()), "by", by, "a name")
        _require(bool(reason.strip()), "reason", reason, "why")
        with self._adding() as add:
            if self._known(asset).revocation is None:
                raise LedgerError(
                    f"'{asset}' is not revoked.", next_step="Nothing has to be done.", field="id", actual=asset
                )
            add({"kind": _RESTORED, "id": asset, "by": by, "on": on, "reason": reason})

    def state(self, statement: Statement) -> None:
        """Put a statement on record; the latest on a question and a shot counts. Raises `LedgerError`."""
        _require(bool(statement.by.strip()), "by", statement.by, "a name")
        _require(bool(statement.evidence.strip()), "evidence", statement.evidence, "what it rests on")
        _require(bool(statement.show) or not statement.shot, "show", "", "the show of the shot")
        with self._adding() as add:
            add({"kind": _STATED, "statement": asdict(statement)})

    def _known(self, asset: str) -> Asset:
        found = read_ledger(home=self._home).assets.get(asset)
        if found is None:
            raise LedgerError(
                f"there is no asset '{asset}' in the clearance ledger.",
                next_step="`overscan rights list` shows them.",
                field="id",
                actual=asset,
            )
        return found

    @contextlib.contextmanager
    def _adding(self) -> Iterator[Any]:
        """A function that adds one entry; nobody else adds meanwhile, and nothing is added where it raises."""
        try:
            self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _unreadable(self._path, error) from error
        with _connected(self._path, write=True) as connection:
            connection.execute("BEGIN IMMEDIATE")
            read_ledger(home=self._home)  # a broken chain takes no more entries
            row = connection.execute("SELECT number, digest FROM entries ORDER BY number DESC LIMIT 1").fetchone()
            number, digest = row or (0, _START)

            def add(entry: Mapping[str, object]) -> None:
                text = json.dumps(entry, sort_keys=True, ensure_ascii=False)
                connection.execute("INSERT INTO entries VALUES (?, ?, ?)", (number + 1, _digest(digest, text), text))

            yield add
            connection.commit()
        _read.cache_clear()


class _Folding:
    """Entries, one after the other, into what they come to."""

    def __init__(self) -> None:
        self._assets: dict[str, Asset] = {}
        self._statements: list[Statement] = []

    def add(self, entry: Mapping[str, Any]) -> None:
        kind = entry["kind"]
        if kind == _ASSET:
            self._enter(_asset(entry["asset"]))
        elif kind == _REVOKED:
            self._change(entry["id"], Revocation(**entry["revocation"]))
        elif kind == _RESTORED:
            self._change(entry["id"], None)
        elif kind == _STATED:
            facts = entry["statement"]
            question, answer = Question(facts["question"]), Answer(facts["answer"])
            self._statements.append(Statement(**{**facts, "question": question, "answer": answer}))
        else:
            raise LedgerError(
                f"the clearance ledger has an entry of a kind that this version does not know: '{kind}'.",
                next_step="Use a newer Overscan.",
            )

    def done(self) -> Contents:
        by_hash: dict[str, tuple[str, ...]] = {}
        by_path: dict[str, tuple[str, ...]] = {}
        for asset in self._assets.values():
            for file in asset.files:
                for index, key in ((by_hash, file.sha256), (by_path, file.path)):
                    if asset.id not in index.get(key, ()):
                        index[key] = (*index.get(key, ()), asset.id)
        return Contents(
            assets=self._assets,
            statements=tuple(self._statements),
            by_hash=by_hash,
            by_path=by_path,
            sizes=frozenset(file.bytes for asset in self._assets.values() for file in asset.files),
        )

    def _enter(self, asset: Asset) -> None:
        there = self._assets.get(asset.id)
        if there is not None:
            files = tuple(dict.fromkeys((*there.files, *asset.files)))
            asset = replace(asset, files=files, revocation=there.revocation, entered_on=there.entered_on)
        self._assets[asset.id] = asset

    def _change(self, asset: str, revocation: Revocation | None) -> None:
        self._assets[asset] = replace(self._assets[asset], revocation=revocation)


def _asset(facts: Mapping[str, Any]) -> Asset:
    lists = {name: tuple(facts[name]) for name in ("people", "shows", "uses")}
    files = tuple(AssetFile(**file) for file in facts["files"])
    return Asset(
        **{**facts, **lists, "kind": AssetKind(facts["kind"]), "consent": Consent(facts["consent"]), "files": files}
    )


@contextlib.contextmanager
def _connected(path: Path, *, write: bool = False) -> Iterator[sqlite3.Connection]:
    # Reading may have to undo what a killed writer began, which needs writing.
    mode = "rwc" if write else "rw" if os.access(path, os.W_OK) else "ro"
    try:
        address = f"{path.absolute().as_uri()}?mode={mode}"
        with contextlib.closing(
            sqlite3.connect(address, uri=True, timeout=_WAIT_SECONDS, isolation_level=None)
        ) as connection:
            if write:
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS entries (number INTEGER PRIMARY KEY, digest TEXT, entry TEXT)"
                )
            yield connection
    except (sqlite3.Error, ValueError, KeyError, TypeError) as error:
        raise _unreadable(path, error) from error


def _digest(before: str, entry: str) -> str:
    return hashlib.sha256(f"{before}\n{entry}".encode("utf-8", "surrogatepass")).hexdigest()


def _unreadable(path: Path, error: Exception) -> LedgerError:
    return LedgerError(
        f"the clearance ledger cannot be read or written: {error}.",
        next_step="Check the file and its permissions, or put it back from a backup; until then no job runs.",
        path=path,
    )


def _require(holds: bool, name: str, actual: object, expected: str) -> None:
    if not holds:
        raise LedgerError(
            f"'{name}' is missing or cannot be: {actual!r}; expected {expected}.",
            next_step="Give it.",
            field=name,
            expected=expected,
            actual=actual,
        )
