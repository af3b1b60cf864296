"""What a Resolve holds: projects, bins, media, timelines, items. The API's objects (elsewhere) are handles on these."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Iterator

from ._session import current


class Thing:
    """Something with an identity, which is gone once its owner is."""

    def __init__(self, owner: Thing | None) -> None:
        self.id = current().new_id()
        self.owner = owner
        self.gone = False

    def is_there(self) -> bool:
        """Whether a handle on it still answers."""
        return not self.gone and (self.owner is None or self.owner.is_there())


class Marked(Thing):
    """A thing that markers, flags and a colour can be put on."""

    def __init__(self, owner: Thing | None) -> None:
        super().__init__(owner)
        self.markers: dict[float, dict[str, Any]] = {}
        self.flags: list[str] = []
        self.color = ""
        self.marks: dict[str, tuple[int, int]] = {}


class Media(Marked):
    """A clip of the media pool."""

    def __init__(self, owner: Bin, kind: str, name: str) -> None:
        super().__init__(owner.project)
        self.bin: Bin | None = owner
        self.kind = kind  # sequence, still, movie, audio, timeline, compound, multicam, fusion
        self.name = name
        self.path = ""  # of a sequence with %04d
        self.first = 0  # number of the first file
        self.length = 0  # frames
        self.missing: set[int] = set()  # numbers without a file
        self.rate = Fraction(24)
        self.drop = False
        self.start = 0  # of the timecode, in frames
        self.size = (0, 0)
        self.channels: list[str] = []
        self.sound = False
        self.properties: dict[str, Any] = {}  # that were set
        self.metadata: dict[str, str] = {}
        self.third_party: dict[str, str] = {}
        self.mattes: list[str] = []
        self.timeline: Timeline | None = None  # of a nested timeline, a compound or Fusion clip

    @property
    def is_file(self) -> bool:
        """Whether it is files on disk."""
        return self.kind in {"sequence", "still", "movie", "audio"}

    def file_of(self, frame: int) -> str:
        """The file of a frame counted from 0."""
        return self.path % (self.first + frame) if self.kind == "sequence" else self.path


class Bin(Thing):
    """A folder of the media pool."""

    def __init__(self, project: Project, name: str, parent: Bin | None) -> None:
        super().__init__(project)
        self.project = project
        self.name = name
        self.parent = parent
        self.bins: list[Bin] = []
        self.clips: list[Media] = []
        self.timeline_mattes: list[Media] = []

    def all_clips(self) -> Iterator[Media]:
        """Its clips and those of the bins in it."""
        yield from self.clips
        for inner in self.bins:
            yield from inner.all_clips()


class Take:
    """One take of a take selector."""

    def __init__(self, media: Media, first: Fraction, end: Fraction) -> None:
        self.media = media
        self.first = first  # position of the first frame in the media
        self.end = end  # one past the last


class Item(Marked):
    """A clip, generator, title, transition … on a track."""

    def __init__(self, track: Track, kind: str, name: str, *, start: int, duration: int) -> None:
        super().__init__(track.timeline)
        self.track = track
        self.kind = kind  # clip, generator, title, fusion, adjustment, transition, subtitle
        self.name = name
        self.start = start
        self.duration = duration
        self.media: Media | None = None
        self.source_in = Fraction(0)  # in frames of the media; going backwards, one past the frame shown first
        self.speed = Fraction(1)  # negative: backwards; 0: freeze
        self.ramp: list[tuple[int, Fraction]] | None = None  # record frames and speed of each part
        self.unknown_source = False  # GetSourceStart/EndFrame say 0 and 0, as after an import of XML
        self.enabled = True
        self.properties: dict[str, Any] = {}
        self.takes: list[Take] = []
        self.take = 0
        self.linked: list[Item] = []
        self.comps: list[Any] = []
        self.gain = 1.0  # the grade
        self.window: tuple[float, float, float, float] | None = (
            None  # left, bottom, right, top in 0..1: the alpha output
        )
        self.nodes = [{"label": "", "enabled": True, "lut": ""}]
        self.versions: dict[int, list[str]] = {0: ["Version 1"], 1: []}
        self.version = ("Version 1", 0)
        self.group: Any = None

    @property
    def end(self) -> int:
        """The record frame after its last."""
        return self.start + self.duration


class Track:
    """A track, whose number is its place in the timeline's list."""

    def __init__(self, timeline: Timeline, kind: str, name: str, subtype: str = "") -> None:
        self.timeline = timeline
        self.kind = kind
        self.name = name
        self.subtype = subtype
        self.enabled = True
        self.locked = False
        self.items: list[Item] = []

    @property
    def number(self) -> int:
        """Its number, from 1."""
        return self.timeline.tracks[self.kind].index(self) + 1


