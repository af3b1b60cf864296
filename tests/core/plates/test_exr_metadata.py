"""EXR metadata is handed on byte for byte, including what OpenImageIO renames, alters or does not know."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import pytest

from overscan.core.errors import UnreadableImageError
from overscan.core.plates import ExrAttribute, read_frame, read_header, with_text, write_frame

pack = struct.pack
ATTRIBUTES = [
    ("timeCode", "timecode", pack("<2I", 0x01020304, 7)),
    ("keyCode", "keycode", pack("<7i", 1, 2, 3, 4, 5, 6, 7)),
    ("framesPerSecond", "rational", pack("<iI", 24000, 1001)),
    ("chromaticities", "chromaticities", pack("<8f", *(n / 8 for n in range(8)))),
    ("adoptedNeutral", "v2f", pack("<2f", 0.32, 0.33)),
    ("owner", "string", b"A Studio"),
    ("comments", "string", b"two\nlines"),
    ("capDate", "string", b"2020:01:01 10:11:12"),
    ("latin1", "string", b"caf\xe9"),
    ("utf8", "string", "naïve ✓".encode()),
    ("empty", "string", b""),
    ("names", "stringvector", pack("<i", 2) + b"ab" + pack("<i", 3) + b"cde"),
    ("curve", "floatvector", pack("<3f", 1, 2, 3)),
    ("box", "box2i", pack("<4i", 1, 2, 3, 4)),
    ("boxf", "box2f", pack("<4f", 1, 2, 3, 4)),
    ("worldToCamera", "m44f", pack("<16f", *range(16))),
    ("m33", "m33d", pack("<9d", *range(9))),
    ("v3", "v3d", pack("<3d", 1, 2, 3)),
    ("wide", "double", pack("<d", 1 / 3)),
    ("count", "int", pack("<i", -5)),
    ("screenWindowCenter", "v2f", pack("<2f", 0.25, -0.5)),
    ("screenWindowWidth", "float", pack("<f", 1.5)),
    ("preview", "preview", pack("<2I", 2, 2) + bytes(range(16))),
    ("envmap", "envmap", b"\0"),
    ("spare_tiles", "tiledesc", pack("<2IB", 32, 32, 0)),
    ("spare_order", "lineOrder", b"\1"),
    ("spare_method", "compression", b"\3"),
    ("studio", "studio:opaque", b"\x00\xff\x01"),
    ("acesImageContainerFlag", "int", pack("<i", 1)),
    ("version", "string", b"v007"),
    ("nuke/version", "string", b"15.1v2"),
    ("camera.lens", "string", b"50 mm"),
    ("a_name_that_is_longer_than_thirty_one_bytes", "string", b"long"),
    ("manifest", "string", b"{" + b'"object": "00ff00ff", ' * 20000 + b"}"),
]


@pytest.fixture
def described(make_frame, any_bits, inject, tmp_path):
    """A file with every kind of attribute, and the frame it was made from."""
    path = tmp_path / "described.exr"
    frame = make_frame(planes={name: any_bits(np.float16) for name in "RGB"})
    write_frame(frame, path=path, overwrite=False)
    frame = read_frame(path, number=1)
    part = frame.parts[0]
    plain = replace(part.header, exr_attributes=())
    write_frame(replace(frame, parts=(replace(part, header=plain),)), path=path, overwrite=True)
    defaults = {"screenWindowCenter", "screenWindowWidth"}
    inject(path, [entry for entry in ATTRIBUTES if entry[0] not in defaults])
    return path


def test_every_attribute_is_kept_byte_for_byte(described, raw_headers, tmp_path):
    frame = read_frame(described, number=1)
    out = tmp_path / "out.exr"
    write_frame(frame, path=out, overwrite=False)
    (before,), (after,) = raw_headers(described), raw_headers(out)
    assert before == after
    assert len(before) >= len(ATTRIBUTES) + 5
    write_frame(read_frame(out, number=1), path=described, overwrite=True)
    assert described.read_bytes() == out.read_bytes()


def test_attributes_go_to_their_own_part(make_frame, make_part, any_bits, raw_headers, tmp_path):
    frame = make_frame(
        make_part({"Y": any_bits(np.float16)}, name="a", exr_attributes=(_text("note", "first"), *_given())),
        make_part({"Y": any_bits(np.float16)}, name="b", view="left", exr_attributes=(_text("note", "second"),)),
        make_part({"Y": any_bits(np.float16)}, name="c", attributes={"comment": "third"}),
    )
    write_frame(frame, path=tmp_path / "three.exr", overwrite=False)
    first, second, third = raw_headers(tmp_path / "three.exr")
    assert (first["note"], second["note"]) == (("string", b"first"), ("string", b"second"))
    assert {name: first[name] for name, *_ in ATTRIBUTES} == {name: (kind, data) for name, kind, data in ATTRIBUTES}
    assert second["view"] == ("string", b"left") and "view" not in first
    # What all parts of a file must share comes to the part that was made here.
    assert third["timeCode"] == first["timeCode"] and third["chromaticities"] == first["chromaticities"]
    assert third["comment"] == ("string", b"third")
    assert "capDate" not in third
    assert [header["name"][1] for header in (first, second, third)] == [b"a", b"b", b"c"]
    assert read_header(tmp_path / "three.exr")[1].view == "left"


def test_text_can_be_set_and_replaced(described, raw_headers, tmp_path):
    frame = read_frame(described, number=1)
    (part,) = frame.parts
    header = with_text(with_text(part.header, name="owner", text="Ünbekannt"), name="overscan/job", text="j-1")
    write_frame(replace(frame, parts=(replace(part, header=header),)), path=tmp_path / "out.exr", overwrite=False)
    (before,), (after,) = raw_headers(described), raw_headers(tmp_path / "out.exr")
    assert after.pop("overscan/job") == ("string", b"j-1")
    assert after.pop("owner") == ("string", "Ünbekannt".encode())
    assert before.pop("owner") and before == after
    assert read_header(tmp_path / "out.exr")[0].attributes["overscan/job"] == "j-1"


def test_openimageio_sees_the_usual_names(described):
    attributes = read_header(described)[0].attributes
    assert attributes["Copyright"] == "A Studio"
    assert attributes["smpte:TimeCode"] == (0x01020304, 7)
    assert attributes["chromaticities"] == tuple(n / 8 for n in range(8))


def test_writing_adds_nothing_that_changes_from_run_to_run(make_frame, any_bits, raw_headers, tmp_path):
    write_frame(make_frame(planes={"Y": any_bits(np.float16)}), path=tmp_path / "plate.exr", overwrite=False)
    (header,) = raw_headers(tmp_path / "plate.exr")
    required = {"channels", "compression", "dataWindow", "displayWindow", "lineOrder", "pixelAspectRatio"}
    assert set(header) == required | {"screenWindowCenter", "screenWindowWidth"}


def test_metadata_of_other_formats_is_translated(make_frame, any_bits, raw_headers, tmp_path):
    frame = make_frame(
        planes={"Y": any_bits(np.float16)},
        attributes={
            "smpte:TimeCode": (0x01020304, 0),
            "Copyright": "A Studio",
            "DateTime": "2020:01:01 10:11:12",
        },
        attribute_types={"smpte:TimeCode": "timecode"},
    )
    write_frame(frame, path=tmp_path / "plate.exr", overwrite=False)
    (header,) = raw_headers(tmp_path / "plate.exr")
    assert header["timeCode"] == ("timecode", pack("<2I", 0x01020304, 0))
    assert header["owner"] == ("string", b"A Studio")
    assert header["capDate"] == ("string", b"2020:01:01 10:11:12")


def test_an_attribute_twice_is_damage(make_frame, any_bits, inject, tmp_path):
    path = tmp_path / "plate.exr"
    write_frame(make_frame(planes={"Y": any_bits(np.float16)}), path=path, overwrite=False)
    inject(path, [("note", "string", b"1"), ("note", "string", b"2")])
    with pytest.raises(UnreadableImageError, match="'note' is there twice"):
        read_header(path)


def _text(name: str, text: str) -> ExrAttribute:
    return ExrAttribute(name=name, type="string", data=text.encode())


def _given() -> tuple[ExrAttribute, ...]:
    return tuple(ExrAttribute(name=name, type=kind, data=data) for name, kind, data in ATTRIBUTES)
