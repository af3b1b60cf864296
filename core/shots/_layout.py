"""Where the plate lies in the result, and what is to be filled."""

from __future__ import annotations

from dataclasses import dataclass

from overscan.core.errors import InvalidJobError
from overscan.core.geometry import Window
from overscan.core.jobs import AnyTask, Continue, Extend, Inpaint, Interpolate, Margins
from overscan.core.plates import DEFAULT_LIMITS, PartHeader


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Windows of a job. All but `display_window` are in the plate's pixel space."""

    display_window: Window
    """Format of the result, in the result's pixel space."""
    offset: tuple[int, int]
    """Result position = plate position + offset."""
    region: Window | None
    """What an extension must cover; None for other tasks."""
    overscan: Margins | None = None
    """Margins round each frame's own data window, in place of `region`, where overscan is made."""

    def coverage(self, data_window: Window) -> Window:
        """The result's data window for a frame with this data window: everything that is plate or asked for."""
        if self.overscan is not None:
            grown = self.overscan
            return data_window.grown(left=grown.left, right=grown.right, top=grown.top, bottom=grown.bottom)
        return data_window if self.region is None else data_window.union(self.region)

    def in_result(self, window: Window) -> Window:
        """A window of the plate's pixel space, in the result's."""
        return window.moved(*self.offset)


def lay_out(*, task: AnyTask, header: PartHeader) -> Layout:
    """Lay a task out for a plate with this header; raises `InvalidJobError` where the task makes no sense."""
    plate = header.display_window
    if isinstance(task, Inpaint | Continue | Interpolate):
        return Layout(display_window=plate, offset=(0, 0), region=None)
    if not isinstance(task, Extend):
        raise InvalidJobError(f"{type(task).__name__} has no layout on a plate.", field="task")
    if (task.size is not None) + (task.margins is not None) + (task.overscan is not None) != 1:
        raise InvalidJobError(
            "an extension needs exactly one of a format, margins or overscan.",
            next_step="Give --format WxH, or --margins L,R,T,B, or --overscan L,R,T,B.",
            field="extend",
        )
    if task.overscan is not None:
        sides = (task.overscan.left, task.overscan.right, task.overscan.top, task.overscan.bottom)
        if min(sides) < 0 or max(sides) == 0:
            raise InvalidJobError(
                f"overscan of {sides} (left, right, top, bottom) adds nothing or takes away.",
                next_step="Give the samples to add on each side, 0 or more.",
                field="extend.overscan",
            )
        return _within_limits(Layout(display_window=plate, offset=(0, 0), region=None, overscan=task.overscan), header)
    if task.margins is not None:
        display, offset = _with_margins(plate, task.margins)
    else:
        assert task.size is not None
        display, offset = _in_format(plate, task.size, task.place)
    region = display.moved(-offset[0], -offset[1])
    if region.intersection(plate) is None:
        raise InvalidJobError(
            f"the plate's format {plate} lies wholly outside the new one, which is {region} in the plate's pixels.",
            next_step="Place the plate so that some of it is inside.",
            field="extend",
            expected=f"a window that meets {plate}",
            actual=str(region),
        )
    return _within_limits(Layout(display_window=display, offset=offset, region=region), header)


def _within_limits(layout: Layout, header: PartHeader) -> Layout:
    """`layout`, or `InvalidJobError` where the result would be larger than what Overscan itself reads."""
    window, limits = layout.coverage(header.data_window), DEFAULT_LIMITS
    if max(window.shape) > limits.side or window.width * window.height > limits.pixels:
        raise InvalidJobError(
            f"the result would have {window.width}x{window.height} samples.",
            next_step=f"Ask for less: at most {limits.pixels} pixels, and {limits.side} on a side.",
            field="extend",
            expected=f"at most {limits.pixels} pixels",
            actual=f"{window.width}x{window.height}",
        )
    return layout


def _with_margins(plate: Window, margins: Margins) -> tuple[Window, tuple[int, int]]:
    width = plate.width + margins.left + margins.right
    height = plate.height + margins.top + margins.bottom
    if width < 1 or height < 1:
        raise InvalidJobError(
            f"the margins leave a format of {width}x{height}.",
            next_step="Crop less.",
            field="extend.margins",
            actual=f"{width}x{height}",
        )
    return Window(x=plate.x, y=plate.y, width=width, height=height), (margins.left, margins.top)


def _in_format(plate: Window, size: tuple[int, int], place: tuple[int, int] | None) -> tuple[Window, tuple[int, int]]:
    width, height = size
    if width < 1 or height < 1:
        raise InvalidJobError(
            f"a format of {width}x{height} has no samples.",
            next_step="Give a width and a height of at least 1.",
            field="extend.format.size",
            actual=f"{width}x{height}",
        )
    if place is None:
        place = ((width - plate.width) // 2, (height - plate.height) // 2)
    return Window(x=0, y=0, width=width, height=height), (place[0] - plate.x, place[1] - plate.y)
