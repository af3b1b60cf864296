"""The Deliver page's half of Project."""

from __future__ import annotations

from typing import Any

from . import _render_jobs, _time
from ._handles import numbered
from ._model import Project, RenderState
from ._render_jobs import Job
from ._session import current

FORMATS = {"EXR": "exr", "TIFF": "tif", "DPX": "dpx", "QuickTime": "mov", "MP4": "mp4", "Wave": "wav"}
# Description -> id. That ids and descriptions differ, and that Wave has none, is measured (api_truth.py); the ids of
# EXR and TIFF have no source: a plugin finds them here by what they mean.
CODECS: dict[str, dict[str, str]] = {
    "exr": {
        "RGB float (no compression)": "RGBFloat",
        "RGB float (ZIP)": "RGBFloatZIP",
        "RGB half (no compression)": "RGBHalf",
        "RGB half (ZIP)": "RGBHalfZIP",
        "RGB half (PIZ)": "RGBHalfPIZ",
        "RGB half (DWAA)": "RGBHalfDWAA",
    },
    "tif": {"RGB 16 bits": "RGB16", "RGB 8 bits": "RGB8", "RGB 16 bits LZW": "RGB16LZW"},
    "dpx": {"RGB 10 bits": "RGB10", "RGB 12 bits": "RGB12", "RGB 16 bits": "RGB16"},
    "mov": {"H.264": "H264", "Apple ProRes 422 HQ": "ProRes422HQ", "Apple ProRes 4444": "ProRes4444"},
    "mp4": {"H.264": "H264", "H.265": "H265"},
    "wav": {},
}
STATUS = {
    "de": {
        "Ready": "Bereit",
        "Rendering": "Wird gerendert",
        "Complete": "Fertig",
        "Failed": "Fehlgeschlagen",
        "Cancelled": "Abgebrochen",
    },
    "it": {
        "Ready": "Pronto",
        "Rendering": "Rendering",
        "Complete": "Concluso",
        "Failed": "Fallito",
        "Cancelled": "Annullato",
    },
    "ja": {
        "Ready": "準備完了",
        "Rendering": "レンダリング中",
        "Complete": "完了",
        "Failed": "失敗",
        "Cancelled": "キャンセル",
    },
}
STOCK_PRESETS = ("H.264 Master", "ProRes 422 HQ", "Audio Only", "YouTube - 1080p")


def stock_presets() -> dict[str, RenderState]:
    """The presets that Resolve comes with; "Audio Only" is the one that ruins a later job of pictures."""
    found = {}
    for name in STOCK_PRESETS:
        state = RenderState()
        state.preset = name
        if name == "Audio Only":
            state.settings.update(ExportVideo=False, ExportAudio=True, SelectAllFrames=True)
        elif name.startswith("ProRes"):
            state.codec = "ProRes422HQ"
        found[name] = state
    return found


