"""What an artist sets once for all scripts: a JSON file in ``~/.nuke``, never in a script."""

from __future__ import annotations

import getpass
import json
import os
import tempfile
from pathlib import Path
from typing import Any, Mapping

EXTRAS = ("layers", "part", "none")
"""A sequence beside the result has no place in the graph, so that `sidecar` is not among them."""
QUALITIES = ("preview", "final")

OUTPUT_TEMPLATE = "{script_folder}/overscan/{node}/{version}/{node}.%04d.exr"
"""Where results go unless the preferences say otherwise."""

TEMPLATE_WORDS = {
    "script_folder": "folder of the saved script",
    "script": "name of the script, without .nk",
    "node": "name of the node",
    "version": "v001, v002 … a new one for every run",
    "user": "who is logged in",
}
"""What a template may hold in braces, and what it stands for. `node` and `version` have to be in it."""

_SCHEMA = 1
_FIELDS = ("output_template", "extras", "quality", "cache_folder", "command")


class PreferencesError(Exception):
    """A preference cannot be what it was set to; the message says why and what to do."""


class Preferences:
    """The preferences of one artist. Attributes may be set; `problems` says what is wrong with them."""

    def __init__(
        self,
        *,
        output_template: str = OUTPUT_TEMPLATE,
        extras: str = "layers",
        quality: str = "final",
        cache_folder: str = "",
        command: str = "",
        unknown: Mapping[str, Any] | None = None,
        note: str = "",
    ) -> None:
        self.output_template = output_template
        """Path of a result, with words of `TEMPLATE_WORDS` in braces and a frame number such as ``%04d``."""
        self.extras = extras
        """Where the layers about a result go; one of `EXTRAS`."""
        self.quality = quality
        """Quality of new nodes; one of `QUALITIES`."""
        self.cache_folder = cache_folder
        """Folder of plates that had to be rendered; empty for `default_cache_folder`."""
        self.command = command
        """What starts the bridge, as on a command line; empty for the one that the installation names."""
        self.unknown = dict(unknown or {})
        """What a newer version wrote into the file; kept as it is."""
        self.note = note
        """What was wrong with the file, in plain words; empty where nothing."""

    def problems(self) -> dict[str, str]:
        """What is wrong, by the name of the preference; empty where all is well."""
        found = {}
        template = template_problem(self.output_template)
        if template:
            found["output_template"] = template
        if self.extras not in EXTRAS:
            found["extras"] = "It is '{}'. Choose one of: {}.".format(self.extras, ", ".join(EXTRAS))
        if self.quality not in QUALITIES:
            found["quality"] = "It is '{}'. Choose one of: {}.".format(self.quality, ", ".join(QUALITIES))
        if self.cache_folder and not Path(self.cache_folder).expanduser().is_absolute():
            found["cache_folder"] = "It is not a whole path. Give one that begins at the root, or leave it empty."
        return found

    @property
    def cache(self) -> Path:
        """The cache folder, the default one where none was set."""
        return Path(self.cache_folder).expanduser() if self.cache_folder else default_cache_folder()


def preferences_path(environ: Mapping[str, str] | None = None) -> Path:
    """The file: ``$OVERSCAN_NUKE_PREFERENCES``, else ``~/.nuke/overscan.json``."""
    environ = os.environ if environ is None else environ
    given = environ.get("OVERSCAN_NUKE_PREFERENCES")
    return Path(given).expanduser() if given else Path.home() / ".nuke" / "overscan.json"


def default_cache_folder(environ: Mapping[str, str] | None = None) -> Path:
    """``$OVERSCAN_NUKE_CACHE``, else `overscan` in Nuke's own temporary folder, else one of the user's."""
    environ = os.environ if environ is None else environ
    if environ.get("OVERSCAN_NUKE_CACHE"):
        return Path(environ["OVERSCAN_NUKE_CACHE"]).expanduser()
    if environ.get("NUKE_TEMP_DIR"):
        return Path(environ["NUKE_TEMP_DIR"]) / "overscan"
    return Path(tempfile.gettempdir()) / f"overscan-nuke-{user_name()}"


def user_name() -> str:
    """Who is logged in, as jobs are labelled; ``unknown`` where the system does not say."""
    try:
        return getpass.getuser()
    except (KeyError, ImportError, OSError):  # a farm's container may have neither a name nor variables
        return "unknown"


def load_preferences(path: Path | None = None) -> Preferences:
    """The preferences in the file. Never fails: what cannot be used is the default, and `note` says what it was."""
    file = path or preferences_path()
    try:
        values = json.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return Preferences()
    except (OSError, ValueError) as error:
        return Preferences(note=f"{file} cannot be read ({error}); the defaults are used.")
    if not isinstance(values, dict):
        return Preferences(note=f"{file} is not a list of preferences; the defaults are used.")
    unknown = {name: value for name, value in values.items() if name not in _FIELDS and name != "schema"}
    strange = [name for name in _FIELDS if not isinstance(values.get(name, ""), str)]
    kept = {name: values[name] for name in _FIELDS if name in values and name not in strange}
    preferences = Preferences(unknown=unknown, **kept)
    defaults = Preferences()
    for name in preferences.problems():
        setattr(preferences, name, getattr(defaults, name))
        strange.append(name)
    if strange:
        preferences.note = "{}: {} cannot be used; the default is.".format(file, ", ".join(sorted(set(strange))))
    return preferences


def save_preferences(preferences: Preferences, path: Path | None = None) -> Path:
    """Write the file, whole or not at all; returns where. Keys of newer versions stay.

    Raises PreferencesError where a value cannot be, or the file cannot be written.
    """
    problems = preferences.problems()
    if problems:
        raise PreferencesError("\n".join("{}: {}".format(*item) for item in sorted(problems.items())))
    file = path or preferences_path()
    unknown = dict(preferences.unknown)
    unknown.update(load_preferences(file).unknown)
    values: dict[str, Any] = {"schema": _SCHEMA}
    values.update((name, getattr(preferences, name)) for name in _FIELDS)
    values.update(unknown)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(prefix=file.name, suffix=".part", dir=str(file.parent))
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                json.dump(values, stream, indent=2, ensure_ascii=False)
                stream.write("\n")
            Path(beside).replace(file)
        except BaseException:
            Path(beside).unlink()
            raise
    except OSError as error:
        reason = error.strerror or error
        raise PreferencesError(
            f"The preferences cannot be written to {file}: {reason}. Make the folder writable, or set "
            "OVERSCAN_NUKE_PREFERENCES to a file that is."
        ) from error
    return file


def template_problem(template: str) -> str:
    """What is wrong with an output template, in plain words; empty where nothing."""
    words = dict.fromkeys(TEMPLATE_WORDS, "x")
    try:
        filled = template.format(**words)
        without_version = template.format(**dict(words, version="y"))
        without_node = template.format(**dict(words, node="y"))
    except (KeyError, IndexError):
        known = ", ".join(f"{{{word}}}" for word in TEMPLATE_WORDS)
        return f"It has a word in braces that is not known. Known are: {known}."
    except (ValueError, AttributeError):
        return "Its braces do not match. Write a word in braces, such as {node}."
    if filled == without_version:
        return "It has no {version}: a run would overwrite the run before. Add {version}."
    if filled == without_node:
        return "It has no {node}: two nodes would write the same files. Add {node}."
    name = filled.replace("\\", "/").rpartition("/")[2]
    if not any(mark in name for mark in ("%0", "%d", "#")):
        return "Its file name has no frame number. Add one, such as %04d, before the ending."
    if not name.lower().endswith(".exr"):
        return "Its file name does not end in .exr, which results are written as."
    return ""