class Timeline(Marked):
    """A timeline, also one inside a compound clip."""

    def __init__(self, project: Project, name: str, *, rate: Fraction, drop: bool, start: int) -> None:
        super().__init__(project)
        self.project = project
        self.name = name
        self.rate = rate
        self.drop = drop
        self.start = start
        self.settings: dict[str, str] = {}
        self.tracks: dict[str, list[Track]] = {"video": [], "audio": [], "subtitle": []}
        self.playhead = start
        self.media: Media | None = None

    def add_track(self, kind: str, subtype: str = "", place: int | None = None) -> Track:
        """A new track, on top or at a place."""
        word = {"video": "Video", "audio": "Audio", "subtitle": "Subtitle"}[kind]
        track = Track(self, kind, f"{word} {len(self.tracks[kind]) + 1}", subtype)
        self.tracks[kind].insert(len(self.tracks[kind]) if place is None else place, track)
        return track

    def items(self, kind: str = "video") -> Iterator[Item]:
        """All items of one kind of track, bottom track first."""
        for track in self.tracks[kind]:
            yield from track.items

    @property
    def end(self) -> int:
        """The frame after the last item's last."""
        return max([self.start, *(item.end for kind in self.tracks for item in self.items(kind))])

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        held = {**self.project.settings, **self.settings}
        return int(held["timelineResolutionWidth"]), int(held["timelineResolutionHeight"])


SETTINGS = {
    "timelineResolutionWidth": "1920",
    "timelineResolutionHeight": "1080",
    "timelineFrameRate": "24",
    "timelinePixelAspectRatio": "square",
    "timelineDropFrameTimecode": "0",
    "timelineInputResMismatchBehavior": "scaleToFit",
    "timelineOutputResMatchTimelineRes": "1",
    "timelineOutputResolutionWidth": "1920",
    "timelineOutputResolutionHeight": "1080",
    "imageRetimeInterpolation": "nearest",
    "colorScienceMode": "davinciYRGBColorManagedv2",
    "isAutoColorManage": "0",
    "separateColorSpaceAndGamma": "0",
    "colorSpaceInput": "Linear",
    "colorSpaceTimeline": "DaVinci WG/Intermediate",
    "colorSpaceOutput": "Rec.709 Gamma 2.4",
    "colorAcesIDT": "",
    "colorAcesODT": "",
    "nodeStackLayers": "1",
    "superScale": "1",
    "useCustomSettings": "0",
    "perfProxyMediaMode": "1",
}
"""The project settings that the double knows; the names and values are those of the typed API of Resolve 21.1."""


class RenderState:
    """What the Deliver page holds, and a render preset keeps."""

    def __init__(self) -> None:
        self.format = "mov"
        self.codec = "H264"
        self.mode = 1
        self.settings: dict[str, Any] = {"SelectAllFrames": True, "ExportVideo": True, "ExportAudio": True}
        self.preset = "Custom"

    def copy(self) -> RenderState:
        """A state of its own."""
        other = RenderState()
        other.format, other.codec, other.mode, other.preset = self.format, self.codec, self.mode, self.preset
        other.settings = dict(self.settings)
        return other

    def described(self) -> dict[str, Any]:
        """For snapshots and job lists."""
        return {"format": self.format, "codec": self.codec, "mode": self.mode, "settings": dict(self.settings)}


class Project(Thing):
    """A project."""

    def __init__(self, name: str) -> None:
        super().__init__(None)
        self.name = name
        self.open = False
        self.locked = False  # another user has it: nothing can be changed
        self.settings = dict(SETTINGS)
        self.root = Bin(self, "Master", None)
        self.bin = self.root
        self.selected: list[Media] = []
        self.timelines: list[Timeline] = []
        self.timeline: Timeline | None = None
        self.render = RenderState()
        self.jobs: list[Any] = []
        self.groups: list[Any] = []
        self.albums: list[Any] = []
        self.saved = 0

    def is_there(self) -> bool:
        """Only while it is the one that is open."""
        return self.open and not self.gone

    def all_bins(self) -> Iterator[Bin]:
        """The root and every bin below it."""
        waiting = [self.root]
        while waiting:
            held = waiting.pop(0)
            yield held
            waiting = held.bins + waiting


class App(Thing):
    """The application."""

    def __init__(self) -> None:
        super().__init__(None)
        self.projects: list[Project] = []
        self.project: Project | None = None
        self.page = "edit"
        self.presets: dict[str, RenderState] = {}
        self.keyframe_mode = 0
        self.layouts: list[str] = []

    def open_project(self, project: Project | None) -> None:
        """Make it the current one; handles on what is in the other one go stale."""
        if self.project is not None:
            self.project.open = False
        self.project = project
        if project is not None:
            project.open = True