class Rendering:
    """Methods that change what the Deliver page holds also go there, and nothing goes back by itself (api_truth)."""

    _thing: Project

    def _go(self) -> RenderState:
        current().app.page = "deliver"
        return self._thing.render

    def GetRenderFormats(self) -> dict[str, str]:
        return dict(FORMATS)

    def GetRenderCodecs(self, form: str) -> dict[str, str]:
        return dict(CODECS.get(form, CODECS.get(FORMATS.get(form, ""), {})))

    def GetRenderResolutions(self, form: str | None = None, codec: str | None = None) -> list[dict[str, int]]:
        return [{"Width": width, "Height": height} for width, height in ((1280, 720), (1920, 1080), (3840, 2160))]

    def GetCurrentRenderFormatAndCodec(self) -> dict[str, str]:
        return {"format": self._thing.render.format, "codec": self._thing.render.codec}

    def SetCurrentRenderFormatAndCodec(self, form: str, codec: str) -> bool:
        state = self._go()
        if codec not in CODECS.get(form, {}).values():
            return False
        state.format, state.codec, state.preset = form, codec, "Custom"
        return True

    def GetCurrentRenderMode(self) -> int:
        return self._go().mode  # a getter that changes the page

    def SetCurrentRenderMode(self, mode: int) -> bool:
        self._go().mode = mode
        return True

    def SetRenderSettings(self, settings: dict[str, Any]) -> bool:
        state = self._go()
        refused = current().faults.refused_settings & set(settings)
        if refused or ("CustomName" in settings and not settings["CustomName"]):
            return False  # all of it, for one key
        if "AlphaMode" in settings and not {**state.settings, **settings}.get("ExportAlpha"):
            return False
        if "ExportSubtitle" in settings and "SubtitleFormat" not in settings:
            return False
        state.settings.update(settings)
        state.preset = "Custom"
        return True

    def GetRenderPresetList(self) -> list[str]:
        return list(current().app.presets)

    def GetRenderPresets(self) -> dict[float, str]:
        return numbered(self.GetRenderPresetList())

    def LoadRenderPreset(self, name: str) -> bool:
        preset = current().app.presets.get(name)
        if preset is None:
            return False
        self._go()
        self._thing.render = preset.copy()
        return True

    def SaveAsNewRenderPreset(self, name: str) -> bool:
        presets, faults = current().app.presets, current().faults
        if not name or name in presets or faults.lost_preset:
            faults.lost_preset = False
            return False
        presets[name] = self._thing.render.copy()
        presets[name].preset = self._thing.render.preset = name
        return True

    def DeleteRenderPreset(self, name: str) -> bool:
        return current().app.presets.pop(name, None) is not None

    def AddRenderJob(self) -> str:
        state, project, faults = self._go(), self._thing, current().faults
        if project.timeline is None or not state.settings.get("TargetDir") or faults.refused_jobs:
            faults.refused_jobs = max(0, faults.refused_jobs - 1)
            return ""
        job = Job(project, project.timeline, state.copy())
        project.jobs.append(job)
        return job.id

    def _job(self, number: str) -> Job | None:
        return next((job for job in self._thing.jobs if job.id == number), None)

    def DeleteRenderJob(self, number: str) -> bool:
        job = self._job(number)
        if job is None or job.status == "Rendering":
            return False
        self._thing.jobs.remove(job)
        return True

    def DeleteAllRenderJobs(self) -> bool:
        if _render_jobs.running(self._thing):
            return False
        self._thing.jobs.clear()
        return True

    def GetRenderJobList(self) -> list[dict[str, Any]]:
        return [described(job) for job in self._thing.jobs]

    def GetRenderJobs(self) -> dict[float, dict[str, Any]]:
        return numbered(self.GetRenderJobList())

    def StartRendering(self, *args: Any) -> bool:
        self._go()
        faults = current().faults
        if args and isinstance(args[0], list):
            wanted = [self._job(number) for number in args[0]]
        elif args and isinstance(args[0], str):
            wanted = [self._job(number) for number in args]
        else:
            wanted = [job for job in self._thing.jobs if job.status == "Ready"]
        if faults.refused_starts or not wanted or None in wanted or _render_jobs.running(self._thing):
            faults.refused_starts = max(0, faults.refused_starts - 1)
            return False
        waiting = [job for job in wanted if job is not None]
        _render_jobs.begin(waiting[0])
        if len(waiting) > 1:
            raise NotImplementedError("the double renders one job at a time: start them one after the other")
        return True

    def StopRendering(self) -> None:
        for job in _render_jobs.running(self._thing):
            _render_jobs.stop(job)

    def IsRenderingInProgress(self) -> bool:
        return bool(_render_jobs.running(self._thing))

    def GetRenderJobStatus(self, number: str) -> Any:
        job = self._job(number)
        if job is None:
            return {}
        status = job.status
        found: dict[str, Any] = {"JobStatus": STATUS.get(current().language, {}).get(status, status)}
        found["CompletionPercentage"] = job.progress()
        if status == "Complete":
            found["TimeTakenToRenderInMs"] = job.took
        elif status == "Rendering":
            found["EstimatedTimeRemainingInMs"] = 1000
        elif status == "Failed":
            found["Error"] = job.error or "Render Job failed"
        return found

    def GetQuickExportRenderPresets(self) -> list[str]:
        return ["H.264", "ProRes"]


def described(job: Job) -> dict[str, Any]:
    """A job as GetRenderJobList has it."""
    settings = job.state.settings
    first, last = job.marks()
    width, height = job.size()
    names = [name for _, name in _render_jobs.file_names(job)]
    return {
        "JobId": job.id,
        "RenderJobName": f"Job {job.number}",
        "TimelineName": job.timeline.name,
        "TargetDir": settings["TargetDir"],
        "IsExportVideo": settings.get("ExportVideo", True),
        "IsExportAudio": settings.get("ExportAudio", True),
        "FormatWidth": width,
        "FormatHeight": height,
        "FrameRate": _time.rate_text(job.timeline.rate),
        "PixelAspectRatio": 1.0,
        "MarkIn": first,
        "MarkOut": last,
        "ExportAlpha": settings.get("ExportAlpha", False),
        "OutputFilename": names[0].rsplit("/", 1)[-1],
        "RenderMode": "Single clip" if job.state.mode == 1 else "Individual clips",
        "PresetName": job.state.preset,
        "VideoFormat": job.state.format,
        "VideoCodec": job.state.codec,
    }
