"""Where settings come from: files, then variables, then flags; what comes later wins."""

from __future__ import annotations

import difflib
import json
import os
import re
import stat
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_origin

import platformdirs
from pydantic import ValidationError

from overscan.service._errors import SettingsError
from overscan.service._settings import Settings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_FILE = "service.toml"
_VARIABLE_OF_FILE = "OVERSCAN_CONFIG"
_PREFIX = "OVERSCAN_"
_NOT_SETTINGS = frozenset(
    (
        *("OVERSCAN_ADDRESS", "OVERSCAN_COMMAND", "OVERSCAN_CONFIG", "OVERSCAN_DEBUG", "OVERSCAN_IDLE_EXIT"),
        *(
            "OVERSCAN_TOKEN",
            "OVERSCAN_TOKEN_FILE",
            "OVERSCAN_TLS_CA",
            "OVERSCAN_CLIENT_CERTIFICATE",
            "OVERSCAN_CLIENT_KEY",
        ),
    )
)
"""Variables of clients and host plugins."""
_BYTES_MAX = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a value comes from."""

    kind: str
    """``default``, ``file``, ``variable`` or ``flag``."""
    where: str = ""
    """The file's path, the variable's or the flag's name."""
    line: int | None = None
    """Line of the file, from 1."""

    def __str__(self) -> str:
        return f"{self.where}:{self.line}" if self.line else self.where or self.kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """The settings, each with its origin."""

    settings: Settings
    origins: Mapping[str, Origin]
    """By the setting's name; a setting that is not there has its default."""
    files: tuple[Path, ...]
    """The files that were read."""
    remarks: tuple[str, ...]
    """What is no error but looks like one."""


def secret_settings() -> frozenset[str]:
    """Names of the settings whose values are shown to nobody."""
    return frozenset(
        name
        for name, field in Settings.model_fields.items()
        if isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("secret")
    )


def usual_files() -> tuple[Path, ...]:
    """The machine's file and the user's, the one that wins last; whether or not they are there."""
    if sys.platform in ("win32", "darwin"):
        machine = platformdirs.site_config_path("overscan", appauthor=False)
    else:
        machine = Path("/etc/overscan")
    return (machine / _FILE, platformdirs.user_config_path("overscan", appauthor=False) / _FILE)


def configure(
    *,
    flags: Mapping[str, str],
    file: Path | None = None,
    private: bool = False,
    environment: Mapping[str, str] | None = None,
) -> Configuration:
    """The settings that hold for a service started with `flags`, by the settings' names.

    `file`, or ``$OVERSCAN_CONFIG``, is read in place of the usual files. A `private` service, which a command started
    for itself, reads no usual file: they describe the service that is left running, whose home, address and users
    are another's.

    Raises `SettingsError` with everything that is wrong.
    """
    variables = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    problems: list[str] = []
    chosen = file or (Path(variables[_VARIABLE_OF_FILE]) if variables.get(_VARIABLE_OF_FILE) else None)
    usual = () if private else tuple(path for path in usual_files() if _is_there(path))
    files = usual if chosen is None else (chosen.expanduser().absolute(),)
    for path in files:
        found, lines = _read(path, problems)
        _take(found, {name: Origin(kind="file", where=str(path), line=lines[name]) for name in found}, values, origins)
    found = _variables(variables, problems)
    _take(found, {name: Origin(kind="variable", where=f"{_PREFIX}{name.upper()}") for name in found}, values, origins)
    given = _flags(flags, problems)
    _take(given, {name: Origin(kind="flag", where="command line") for name in given}, values, origins)
    _read_secrets(values, origins, problems)
    problems += [f"{origins[name]}: {name}: {what}" for name, what in _wrong_kinds(values)]
    settings = None
    try:
        settings = Settings(**values)
    except ValidationError as error:
        for detail in error.errors():
            name = str(detail["loc"][0]) if detail["loc"] else ""
            within = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in detail["loc"][1:])
            origin = f"{origins[name]}: " if name in origins else ""
            problems.append(f"{origin}{name}{within}: {_plain(detail['msg'])}" if name else _plain(detail["msg"]))
    if problems or settings is None:
        raise SettingsError(problems=tuple(dict.fromkeys(problems)))
    return Configuration(settings=settings, origins=origins, files=files, remarks=_remarks(variables))


def _take(
    found: Mapping[str, Any], whence: Mapping[str, Origin], values: dict[str, Any], origins: dict[str, Origin]
) -> None:
    """Let `found` win over what is there; a secret and the file that holds it are one setting."""
    for name, value in found.items():
        for other in (f"{name}_file", name.removesuffix("_file")):
            if other != name and {name, other} & secret_settings():
                values.pop(other, None)
                origins.pop(other, None)
        values[name], origins[name] = value, whence[name]


def _is_there(path: Path) -> bool:
    """Whether there is such a file; one that cannot be seen is somebody else's."""
    try:
        return path.is_file()
    except OSError:
        return False


