"""Planes as bits: comparing them, and laying them out as image writers take them."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import as_strided

from overscan.core.plates._frame import Part, Plane


def interleaved(part: Part) -> Plane:
    """The part's samples as a C-contiguous ``(height, width, channels)`` array of their one type.

    Planes that are the channels of one such array, in order, give a view of it; others are copied.
    """
    planes = [part.planes[channel.name] for channel in part.header.channels]
    first = planes[0]
    height, width = first.shape
    size, count = first.dtype.itemsize, len(planes)
    strides = (width * count * size, count * size)
    start = first.__array_interface__["data"][0]
    shared = all(
        plane.dtype == first.dtype
        and plane.shape == first.shape
        and plane.strides == strides
        and plane.base is not None
        and plane.base is first.base
        and plane.__array_interface__["data"][0] == start + at * size
        for at, plane in enumerate(planes)
    )
    if shared:
        return as_strided(first, shape=(height, width, count), strides=(*strides, size), writeable=False)
    result = np.empty((height, width, count), first.dtype)
    # Copied as integers, so that no NaN is touched on the way.
    kind = f"u{size}"
    for at, plane in enumerate(planes):
        result.view(kind)[..., at] = plane.view(kind)
    return result


def same_samples(one: Plane, other: Plane) -> bool:
    """Whether two planes agree in type, shape and every bit: NaNs by their payload, and -0 is not 0."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    kind = f"u{one.dtype.itemsize}"
    return bool(np.array_equal(one.view(kind), other.view(kind)))


def same_parts(one: Part, other: Part) -> bool:
    """Whether two parts agree in channels, data window and every bit; quicker than plane by plane."""
    if one.header.channels != other.header.channels or one.header.data_window.shape != other.header.data_window.shape:
        return False
    if len({channel.dtype for channel in one.header.channels}) > 1:
        return all(same_samples(plane, other.planes[name]) for name, plane in one.planes.items())
    return same_samples(interleaved(one), interleaved(other))
