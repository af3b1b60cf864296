"""A show's lock: the engines and the weights that it keeps for its life."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from overscan.core.errors import PolicyFileError
from overscan.core.rights._toml import TomlFile

LOCK_FILE = "lock.toml"
_FIELDS = ("show", "locked_by", "locked_on", "engines", "models", "digest")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """What a show has settled on."""

    show: str
    locked_by: str
    locked_on: str
    engines: Mapping[str, str]
    """Version by name. No other engine runs."""
    models: Mapping[str, Mapping[str, str]]
    """By the name of a card: SHA-256 by file. No other model runs."""
    path: Path

    def pins(self, weights: Mapping[str, str], *, card: str) -> bool:
        """Whether every file of `weights` (name to SHA-256) is one of those locked for `card`."""
        return set(weights.values()) <= set(self.models.get(card, {}).values())


def lock_digest(
    *,
    show: str,
    locked_by: str,
    locked_on: str,
    engines: Mapping[str, str],
    models: Mapping[str, Mapping[str, str]],
) -> str:
    """SHA-256 of a lock's content, so that a flipped bit shows; it is no signature."""
    content = {
        "show": show,
        "locked_by": locked_by,
        "locked_on": locked_on,
        "engines": dict(engines),
        "models": {name: dict(files) for name, files in models.items()},
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def read_lock(file: TomlFile, *, show: str) -> Lock:
    """The lock of `show`. Raises `PolicyFileError` where it was changed, or made for another show."""
    whole = file.whole
    whole.only(_FIELDS)
    engines, models = whole.table("engines"), whole.table("models")
    lock = Lock(
        show=whole.text("show", needed=True),
        locked_by=whole.text("locked_by", needed=True),
        locked_on=whole.day("locked_on", needed=True),
        engines={name: engines.text(name, needed=True) for name in engines.values},
        models={name: models.hashes(name) for name in models.values},
        path=file.path,
    )
    digest = lock_digest(
        show=lock.show,
        locked_by=lock.locked_by,
        locked_on=lock.locked_on,
        engines=lock.engines,
        models=lock.models,
    )
    if digest != whole.text("digest", needed=True):
        raise PolicyFileError(
            f"the lock {file.path} was changed after it was made: its content does not have the digest that it names.",
            next_step="Put the file back from a backup, or make it anew with `overscan policy lock --renew`.",
            path=file.path,
            field="digest",
            expected=whole.text("digest"),
            actual=digest,
        )
    if lock.show.casefold() != show.casefold():
        raise PolicyFileError(
            f"the lock {file.path} is that of the show '{lock.show}', not of '{show}'.",
            next_step="Make one for this show with `overscan policy lock`.",
            path=file.path,
            field="show",
            expected=show,
            actual=lock.show,
        )
    return lock
