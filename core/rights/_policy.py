"""Loads the policy that governs a job: the studio's, narrowed by the show's, narrowed by the shot's."""

from __future__ import annotations

import hashlib
import json
import os
import unicodedata
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import platformdirs

from overscan.core.errors import PolicyFileError
from overscan.core.rights._approvals import Approval, read_approval
from overscan.core.rights._lock import LOCK_FILE, Lock, read_lock
from overscan.core.rights._rules import DEFAULT_RULES, KINDS, LEVELS, Rules
from overscan.core.rights._toml import Table, TomlFile, read_toml

DEFAULT_NAME = "default"
_NAME_LENGTH_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFile:
    """A file that a policy was read from."""

    level: str
    """``studio``, ``show``, ``shot`` or ``lock``."""
    path: str
    sha256: str
    """Of its bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """All that governs one job."""

    name: str
    """As its narrowest level calls itself; ``default`` where there is no file at all."""
    show: str = ""
    """As its folder is called; empty where the show has none."""
    shot: str = ""
    rules: Rules = DEFAULT_RULES
    approvals: tuple[Approval, ...] = ()
    lock: Lock | None = None
    files: tuple[PolicyFile, ...] = ()
    sha256: str
    """Of all files together, or of the rules of the default policy."""


def policy_root() -> Path:
    """Folder of the policies: ``$OVERSCAN_POLICY_ROOT``, else ``policies`` in Overscan's home.

    Raises `PolicyFileError` where the folder that is named is not there: the default policy must not stand in for a
    studio's because a disk is not mounted.
    """
    named = os.environ.get("OVERSCAN_POLICY_ROOT", "")
    if named:
        if not Path(named).is_dir():
            raise PolicyFileError(
                f"the policies' folder {named} is not there.",
                next_step="Mount or make the folder that OVERSCAN_POLICY_ROOT names; until then nothing runs.",
                path=named,
            )
        return Path(named)
    home = os.environ.get("OVERSCAN_HOME", "") or platformdirs.user_data_dir("overscan", appauthor=False)
    return Path(home) / "policies"


def load_policy(*, root: Path, show: str = "", shot: str = "") -> Policy:
    """The policy for a job of `show` and `shot`, as the files under `root` have it now.

    ``studio.toml``, ``shows/<show>/show.toml``, ``shows/<show>/lock.toml`` and ``shows/<show>/shots/<shot>.toml``
    count where they are there. The built-in default stands in for a missing ``studio.toml``. Names are compared
    without regard to case and to how accents are spelt in Unicode. Raises `PolicyFileError` for a file that cannot be
    read, holds what is no rule, or allows more than the level above it, and for names that are no folder's.
    """
    policy = Policy(name=DEFAULT_NAME, sha256="")
    above: TomlFile | None = None
    for level, path in _found(root, show, shot):
        file = read_toml(path)
        if level == "lock":
            policy = replace(policy, lock=read_lock(file, show=path.parent.name))
        else:
            policy = _joined(policy, file, level=level, above=above)
            above = file
        entry = PolicyFile(level=level, path=str(path), sha256=file.sha256)
        policy = replace(policy, files=(*policy.files, entry))
        if level == "show" or (level == "lock" and not policy.show):
            policy = replace(policy, show=path.parent.name)
        elif level == "shot":
            policy = replace(policy, shot=path.stem)
    return replace(policy, sha256=_digest(policy))


def level_file(*, root: Path, show: str = "", shot: str = "") -> Path:
    """Where the policy of a level is, or would be: the shot's, the show's, or the studio's where neither is named.

    Raises `PolicyFileError` for names that are no folder's, and for a shot without a show.
    """
    if not show:
        if shot:
            raise PolicyFileError(
                f"the shot '{shot}' belongs to no show.", next_step="Name its show with --show.", field="labels.show"
            )
        return root / "studio.toml"
    folder = _entry(root / "shows", show, what="show") or root / "shows" / _checked(show, what="show")
    if not shot:
        return folder / "show.toml"
    file = _entry(folder / "shots", shot, what="shot", ending=".toml")
    return file or folder / "shots" / f"{_checked(shot, what='shot')}.toml"


def shows(*, root: Path) -> tuple[str, ...]:
    """The shows that have a folder among the policies."""
    folder = root / "shows"
    return tuple(sorted(path.name for path in folder.iterdir() if path.is_dir())) if folder.is_dir() else ()


def shots(*, root: Path, show: str) -> tuple[str, ...]:
    """The shots of a show that have a policy of their own."""
    return tuple(sorted(path.stem for path in (root / "shows" / show / "shots").glob("*.toml")))


def _digest(policy: Policy) -> str:
    content: object = [[file.level, file.sha256] for file in policy.files] or asdict(policy.rules)
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _found(root: Path, show: str, shot: str) -> list[tuple[str, Path]]:
    """The files that are there, from the widest level to the narrowest."""
    found = []
    if _is_there(root / "studio.toml"):
        found.append(("studio", root / "studio.toml"))
    folder = _entry(root / "shows", show, what="show")
    if folder is None:
        return found
    for level, path in (("show", folder / "show.toml"), ("lock", folder / LOCK_FILE)):
        if _is_there(path):
            found.append((level, path))
    file = _entry(folder / "shots", shot, what="shot", ending=".toml")
    if file is not None:
        found.append(("shot", file))
    return found


def _is_there(path: Path) -> bool:
    """Whether anything has this name; a link that leads nowhere or a folder is an error later, not an absent file."""
    return os.path.lexists(path)


def _entry(folder: Path, name: str, *, what: str, ending: str = "") -> Path | None:
    """The one entry of `folder` that is called `name`, whatever its case and its Unicode spelling."""
    try:
        entries = sorted(os.listdir(folder))  # noqa: PTH208 (names are wanted, and no stat of each)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise PolicyFileError(
            f"the policies in {folder} cannot be read: {error.strerror or error}.",
            next_step="Have the folder made readable; until then nothing runs under it.",
            path=folder,
        ) from None
    wanted = _folded(name.strip())
    if not wanted:
        return None
    _checked(name, what=what)
    matching = [entry for entry in entries if _folded(entry) == wanted + ending]
    if len(matching) > 1:
        raise PolicyFileError(
            f"{folder} has {' and '.join(matching)}, which differ in case or spelling only.",
            next_step="Keep one of them.",
            path=folder,
        )
    return folder / matching[0] if matching else None


def _folded(name: str) -> str:
    """`name` as it is compared: macOS and Linux spell accents differently."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _checked(name: str, *, what: str) -> str:
    """`name` without spaces around it, where a folder can be called that."""
    clean = name.strip()
    if len(clean) > _NAME_LENGTH_MAX or clean.startswith(".") or any(bad in clean for bad in ("/", "\\", "\0")):
        raise PolicyFileError(
            f"the {what} is called '{clean[:_NAME_LENGTH_MAX]}', and no policy can be called that.",
            next_step="Use a name without slashes that does not begin with a dot.",
            field=f"labels.{what}",
            actual=clean[:_NAME_LENGTH_MAX],
        )
    return clean


