"""Which channels are the picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from overscan.core.errors import InvalidJobError, UnsupportedImageError
from overscan.core.plates import alpha_plane, colour_planes, find_part, layers, views


@pytest.fixture
def header(make_part):
    """A header with the named channels."""

    def make(*names, **fields):
        return make_part({name: np.zeros((2, 2), np.float16) for name in names}, **fields).header

    return make


@pytest.mark.parametrize(
    ("names", "layer", "expected"),
    [
        (("R", "G", "B", "A"), "", ("R", "G", "B")),
        (("B", "A", "G", "R"), "", ("R", "G", "B")),
        (("r", "g", "b"), "", ("r", "g", "b")),
        (("red", "green", "blue"), "", ("red", "green", "blue")),
        (
            ("R", "G", "B", "Z", "diffuse.R", "diffuse.G", "diffuse.B"),
            "diffuse",
            ("diffuse.R", "diffuse.G", "diffuse.B"),
        ),
        (
            ("R", "G", "B", "diffuse.red", "diffuse.green", "diffuse.blue"),
            "diffuse",
            ("diffuse.red", "diffuse.green", "diffuse.blue"),
        ),
        (("a.b.R", "a.b.G", "a.b.B"), "a.b", ("a.b.R", "a.b.G", "a.b.B")),
        (("Y",), "", ("Y",)),
        (("Y", "A", "Z"), "", ("Y",)),
        (("G",), "", ("G",)),
        (("matte.alpha", "R"), "", ("R",)),
    ],
)
def test_colour_of_a_layer(names, layer, expected, header):
    assert colour_planes(header(*names), layer=layer) == expected


@pytest.mark.parametrize("names", [("A",), ("X", "Y", "Z"), ("Y", "RY", "BY"), ("u", "v"), ("R", "G")])
def test_no_colour(names, header):
    with pytest.raises(UnsupportedImageError, match="no colour"):
        colour_planes(header(*names))


def test_unknown_layers_list_what_there_is(header):
    part = header("R", "G", "B", "key.R", "key.G", "key.B", "P.X", "P.Y", "P.Z")
    assert layers(part) == ("", "key")
    with pytest.raises(InvalidJobError, match="no layer 'fill'") as error:
        colour_planes(part, layer="fill")
    assert "key" in error.value.record.next_step and "P" not in error.value.record.expected
    with pytest.raises(UnsupportedImageError, match="layer 'P'") as unsuited:
        colour_planes(part, layer="P")
    assert "'key'" in unsuited.value.record.next_step


def test_alpha_belongs_to_its_layer(header):
    part = header("R", "G", "B", "A", "key.R", "key.G", "key.B", "key.alpha", "fill.R", "fill.G", "fill.B")
    assert alpha_plane(part) == "A"
    assert alpha_plane(part, layer="key") == "key.alpha"
    assert alpha_plane(part, layer="fill") is None


def test_views_of_one_part(header):
    names = ("R", "G", "B", "left.R", "left.G", "left.B", "left.A", "key.left.R", "key.left.G", "key.left.B")
    part = header(*names, "key.right.R", "key.right.G", "key.right.B", attributes={"multiView": ("right", "left")})
    assert views(part) == ("right", "left")
    assert colour_planes(part) == ("R", "G", "B")
    assert colour_planes(part, view="left") == ("left.R", "left.G", "left.B")
    assert alpha_plane(part, view="left") == "left.A"
    assert colour_planes(part, layer="key") == ("key.right.R", "key.right.G", "key.right.B")
    assert colour_planes(part, layer="key", view="left") == ("key.left.R", "key.left.G", "key.left.B")
    assert find_part([part], view="left") is part
    with pytest.raises(InvalidJobError, match="no view 'centre'"):
        colour_planes(part, view="centre")
    with pytest.raises(InvalidJobError, match="no view 'centre'"):
        find_part([part], view="centre")


def test_find_part_takes_a_picture_before_a_depth(header):
    depth, grey = header("Z", name="depth"), header("Y", name="grey")
    colour = header("R", "G", "B", name="beauty")
    assert find_part([depth, grey, colour]) is colour
    assert find_part([depth, grey]) is grey
    assert find_part([depth]) is depth
    assert find_part([depth, colour], part="depth") is depth
    with pytest.raises(InvalidJobError, match="no part 'matte'") as error:
        find_part([depth, colour], part="matte")
    assert "depth, beauty" in error.value.record.next_step


def test_find_part_by_view_and_layer(header):
    left = header("R", "G", "B", name="rgba.left", view="left")
    right = header("R", "G", "B", "key.R", "key.G", "key.B", name="rgba.right", view="right")
    assert find_part([left, right], view="right") is right
    assert find_part([left, right], layer="key") is right
    with pytest.raises(InvalidJobError, match="no layer 'key'"):
        find_part([left, right], view="left", layer="key")


def test_parts_that_are_layers(header):
    beauty, key = header("R", "G", "B", name="beauty"), header("R", "G", "B", name="key")
    assert find_part([beauty, key], layer="key") is key
    assert colour_planes(key, layer="key") == ("R", "G", "B")


def test_no_picture_anywhere(header):
    with pytest.raises(UnsupportedImageError):
        find_part([header("u", "v"), replace(header("A"), index=1)])
