"""`overscan watch-folder`: what is rendered into one folder comes back in the next, from any program that writes files.

A job file without plate and output, `overscan.yaml` in the watched folder or in one below it, says what becomes of the
sequences there. A sequence is taken when nothing of it has changed for a while and no frame is missing; one that is
rendered again becomes a new version.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from overscan.cli._display import state_word
from overscan.cli._exit import ExitCode, exit_code_of
from overscan.cli._interrupts import Interrupts
from overscan.cli._report import Outcome, Report
from overscan.cli._watched import JOB_FILE, Clip, clips_in
from overscan.client import ENDED, Client, JobFileError, ServiceError, connect, describe, make_problem, parse_job
from overscan.v1.job_pb2 import Job, JobSpec, JobState
from overscan.v1.plan_pb2 import Problem

_STATE_FILE = ".overscan-watch.json"
_POLL_SECONDS = 1.0
_SPACE = uuid.UUID("6f8c0b5e-3e0c-4d41-8b55-2a0d6a3d6c11")
"""For names of requests: the same clip, job and version is the same request, however often it is sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """What became of one state of a clip."""

    stamp: str
    """Of the clip's files and its job file."""
    version: int
    job_id: str = ""
    """Empty where the job was refused."""
    state: str = ""
    """How the job ended, or ``refused``; empty while it goes on."""


def watch_folder(*, inbox: str, outbox: str, settle_seconds: float, once: bool, report: Report) -> Outcome:
    """Watch until Ctrl-C, or with `once` until all that is there has been through."""
    source, target = Path(inbox).resolve(), Path(outbox).resolve()
    if not source.is_dir():
        raise _usage(f"{source} is no folder.", "Make it first; the program that renders writes into it.", source)
    if source == target or target in source.parents:
        raise _usage(f"{source} lies in {target}: results would be taken for plates.", "Name another folder.", target)
    target.mkdir(parents=True, exist_ok=True)
    with connect() as client:
        watch = _Watch(source, target, settle_seconds=settle_seconds, client=client, report=report)
        report.note(f"Watching {source}; results go to {target}. Ctrl-C stops watching, jobs go on.")
        stopped: queue.SimpleQueue[None] = queue.SimpleQueue()
        with Interrupts(on_first=lambda: stopped.put(None)) as interrupts:
            while (watch.look() or not once) and not interrupts.received:
                with contextlib.suppress(queue.Empty):
                    stopped.get(timeout=_POLL_SECONDS)
        if interrupts.received:
            report.note("Stopped watching; jobs go on, and the next watch picks them up.")
            return Outcome(facts=watch.counts())
    failed = watch.problems
    return Outcome(
        exit_code=exit_code_of(failed[0].code) if failed else ExitCode.OK, facts=watch.counts(), problems=tuple(failed)
    )


