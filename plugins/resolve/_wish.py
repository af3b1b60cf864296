"""What is asked for: the task, what the pixels are, and where the result goes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping

from overscan_host import refuse

TASKS = ("inpaint", "extend", "continue", "fill")
PIXELS = ("source", "graded")
PLACES = ("auto", "take", "track", "matte")


@dataclass(frozen=True)
class Wish:
    """One run on one clip."""

    task: str
    """``inpaint``, ``extend`` (to the timeline's format), ``continue`` (head, tail), or ``fill`` (by words)."""
    pixels: str = "source"
    """``source``: the ungraded frames of the media; ``graded``: what the timeline shows of this track."""
    place: str = "auto"
    """``take``, ``track`` (above), ``matte``; ``auto`` is a take for ``source`` and a track for ``graded``."""
    handles: int = 8
    """Frames beyond the clip's ends that are made as well, as far as the media reaches."""
    matte: str = "auto"
    """``clip`` (its first clip matte), ``alpha`` (the Color page's alpha output), a path; ``auto``: what there is."""
    head: int = 0
    tail: int = 0
    size: str = ""
    """For ``extend``: the new format, ``1920x1080``; empty for one of the timeline's shape."""
    color_space: str = ""
    """Of the plate, where Resolve does not say it."""
    engine: str = ""
    model: str = ""
    prompt: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Of the engine."""
    output: str = ""
    """Folder for results; empty for one beside the media."""
    use: str = ""

    @property
    def job_task(self) -> str:
        """The service's name of the task."""
        return "inpaint" if self.task == "fill" else self.task

    @property
    def needs_matte(self) -> bool:
        """Whether something has to say where."""
        return self.job_task == "inpaint"

    def placed_as(self) -> str:
        """Where the result goes, ``auto`` decided."""
        if self.place != "auto":
            return self.place
        return "take" if self.pixels == "source" else "track"

    def check(self) -> None:
        """Refuse what contradicts itself. Raises `RefusalError`."""
        for value, known, what in (
            (self.task, TASKS, "task"), (self.pixels, PIXELS, "pixels"), (self.place, PLACES, "place"),
        ):  # fmt: skip
            if value not in known:
                raise refuse("USAGE", f"'{value}' is no {what}.", "There are: {}.".format(", ".join(known)))
        if self.handles < 0 or self.head < 0 or self.tail < 0:
            raise refuse("USAGE", "Handles, head and tail are counted in frames, from 0.", "Correct the number.")
        if self.task == "continue" and not (self.head or self.tail):
            raise refuse("USAGE", "Nothing is to be made: head and tail are both 0.", "Say how many frames.")
        if self.task == "fill" and not self.prompt:
            raise refuse("USAGE", "To fill by words, words are needed.", "Describe what is to be seen there.")
        if self.pixels == "graded" and self.place == "take":
            raise refuse(
                "INVALID_JOB",
                "Graded pixels cannot be a take: a take keeps the clip's grade, which would then be applied twice.",
                "Put them on the track above, or choose source pixels.",
                field="place",
            )
        if self.pixels == "graded" and self.task == "continue":
            raise refuse(
                "INVALID_JOB",
                "New frames at head and tail go on from the media's own; graded frames end with the clip.",
                "Choose source pixels.",
                field="pixels",
            )
