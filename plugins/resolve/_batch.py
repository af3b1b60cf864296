"""Clips of a running Resolve without a window: ``python -m overscan_resolve inpaint --markers blue``."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any, Iterable

from overscan_host import BridgeError, Problem, StoppedError, exit_codes, refuse, run_through
from overscan_resolve._asking import number, text
from overscan_resolve._choose import Choice, chosen, timeline_named
from overscan_resolve._clip import read_clip
from overscan_resolve._connect import connect
from overscan_resolve._record import Record, load
from overscan_resolve._restore import current_project
from overscan_resolve._retimes import retimes_of
from overscan_resolve._return import bring_back
from overscan_resolve._run import RUNNING, Follower, Planned, cancel_steps, generate_steps, plan_steps
from overscan_resolve._session import Session
from overscan_resolve._wish import PIXELS, PLACES, TASKS, Wish
from overscan_resolve._words import record_words

_POLL_SECONDS = 0.2
_TELL_SECONDS = 5.0


@dataclass
class Batch:
    """One call, and what came of it."""

    resolve: Any
    as_json: bool
    session: Any = None
    """A `Session`; None before there is one."""
    codes: list[str] = field(default_factory=list)
    """Of problems, in the order they came up."""

    def say(self, words: str, **facts: Any) -> None:
        """A line for whoever waits, or an object for a program."""
        if self.as_json:
            sys.stdout.write(json.dumps({"message": words, **facts}) + "\n")
        else:
            sys.stderr.write(words + "\n")
        sys.stdout.flush()
        sys.stderr.flush()

    def failed(self, error: BridgeError, *, clip: str = "") -> None:
        """Note a problem of one clip; the others go on."""
        self.codes.append(error.code)
        self.problems(error.problems, clip=clip)

    def problems(self, problems: Iterable[Problem], *, clip: str) -> None:
        """Say what is wrong, with all that is known of it."""
        for problem in problems:
            where = f"{clip}: " if clip else ""
            if self.as_json:
                sys.stdout.write(json.dumps({"type": "error", "clip": clip, **asdict(problem)}) + "\n")
            else:
                sys.stderr.write(f"overscan: {where}{problem}\n")

    def exit_code(self) -> int:
        """Of the first problem."""
        return exit_codes.exit_code(self.codes[0]) if self.codes else exit_codes.DONE


def main(arguments: list[str], *, resolve: Any = None) -> int:
    """Run a command; returns the exit code (docs/errors.md). `resolve` is found where it is None."""
    try:
        given = _parser().parse_args(arguments)
    except SystemExit as end:
        return int(end.code or 0)
    session: Session | None = None
    try:
        resolve = connect() if resolve is None else resolve
        session = Session(resolve)
        batch = Batch(resolve, given.json, session)
        if given.command == "place":
            _place(batch, given.folder)
        else:
            _run(batch, given)
        return batch.exit_code()
    except BridgeError as error:
        Batch(resolve, given.json).failed(error)
        return exit_codes.exit_code(error.code)
    except (StoppedError, KeyboardInterrupt):
        sys.stderr.write("overscan: stopped; jobs were cancelled and finished frames are kept\n")
        return exit_codes.INTERRUPTED
    finally:
        if session is not None:
            session.close()


def _run(batch: Batch, given: argparse.Namespace) -> None:
    wish = _wish(given)
    wish.check()
    project = current_project(batch.resolve)
    choice = Choice(given.timeline, given.track, given.names, given.markers, given.flags)
    timeline = timeline_named(project, choice.timeline)
    clips = chosen(timeline, choice)
    retimes = retimes_of(batch.resolve, timeline)
    records: list[Record] = []
    for track, item in clips:
        name = text(item, "GetName")
        try:
            clip = read_clip(timeline, item, track=track, retime=retimes.get((track, number(item, "GetStart") or 0)))
            if given.dry_run:
                planned: Planned = run_through(
                    plan_steps(batch.resolve, timeline, clip, wish), bridge=batch.session.bridge
                )
                batch.codes += [problem.code for problem in planned.problems][:1]
                batch.say(planned.words, type="plan", clip=name, feasible=planned.feasible)
                continue
            record = run_through(generate_steps(batch.resolve, timeline, clip, wish), bridge=batch.session.bridge)
            records.append(record)
            batch.say(f"{name}: {record.path}", type="job", clip=name, job_id=record.job_id, path=record.path)
        except BridgeError as error:
            batch.failed(error, clip=name)
        except (StoppedError, KeyboardInterrupt):
            _cancel(batch, records)
            raise
    _wait(batch, records, given.timeout)


def _wait(batch: Batch, records: list[Record], timeout_seconds: float) -> None:
    """Until all jobs have ended; each result is brought in as soon as it is there."""
    end = time.monotonic() + timeout_seconds if timeout_seconds else None
    followers = [Follower(batch.session.bridge, record, changed=lambda _: None) for record in records]
    waiting, told = list(followers), time.monotonic()
    try:
        while waiting:
            batch.session.wait(_POLL_SECONDS)
            for follower in [one for one in waiting if one.ended]:
                waiting.remove(follower)
                _ended(batch, follower)
            if waiting and time.monotonic() - told > _TELL_SECONDS:
                told = time.monotonic()
                for follower in waiting:
                    batch.say(
                        _progress(follower), type="progress", job_id=follower.record.job_id, job=follower.progress
                    )
            if end is not None and time.monotonic() > end:
                _cancel(batch, [one.record for one in waiting])
                raise refuse("CANCELLED", f"The time limit of {timeout_seconds:g} s is over; the jobs were cancelled.",
                             "Give more time.")  # fmt: skip
    except (KeyboardInterrupt, StoppedError):
        _cancel(batch, [one.record for one in waiting])
        raise
    finally:
        for follower in followers:
            follower.stop()


def _ended(batch: Batch, follower: Follower) -> None:
    record = follower.record
    if record.state == "succeeded":
        try:
            placed = bring_back(batch.resolve, record)
        except BridgeError as error:
            batch.failed(error, clip=record.item_name)
            return
        batch.say(
            record_words(placed), type="placed", clip=record.item_name, path=record.path, placed=dict(placed.placed)
        )
        if placed.state != "placed":
            batch.codes.append("UNSUPPORTED")
        return
    code = "CANCELLED" if record.state == "cancelled" else "STEP_FAILED"
    words = f"The job of {record.shot} {record.version} was {record.state}."
    problems = follower.problems or (Problem(code, words, "`overscan jobs retry` goes on with it."),)
    batch.codes.append(problems[0].code)
    batch.problems(problems, clip=record.item_name)


def _place(batch: Batch, folder: str) -> None:
    record = load(folder)
    if record.state in RUNNING:
        known = batch.session.bridge.request("job.get", {"job_id": record.job_id, "brief": True})
        state = str(known.get("state", ""))
        if state != "succeeded":
            raise refuse("INVALID_JOB", f"The job of {record.shot} {record.version} is {state}.",
                         f"Wait for it, or retry it: `overscan jobs retry {record.job_id}`.")  # fmt: skip
    placed = bring_back(batch.resolve, record)
    batch.say(record_words(placed), type="placed", clip=record.item_name, path=record.path, placed=dict(placed.placed))


def _cancel(batch: Batch, records: list[Record]) -> None:
    for record in records:
        try:
            run_through(cancel_steps(record), bridge=batch.session.bridge)
        except BridgeError as error:
            batch.failed(error, clip=record.item_name)


def _progress(follower: Follower) -> str:
    return record_words(
        follower.record, message=follower.words(), seconds_left=follower.seconds_left, progress=follower.progress
    )


def _wish(given: argparse.Namespace) -> Wish:
    return Wish(
        task=given.command,
        pixels=given.pixels,
        place=given.place,
        handles=given.handles,
        matte=given.matte,
        head=given.head,
        tail=given.tail,
        size=given.size,
        color_space=given.color_space,
        engine=given.engine,
        model=given.model,
        prompt=given.prompt,
        output=given.output,
        use="final" if given.final else "",
        parameters=dict(given.set),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="overscan resolve", description="Clips of a running DaVinci Resolve Studio.")
    commands = parser.add_subparsers(dest="command", required=True)
    words = {
        "inpaint": "remove what a matte covers",
        "extend": "fill the timeline's format beside a clip of another shape",
        "continue": "make frames before the first or after the last of a clip's media",
        "fill": "fill a matte by words",
    }
    for task in TASKS:
        command = commands.add_parser(task, help=words[task])
        add = command.add_argument
        add("--timeline", default="", metavar="NAME", help="the current one unless named")
        add("--markers", default="", metavar="COLOUR", help="clips with a marker of this colour, e.g. blue")
        add("--flags", default="", metavar="COLOUR", help="clips with a flag of this colour")
        add("--names", default="", metavar="PATTERN", help="clips of these names, e.g. 'A0*'")
        add("--track", default=0, type=_track, metavar="V1", help="clips of this video track")
        add("--pixels", choices=PIXELS, default="source", help="the media's own, or as the timeline shows them")
        add("--as", dest="place", choices=PLACES, default="auto", help="where the result goes: a take, unless graded")
        add("--handles", type=int, default=8, metavar="N", help="frames beyond the clip's ends (8)")
        add("--matte", default="auto", metavar="alpha|clip|PATH", help="what is replaced: 1 in the matte")
        add("--head", type=int, default=0, metavar="N", help="frames before the first")
        add("--tail", type=int, default=0, metavar="N", help="frames after the last")
        add("--size", default="", metavar="WxH", help="the new format; the timeline's shape unless named")
        add("--colorspace", dest="color_space", default="", metavar="NAME")
        add("--engine", default="", metavar="NAME")
        add("--model", default="", metavar="NAME")
        add("--prompt", default="", metavar="TEXT", help="what is to be seen, for engines that follow words")
        add(
            "--set",
            action="append",
            default=[],
            type=_parameter,
            metavar="NAME=VALUE",
            help="a parameter of the engine",
        )
        add("--final", action="store_true", help="for the delivered picture, not as temp")
        add(
            "--output",
            default="",
            metavar="FOLDER",
            help="for results; a folder 'overscan' beside the media unless named",
        )
        add("--dry-run", action="store_true", help="say what would be done, and do nothing")
        add("--timeout", type=_seconds, default=0.0, metavar="TIME", help="cancel after e.g. 90s, 30m or 2h")
        add("--json", action="store_true", help="one object a line")
    place = commands.add_parser("place", help="bring a finished result into the project it belongs to")
    place.add_argument("folder", help="of the version, with its frames")
    place.add_argument("--json", action="store_true", help="one object a line")
    return parser


def _track(written: str) -> int:
    number = written.upper().lstrip("V")
    if not number.isdigit() or int(number) < 1:
        raise argparse.ArgumentTypeError(f"'{written}' is no video track; write it like V2")
    return int(number)


def _parameter(written: str) -> tuple[str, Any]:
    name, found, value = written.partition("=")
    if not (name and found):
        raise argparse.ArgumentTypeError(f"'{written}' is no parameter; write it like name=value")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _seconds(written: str) -> float:
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    number, unit = (written[:-1], written[-1]) if written[-1:] in units else (written, "s")
    try:
        value = float(number) * units[unit]
    except ValueError:
        value = 0.0
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"'{written}' is no time; write it like 90s, 30m or 2h")
    return value