def _joined(policy: Policy, file: TomlFile, *, level: str, above: TomlFile | None) -> Policy:
    """`policy` narrowed by a file of `level`; `above` is the file of the level above, None for the default policy."""
    whole = file.whole
    whole.only(("name", "note", "approvals", *KINDS))
    whole.text("note")
    values: dict[str, Any] = {name: _value(whole, name) for name in KINDS if name in whole.values}
    if level != LEVELS[0]:
        for name, value in values.items():
            _require_narrower(policy.rules, name, value, whole=whole, above=above)
    rules = replace(policy.rules, **values)
    approvals = tuple(read_approval(table, level=level) for table in whole.tables("approvals"))
    if approvals and level not in rules.may_approve:
        raise whole.wrong(
            "approvals",
            f"a {level} may not approve anything ({_says(above)} names {', '.join(rules.may_approve) or 'no level'} "
            "in may_approve)",
            "no approvals",
            remedy=f"Have it approved at the level of {' or '.join(rules.may_approve) or 'nobody'}.",
        )
    return replace(
        policy,
        name=whole.text("name") or (level if level == "studio" else f"{level} {_own_name(file.path, level)}"),
        rules=rules,
        approvals=(*policy.approvals, *approvals),
    )


def _value(whole: Table, name: str) -> object:
    value = whole.values[name]
    value = tuple(value) if isinstance(value, list) else value
    kind = KINDS[name]
    if not kind.is_valid(value):
        raise whole.wrong(name, f"'{name}' cannot be {whole.values[name]!r}", kind.expected, actual=value)
    return value


def _require_narrower(rules: Rules, name: str, value: object, *, whole: Table, above: TomlFile | None) -> None:
    kind, wider = KINDS[name], getattr(rules, name)
    if not kind.narrows(wider, value):
        raise whole.wrong(
            name,
            f"'{name}' allows more than {_says(above)}, which has {_shown(wider)}; here it is {_shown(value)}",
            f"no more than there: {kind.how}",
            actual=_shown(value),
            remedy="Narrow it, or have the level above changed.",
        )


def _says(above: TomlFile | None) -> str:
    return "the default policy" if above is None else str(above.path)


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(str(item) for item in value)}]"
    return "nothing" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _own_name(path: Path, level: str) -> str:
    return path.parent.name if level == "show" else path.stem