class _Watch:
    def __init__(self, source: Path, target: Path, *, settle_seconds: float, client: Client, report: Report) -> None:
        self.problems: list[Problem] = []
        self._source = source
        self._target = target
        self._settle_seconds = settle_seconds
        self._client = client
        self._report = report
        self._seen: dict[str, tuple[str, float]] = {}
        """By clip: its stamp, and since when it has been that."""
        self._said: set[tuple[str, str]] = set()
        self._waiting: set[str] = set()
        """Clips that cannot be taken as they are."""
        self._taken = _read_state(target / _STATE_FILE)

    def counts(self) -> dict[str, object]:
        """How many clips ended how."""
        states = [taken.state or "running" for taken in self._taken.values()]
        states += ["waiting" for name in self._waiting if name not in self._taken]
        return {"clips": {state: states.count(state) for state in sorted(set(states))}}

    def look(self) -> bool:
        """Look at the folder once; whether anything of it is under way."""
        goes_on = False
        for clip in clips_in(self._source, besides=self._target):
            taken = self._taken.get(clip.name)
            if taken is not None and taken.job_id and not taken.state:
                goes_on = not self._ended(clip, taken) or goes_on
            elif taken is None or taken.stamp != clip.stamp:
                goes_on = self._come_to_rest(clip) or goes_on
        return goes_on

    def _come_to_rest(self, clip: Clip) -> bool:
        """Take a clip that has not changed for long enough; whether it is still to be waited for."""
        now = time.monotonic()
        stamp, since = self._seen.get(clip.name, ("", now))
        if stamp != clip.stamp:
            # A folder that was left alone before we looked has come to rest already.
            self._seen[clip.name] = (clip.stamp, now - max(0.0, time.time() - clip.newest))
            return True
        if now - since < self._settle_seconds:
            return True
        self._waiting.discard(clip.name)
        if clip.job_file is None:
            self._say(clip, f"There is no {JOB_FILE} that says what to do with it, in its folder or one above.")
            return False
        if clip.missing:
            self._say(clip, f"Frames are missing: {clip.missing}. It waits for them.")
            return False
        self._take(clip, clip.job_file)
        return not self._taken[clip.name].state

    def _take(self, clip: Clip, job_file: Path) -> None:
        before = self._taken.get(clip.name)
        taken = _Taken(stamp=clip.stamp, version=self._free_version(clip, after=before.version if before else 0))
        try:
            spec = _job(clip, job_file, self._folder(clip, taken.version))
            name = json.dumps([str(self._target), clip.name, clip.stamp, taken.version])
            job = self._client.create(spec=spec, request_id=str(uuid.uuid5(_SPACE, name)))
        except (JobFileError, ServiceError) as error:
            self._keep(clip, replace(taken, state="refused"))
            self._failed(clip, taken, error.problems)
            return
        self._keep(clip, replace(taken, job_id=job.id))
        self._report.record("clip", {"clip": clip.name, "version": taken.version, "job_id": job.id, "state": "created"})
        self._report.say(f"{clip.name}: job {job.id} makes v{taken.version:03d} of {len(clip.frames)} frames.")

    def _ended(self, clip: Clip, taken: _Taken) -> bool:
        try:
            job = self._client.get(job_id=taken.job_id)
        except ServiceError as error:
            if error.code == "SERVICE_UNREACHABLE":
                raise
            self._keep(clip, replace(taken, state="lost"))
            self._failed(clip, taken, error.problems)
            return True
        if job.state not in ENDED:
            return False
        word = state_word(job.state)
        self._keep(clip, replace(taken, state=word))
        self._report.record(
            "clip", {"clip": clip.name, "version": taken.version, "job_id": job.id, "state": word, "output": _out(job)}
        )
        if job.state == JobState.JOB_STATE_SUCCEEDED:
            self._report.say(f"{clip.name}: done, in {_out(job)}.")
        elif job.HasField("error"):
            self._failed(clip, taken, [job.error])
        else:
            self._report.say(f"{clip.name}: the job was {word}.")
        return True

    def _failed(self, clip: Clip, taken: _Taken, problems: list[Problem] | tuple[Problem, ...]) -> None:
        """Say why there is no result, in the log and beside where it would be."""
        self.problems += problems
        self._report.note(f"{clip.name}:")
        self._report.problems(problems)
        file = self._folder(clip, taken.version).with_suffix(".problem.txt")
        file.parent.mkdir(parents=True, exist_ok=True)
        lines = [f"{describe(problem)} [{problem.code}]" for problem in problems]
        again = f"Then render the clip again, or change {JOB_FILE}."
        file.write_text("\n".join([*lines, again, ""]), encoding="utf-8")

    def _say(self, clip: Clip, text: str) -> None:
        """Why a clip waits, said once."""
        self._waiting.add(clip.name)
        if (clip.name, text) not in self._said:
            self._said.add((clip.name, text))
            self._report.note(f"{clip.name}: {text}")

    def _folder(self, clip: Clip, version: int) -> Path:
        return self._target / clip.folder / clip.stem / f"v{version:03d}"

    def _free_version(self, clip: Clip, *, after: int) -> int:
        """The first version that nobody has written anything of."""
        version = after + 1
        while self._folder(clip, version).exists():
            version += 1
        return version

    def _keep(self, clip: Clip, taken: _Taken) -> None:
        self._taken[clip.name] = taken
        file = self._target / _STATE_FILE
        beside = file.with_name(f"{file.name}.new")
        plain = {name: asdict(one) for name, one in sorted(self._taken.items())}
        beside.write_text(json.dumps({"schema": 1, "clips": plain}, indent=1) + "\n", encoding="utf-8")
        beside.replace(file)


def _job(clip: Clip, job_file: Path, folder: Path) -> JobSpec:
    """The clip's job: the job file with the clip as the plate."""
    plain = _plain(job_file)
    for name in ("plate", "output"):
        own = plain.get(name)
        if isinstance(own, str) or (isinstance(own, Mapping) and "path" in own):
            raise _bad_job(job_file, f"it names the {name}'s path, which comes from the watched folder", f"{name}.path")
    plain["plate"] = {**(plain.get("plate") or {}), "path": str(clip.pattern), "frames": clip.range}
    plain["output"] = {**(plain.get("output") or {}), "path": str(folder / clip.pattern.name)}
    if "inpaint" in plain:
        plain["inpaint"] = _with_matte(plain["inpaint"] or {}, clip, job_file)
    return parse_job(plain, folder=job_file.parent)


def _with_matte(inpaint: Any, clip: Clip, job_file: Path) -> Any:
    """The clip's own matte where the job file names none: a sequence in a folder `matte` beside it, else its alpha."""
    if not isinstance(inpaint, dict):
        raise _bad_job(job_file, "'inpaint' is not a table", "inpaint")
    matte = inpaint.get("matte") or {}
    if isinstance(matte, str) or not isinstance(matte, dict) or "sequence" in matte:
        return inpaint
    own = clip.matte
    found = {"sequence": {"path": str(own or clip.pattern)}} | ({} if own else {"channel": "A"})
    return {**inpaint, "matte": found | matte}


def _plain(job_file: Path) -> dict[str, Any]:
    import yaml

    try:
        plain = yaml.safe_load(job_file.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise _bad_job(job_file, f"it cannot be read: {error}", "") from error
    if not isinstance(plain, dict):
        raise _bad_job(job_file, "it is no job file", "")
    return plain


def _read_state(file: Path) -> dict[str, _Taken]:
    try:
        clips = json.loads(file.read_text(encoding="utf-8"))["clips"]
        return {str(name): _Taken(**values) for name, values in clips.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _usage(
            f"{file}, which says what was done already, is damaged: {error}.",
            "Remove it: clips that are still in the watched folder are then done again, as new versions.",
            file,
        ) from error


def _out(job: Job) -> str:
    return os.path.dirname(job.spec.output.path)  # noqa: PTH120


def _bad_job(file: Path, why: str, field: str) -> JobFileError:
    problem = make_problem(
        "INVALID_JOB", f"{why}.", next_step=f"Correct {file.name}; see docs/resolve.md.", path=str(file), field=field
    )
    return JobFileError([problem])


def _usage(message: str, next_step: str, path: Path) -> ServiceError:
    return ServiceError([make_problem("USAGE", message, next_step=next_step, path=str(path))])
