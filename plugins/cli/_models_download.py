"""`overscan models download`: the one thing that uses the network, and only when it is asked to."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from overscan.cli._exit import ExitCode
from overscan.cli._models import add
from overscan.cli._report import Outcome, Report
from overscan.cli._words import plural, size
from overscan.client import ServiceError, make_problem

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_INDEX = "model_index.json"
_INDEX_BYTES_MAX = 1_000_000
_ENDINGS = (".safetensors", ".json", ".txt", ".model", ".jinja")
_VARIANT = re.compile(r"\.(?:fp16|bf16|fp32|non_ema|ema)(?=\.safetensors|\.index\.json|\.json|-\d{5}-of-)")
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*")
_LICENCES = re.compile(r"LICEN[CS]E[A-Za-z0-9._-]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a hub has of a model."""

    repository: str
    revision: str
    """The commit, 40 hexadecimal digits."""
    endpoint: str
    licence: str
    """As the hub names it; empty where it does not."""
    sizes: dict[str, int]
    """Bytes of what would be fetched, by path."""
    hashes: dict[str, str]
    """SHA-256 of those of them that the hub knows by it."""

    @property
    def bytes(self) -> int:
        """Of all of it."""
        return sum(self.sizes.values())


def download(repository: str, *, into: str, revision: str, name: str, card: str, yes: bool, report: Report) -> Outcome:
    """Fetch a model and enter it in the library."""
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "TRUE", "YES", "ON"):
        raise _problem(
            "the network is switched off here by HF_HUB_OFFLINE.",
            "Unset it for this command, or copy the folder from another machine and `overscan models add` it.",
        )
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        from huggingface_hub import HfApi
    except ImportError:
        raise ServiceError(
            [
                make_problem(
                    "MODELS_NOT_INSTALLED",
                    "downloading needs the library huggingface_hub, which is not installed.",
                    next_step="Install Overscan with its extra `models` (`pip install '.[models]'` in its folder).",
                )
            ]
        ) from None
    folder = Path(into).expanduser().absolute()
    api = HfApi(library_name="overscan")
    report.note(f"Asking {api.endpoint} for {repository} …")
    with _said(repository, api.endpoint):
        offer = _offer(api, repository, revision)
    _describe(offer, folder, report)
    _require_room(offer, folder)
    if not yes and not _agreed(report):
        return Outcome(exit_code=ExitCode.USAGE, facts={"downloaded": False})
    with _said(repository, api.endpoint):
        for number, path in enumerate(sorted(offer.sizes), start=1):
            report.note(f"{number} of {len(offer.sizes)}: {path} ({size(offer.sizes[path])})")
            api.hf_hub_download(repository, path, revision=offer.revision, local_dir=folder)
    with tempfile.TemporaryDirectory(prefix="overscan-") as scratch:
        expected = Path(scratch) / "hashes.json"
        expected.write_text(json.dumps(offer.hashes), encoding="utf-8")
        outcome = add(
            str(folder),
            name=name,
            card=card,
            source=f"{repository}@{offer.revision}",
            copy=False,
            report=report,
            expect=expected,
        )
    return Outcome(facts={**outcome.facts, "downloaded": True, "revision": offer.revision, "bytes": offer.bytes})


def _offer(api: HfApi, repository: str, revision: str) -> Offer:
    """What the hub has; reads the list of files and ``model_index.json``, and nothing else."""
    found = api.model_info(repository, revision=revision or None, files_metadata=True)
    listed = {item.rfilename: item for item in found.siblings or ()}
    commit = found.sha or ""
    if not re.fullmatch(r"[0-9a-f]{40}", commit):
        raise _problem("the hub does not say which revision that is.", "Name a commit with --revision.")
    index = listed.get(_INDEX)
    if index is None or (index.size or 0) > _INDEX_BYTES_MAX:
        raise _problem(
            f"'{repository}' is no model in diffusers' layout: it has no model_index.json.",
            "Look for the repository of the same model whose name ends in -diffusers.",
        )
    with tempfile.TemporaryDirectory(prefix="overscan-") as scratch:
        path = api.hf_hub_download(repository, _INDEX, revision=commit, local_dir=scratch)
        components = _components(Path(path))
    wanted = [name for name in listed if _is_wanted(name, components, list(listed))]
    card = found.card_data
    return Offer(
        repository=repository,
        revision=commit,
        endpoint=api.endpoint,
        licence=str((card.get("license_name") or card.get("license") or "") if card else ""),
        sizes={name: listed[name].size or 0 for name in wanted},
        hashes={name: lfs.sha256 for name in wanted if (lfs := listed[name].lfs) is not None},
    )


