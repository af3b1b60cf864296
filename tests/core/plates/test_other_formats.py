"""DPX, PNG, TIFF and JPEG: code values as the file has them, and out again only without loss."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import OpenImageIO as oiio
import pytest

from overscan.core.errors import InvalidJobError, UnsupportedImageError
from overscan.core.geometry import Window
from overscan.core.plates import read_frame, read_header, same_samples, write_frame


def _bare_write(path, samples, kind, **attributes):
    height, width, count = samples.shape
    spec = oiio.ImageSpec(width, height, count, kind)
    for name, value in attributes.items():
        spec.attribute(name.replace("__", ":"), value)
    out = oiio.ImageOutput.create(str(path))
    assert out and out.open(str(path), spec), oiio.geterror()
    assert out.write_image(np.ascontiguousarray(samples))
    assert out.close()


@pytest.mark.parametrize("bits", [10, 12])
def test_dpx_codes_are_the_files_own(bits, rng, tmp_path):
    height, width = 33, 31
    codes = rng.integers(0, 2**bits, (height, width, 3)).astype(np.uint16)
    codes[0, :2] = [[0, 0, 0], [2**bits - 1] * 3]
    stretched = (codes << (16 - bits)) | (codes >> (2 * bits - 16))
    _bare_write(tmp_path / "scan.dpx", stretched, oiio.UINT16, oiio__BitsPerSample=bits)
    frame = read_frame(tmp_path / "scan.dpx", number=1)
    (part,) = frame.parts
    assert (frame.format_name, part.header.bits) == ("dpx", bits)
    assert all(np.array_equal(part.planes[name], codes[..., at]) for at, name in enumerate("RGB"))
    write_frame(frame, path=tmp_path / "out.dpx", overwrite=False)
    again = read_frame(tmp_path / "out.dpx", number=1).parts[0]
    assert again.header.bits == bits
    assert all(same_samples(again.planes[name], part.planes[name]) for name in "RGB")
    # What is stored is the same, not only what OpenImageIO makes of it.
    assert np.array_equal(_dpx_words(tmp_path / "scan.dpx"), _dpx_words(tmp_path / "out.dpx"))
    assert len(_dpx_words(tmp_path / "out.dpx")) >= height * width


def _dpx_words(path):
    """The 32 bit words behind the header (SMPTE ST 268-1: magic number, then the offset to the image data)."""
    data = path.read_bytes()
    order = {b"SDPX": ">", b"XPDS": "<"}[data[:4]]
    (offset,) = struct.unpack(f"{order}I", data[4:8])
    body = data[offset:]
    return np.frombuffer(body[: len(body) // 4 * 4], f"{order}u4")


@pytest.mark.parametrize("endian", ["little", "big"])
def test_ten_bit_dpx_holds_one_code_in_ten_bits(endian, tmp_path):
    codes = np.arange(1024, dtype=np.uint16).reshape(32, 32)
    samples = np.dstack([codes, 1023 - codes, codes])
    stretched = (samples << 6) | (samples >> 4)
    _bare_write(tmp_path / "a.dpx", stretched, oiio.UINT16, oiio__BitsPerSample=10, oiio__Endian=endian)
    assert (tmp_path / "a.dpx").read_bytes()[:4] == (b"SDPX" if endian == "big" else b"XPDS")
    words = _dpx_words(tmp_path / "a.dpx")[:1024].reshape(32, 32)
    planes = read_frame(tmp_path / "a.dpx", number=1).parts[0].planes
    for name, shift in zip("RGB", (22, 12, 2), strict=True):
        assert np.array_equal(planes[name], (words >> shift) & 0x3FF)


@pytest.mark.parametrize("ending", ["png", "tif", "dpx"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("names", ["Y", "RGB", "RGBA"])
def test_integers_round_trip(names, dtype, ending, make_frame, any_bits, tmp_path):
    path = tmp_path / f"plate.{ending}"
    frame = make_frame(planes={name: any_bits(dtype) for name in names})
    write_frame(frame, path=path, overwrite=False)
    part = read_frame(path, number=1).parts[0]
    assert [channel.name for channel in part.header.channels] == list(names)
    assert all(same_samples(part.planes[name], frame.parts[0].planes[name]) for name in names)
    assert list(tmp_path.iterdir()) == [path]


def test_alpha_is_not_multiplied_in(tmp_path):
    # A straight-alpha file with colour under zero alpha, as key art and mattes have.
    samples = np.zeros((4, 4, 4), np.uint8)
    samples[..., 0], samples[..., 3] = 200, [0, 1, 128, 255]
    for ending in ("png", "tif"):
        _bare_write(tmp_path / f"a.{ending}", samples, oiio.UINT8, oiio__UnassociatedAlpha=1)
        planes = read_frame(tmp_path / f"a.{ending}", number=1).parts[0].planes
        assert (planes["R"] == 200).all()
        assert planes["A"][0].tolist() == [0, 1, 128, 255]


@pytest.mark.parametrize("compression", ["none", "zip", "lzw", "packbits"])
@pytest.mark.parametrize("dtype", [np.float32, np.uint32])
def test_wide_tiff_round_trips_with_its_windows(dtype, compression, make_frame, any_bits, tmp_path):
    display = Window(x=0, y=0, width=120, height=90)
    fields = {"attributes": {"compression": compression}, "x": 5, "y": 6, "display_window": display}
    frame = make_frame(planes={name: any_bits(dtype) for name in "RGB"}, **fields)
    write_frame(frame, path=tmp_path / "plate.tiff", overwrite=False)
    part = read_frame(tmp_path / "plate.tiff", number=1).parts[0]
    assert all(same_samples(part.planes[name], frame.parts[0].planes[name]) for name in "RGB")
    assert part.header.data_window == frame.parts[0].header.data_window
    assert part.header.display_window == display
    assert part.header.attributes["compression"] == compression


@pytest.mark.parametrize("bits", [10, 12])
def test_tiff_codes_of_fewer_bits_round_trip(bits, make_frame, tmp_path):
    codes = np.arange(4096, dtype=np.uint16).reshape(64, 64) >> (12 - bits)
    frame = make_frame(planes={"Y": codes}, bits=bits)
    write_frame(frame, path=tmp_path / "plate.tif", overwrite=False)
    part = read_frame(tmp_path / "plate.tif", number=1).parts[0]
    assert part.header.bits == bits
    assert np.array_equal(part.planes["Y"], codes)


def test_png_metadata_survives(make_frame, any_bits, tmp_path):
    frame = make_frame(planes={"Y": any_bits(np.uint16)}, attributes={"Copyright": "A Studio", "Software": "Scan 1"})
    write_frame(frame, path=tmp_path / "plate.png", overwrite=False)
    attributes = read_header(tmp_path / "plate.png")[0].attributes
    assert (attributes["Copyright"], attributes["Software"]) == ("A Studio", "Scan 1")


def test_dpx_timecode_reaches_an_exr(make_frame, any_bits, tmp_path):
    frame = make_frame(
        planes={name: any_bits(np.uint8) for name in "RGB"},
        attributes={"smpte:TimeCode": (0x01020304, 0)},
        attribute_types={"smpte:TimeCode": "timecode"},
    )
    write_frame(frame, path=tmp_path / "plate.dpx", overwrite=False)
    read = read_frame(tmp_path / "plate.dpx", number=1)
    header = read.parts[0].header
    assert header.attributes["smpte:TimeCode"] == (0x01020304, 0)
    planes = {name: plane.astype(np.float16) for name, plane in read.parts[0].planes.items()}
    channels = tuple(replace(channel, dtype=np.dtype(np.float16)) for channel in header.channels)
    part = replace(read.parts[0], header=replace(header, channels=channels), planes=planes)
    write_frame(replace(read, parts=(part,)), path=tmp_path / "plate.exr", overwrite=False)
    assert read_header(tmp_path / "plate.exr")[0].attributes["smpte:TimeCode"] == (0x01020304, 0)


def test_jpeg_is_read_but_not_written(make_frame, any_bits, rng, tmp_path):
    _bare_write(tmp_path / "a.jpg", rng.integers(0, 256, (40, 50, 3)).astype(np.uint8), oiio.UINT8)
    frame = read_frame(tmp_path / "a.jpg", number=1)
    assert frame.parts[0].planes["G"].shape == (40, 50)
    for name in ("b.jpg", "b.JPEG"):
        with pytest.raises(UnsupportedImageError, match="lossy"):
            write_frame(frame, path=tmp_path / name, overwrite=False)
    write_frame(frame, path=tmp_path / "b.png", overwrite=False)
    again = read_frame(tmp_path / "b.png", number=1)
    assert all(same_samples(again.parts[0].planes[n], frame.parts[0].planes[n]) for n in "RGB")


def test_what_a_format_cannot_hold_is_refused(make_frame, make_part, any_bits, tmp_path):
    byte, half, single = any_bits(np.uint8), any_bits(np.float16), any_bits(np.float32)
    small = make_part({"Y": byte}).header.display_window.grown(left=3)
    refused = {
        "float.png": make_frame(planes={"Y": single}),
        "half.tif": make_frame(planes={"Y": half}),
        "float.dpx": make_frame(planes={"Y": single}),
        "ten.png": make_frame(planes={"Y": any_bits(np.uint16) >> 6}, bits=10),
        "mixed.tif": make_frame(planes={"Y": byte, "Z": single}),
        "window.png": make_frame(planes={"Y": byte}, display_window=small),
        "origin.tif": make_frame(planes={"Y": byte}, x=-3),
        "parts.tif": make_frame(make_part({"Y": byte}, name="a"), make_part({"Y": byte}, name="b")),
        "five.png": make_frame(planes=dict.fromkeys(("R", "G", "B", "A", "Z"), byte)),
        "layer.png": make_frame(planes={f"beauty.{name}": byte for name in "RGB"}),
        "plate.mov": make_frame(planes={"Y": byte}),
        "plate": make_frame(planes={"Y": byte}),
    }
    for name, frame in refused.items():
        with pytest.raises(UnsupportedImageError):
            write_frame(frame, path=tmp_path / name, overwrite=False)
    with pytest.raises(InvalidJobError, match="no parts"):
        write_frame(replace(refused["plate"], parts=()), path=tmp_path / "none.exr", overwrite=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("photometric", "count"), [("separated", 4), ("color separated", 4)])
def test_cmyk_tiff_is_refused(photometric, count, rng, tmp_path):
    samples = rng.integers(0, 256, (8, 8, count)).astype(np.uint8)
    _bare_write(tmp_path / "print.tif", samples, oiio.UINT8, tiff__ColorSpace="CMYK", oiio__RawColor=1)
    data = (tmp_path / "print.tif").read_bytes()
    assert data
    with pytest.raises(UnsupportedImageError, match="CMYK"):
        read_frame(tmp_path / "print.tif", number=1)


def test_signed_and_double_samples_are_refused(rng, tmp_path):
    _bare_write(tmp_path / "double.tif", rng.normal(size=(8, 8, 1)), oiio.DOUBLE)
    with pytest.raises(UnsupportedImageError, match="double"):
        read_header(tmp_path / "double.tif")