def _read(path: Path, problems: list[str]) -> tuple[dict[str, Any], dict[str, int | None]]:
    """The settings in a file and the lines they are on."""
    try:
        with path.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            content = stream.read(_BYTES_MAX + 1)
        if sys.platform != "win32" and mode & stat.S_IWOTH:
            problems.append(f"{path}: everybody may change this file; take that right away (chmod o-w)")
        if len(content) > _BYTES_MAX:
            problems.append(f"{path}: the file is larger than {_BYTES_MAX} bytes")
            return {}, {}
        text = content.decode()
        found = tomllib.loads(text)
    except OSError as error:
        problems.append(f"{path}: the file cannot be read: {error.strerror or error}")
        return {}, {}
    except UnicodeDecodeError:
        problems.append(f"{path}: the file is not UTF-8")
        return {}, {}
    except tomllib.TOMLDecodeError as error:
        problems.append(f"{path}: this is no TOML: {error}")
        return {}, {}
    lines = {name: _line_of(text, name) for name in found}
    known = _known_names()
    for name in [name for name in found if name not in known]:
        problems.append(f"{Origin(kind='file', where=str(path), line=lines[name])}: {_unknown(name, known)}")
        del found[name]
    return found, lines


def _known_names() -> list[str]:
    return [*Settings.model_fields, *(f"{name}_file" for name in sorted(secret_settings()))]


def _unknown(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name.lower().replace("-", "_"), known, n=1, cutoff=0.6)
    return f"there is no setting '{name}'" + (f"; did you mean '{near[0]}'?" if near else "")


def _line_of(text: str, name: str) -> int | None:
    """The line of a key or table of the top level, for TOML's readers do not say."""
    mark = re.compile(rf"""\s*(?:\[\[?\s*)?["']?{re.escape(name)}["']?\s*[=.\]]""")
    return next((number for number, line in enumerate(text.splitlines(), 1) if mark.match(line)), None)


def _variables(variables: Mapping[str, str], problems: list[str]) -> dict[str, Any]:
    """The settings among the variables; lists are JSON there."""
    upper = {name.upper(): value for name, value in variables.items()}
    given = {name: upper[f"{_PREFIX}{name.upper()}"] for name in _known_names() if f"{_PREFIX}{name.upper()}" in upper}
    return _decode(
        {name: value for name, value in given.items() if value or not name.endswith("_file")}, _PREFIX, problems
    )


def _flags(flags: Mapping[str, str], problems: list[str]) -> dict[str, Any]:
    """The settings that were given as flags."""
    known = _known_names()
    problems += [f"command line: {_unknown(name, known)}" for name in flags if name not in known]
    return _decode({name: value for name, value in flags.items() if name in known}, "command line: ", problems)


def _decode(given: Mapping[str, str], where: str, problems: list[str]) -> dict[str, Any]:
    """Values with lists read; anything else is for pydantic to read."""
    found: dict[str, Any] = {}
    for name, value in given.items():
        found[name] = value
        field = Settings.model_fields.get(name)  # none for the file of a secret
        if field is None or get_origin(field.annotation) is not tuple:
            continue
        said = f"{where}{name.upper() if where == _PREFIX else name}"
        if not value.lstrip().startswith("["):
            problems.append(f"{said}: this is a list, to be written as JSON, e.g. {json.dumps([value])}")
            del found[name]
            continue
        try:
            found[name] = json.loads(value)
        except ValueError as error:
            problems.append(f"{said}: this is no JSON: {error}")
            del found[name]
    return found


def _read_secrets(values: dict[str, Any], origins: dict[str, Origin], problems: list[str]) -> None:
    """Put what the named files hold in place of their names."""
    for name in secret_settings():
        path = values.pop(f"{name}_file", None)
        if path is None:
            continue
        origin = origins.pop(f"{name}_file")
        try:
            values[name] = Path(str(path)).expanduser().read_text(encoding="utf-8").strip()
            origins[name] = origin
        except (OSError, UnicodeDecodeError) as error:
            problems.append(f"{origin}: {name}_file: {path} cannot be read: {error}")


def _wrong_kinds(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Truth values where numbers are meant, which pydantic would take for 0 and 1."""
    return [
        (name, "true and false mean nothing here")
        for name, value in values.items()
        if isinstance(value, bool) and bool not in _kinds(Settings.model_fields[name].annotation)
    ]


def _kinds(annotation: Any) -> set[Any]:
    return {annotation, *get_args(annotation)}


def _remarks(variables: Mapping[str, str]) -> tuple[str, ...]:
    """Variables that look like a mistyped setting. Others may be a plugin's, and are nobody's business here."""
    known = {f"{_PREFIX}{name.upper()}" for name in _known_names()}
    remarks = []
    for variable in sorted(variables):
        if variable.startswith(_PREFIX) and variable not in known | _NOT_SETTINGS:
            near = difflib.get_close_matches(variable, known, n=1, cutoff=0.85)
            if near:
                remarks.append(f"{variable} is no setting; did you mean {near[0]}?")
    return tuple(remarks)


def _plain(message: str) -> str:
    """pydantic's words without its prefix."""
    text = message.removeprefix("Value error, ")
    return text[:1].lower() + text[1:]