def _components(index: Path) -> set[str]:
    try:
        said: Any = json.loads(index.read_text(encoding="utf-8"))
        return {name for name, value in said.items() if isinstance(value, list) and any(value)}
    except (ValueError, AttributeError):
        raise _problem("its model_index.json is none.", "Tell whoever published the model.") from None


def _is_wanted(name: str, components: set[str], listed: Sequence[str]) -> bool:
    """Whether loading would read that file, or it is the licence's text."""
    if not _PLAIN.fullmatch(name) or ".." in name:
        return False
    component, slash, _ = name.partition("/")
    if not slash:
        return name == _INDEX or bool(_LICENCES.fullmatch(name))
    if component not in components or not name.endswith(_ENDINGS) or ".bin.index" in name:
        return False
    # Half-precision copies beside the plain weights would only take room.
    plain = _VARIANT.sub("", name)
    base = re.sub(r"(-\d{5}-of-\d{5})?\.safetensors$|\.safetensors\.index\.json$", "", plain)
    others = (f"{base}.safetensors", f"{base}.safetensors.index.json")
    return plain == name or not any(other in listed for other in others)


def _describe(offer: Offer, folder: Path, report: Report) -> None:
    report.record(
        "download",
        {
            "repository": offer.repository,
            "revision": offer.revision,
            "from": offer.endpoint,
            "into": str(folder),
            "files": offer.sizes,
            "bytes": offer.bytes,
            "licence": offer.licence,
        },
    )
    report.say(
        f"{offer.repository} at {offer.revision}\n"
        f"  from     {offer.endpoint}\n"
        f"  into     {folder}\n"
        f"  fetches  {plural(len(offer.sizes), 'file')}, {size(offer.bytes)}\n"
        f"  licence  {offer.licence or 'not named by the hub'}; read it before you use the model"
    )


def _require_room(offer: Offer, folder: Path) -> None:
    there = next(parent for parent in (folder, *folder.parents) if parent.is_dir())
    free = shutil.disk_usage(there).free
    if free < offer.bytes:
        raise ServiceError(
            [
                make_problem(
                    "DISK_FULL",
                    f"the model takes {size(offer.bytes)}, and {there} has room for {size(free)}.",
                    next_step="Name a folder on another disk with --into.",
                )
            ]
        )


def _agreed(report: Report) -> bool:
    if report.json or not sys.stdin.isatty():
        raise ServiceError(
            [
                make_problem(
                    "USAGE",
                    "nothing is downloaded without a yes, and there is nobody to ask.",
                    next_step="Add --yes where you agree to the above.",
                )
            ]
        )
    return typer.confirm("Download it?", err=True)


@contextlib.contextmanager
def _said(repository: str, endpoint: str) -> Iterator[None]:
    """Say what the hub's library raises in words."""
    from huggingface_hub import errors

    # Its errors have those of its HTTP library, whichever that is, above them.
    network = tuple(
        kind for kind in errors.HfHubHTTPError.__mro__ if issubclass(kind, Exception) and kind is not Exception
    )
    try:
        yield
    except errors.GatedRepoError:
        raise _problem(
            f"the maker of '{repository}' asks everybody to accept its terms first.",
            f"Accept them at {endpoint}/{repository}, and set HF_TOKEN to a token of that account.",
        ) from None
    except errors.RepositoryNotFoundError:
        raise _problem(
            f"{endpoint} has no model '{repository}', or none that it shows without a token.",
            "Check the name; set HF_TOKEN where it is private.",
        ) from None
    except errors.RevisionNotFoundError:
        raise _problem(f"'{repository}' has no such revision.", "Name a commit of it with --revision.") from None
    except errors.HFValidationError as error:
        raise _problem(f"'{repository}' is no name of a repository: {error}.", "Write OWNER/MODEL.") from None
    except network as error:
        text = str(error).strip()
        said = text.splitlines()[0] if text else type(error).__name__
        raise _problem(
            f"'{repository}' could not be fetched from {endpoint}: {said}",
            "Check the connection and run the command again, which goes on where it stopped; or copy the folder from "
            "another machine and `overscan models add` it.",
        ) from None


def _problem(message: str, next_step: str) -> ServiceError:
    return ServiceError([make_problem("DOWNLOAD", message, next_step=next_step)])
