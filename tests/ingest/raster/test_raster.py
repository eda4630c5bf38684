from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from artemis.settings import IngestSettings
from tests.ingest.builders import (
    SETTINGS,
    head,
    head8,
    ingest,
    ingest_one,
    picture_bytes,
    png16,
    png_chunk,
    tiff16,
    tiff_pages,
)

SIGNED = {"tiffinfo": {339: 2}}


def unsigned(pixels: np.ndarray) -> bytes:
    """A TIFF of 32-bit integers without a sign, which Pillow does not write."""
    formats = [struct.pack("<HHIHH", 339, 3, 1, kind, 0) for kind in (2, 1)]
    data = picture_bytes(pixels.view(np.int32), "TIFF")
    assert formats[0] in data
    return data.replace(*formats)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"big_tiff": True}),
    ],
)
def test_lossless_8_bit_pictures_come_out_as_they_are(tmp_path: Path, kind, options) -> None:
    read = ingest_one(tmp_path, "slice.dat", picture_bytes(head8(), kind, **options))
    assert read.row["status"] == "ok"
    assert read.row["format"] == kind.lower()
    np.testing.assert_array_equal(read.pixels, head8())


def test_the_format_comes_from_the_content_and_not_from_the_suffix(tmp_path: Path) -> None:
    assert ingest_one(tmp_path, "scan.dcm", picture_bytes(head8(), "PNG")).row["format"] == "png"


def test_jpeg_is_decoded_in_full(tmp_path: Path) -> None:
    data = picture_bytes(head8(512), "JPEG", quality=95)
    read = ingest_one(tmp_path, "a.jpg", data)
    assert read.pixels.shape == (512, 512)
    np.testing.assert_array_equal(read.pixels, np.asarray(Image.open(io.BytesIO(data))))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_pictures_are_scaled_by_their_robust_range(tmp_path: Path, kind: str) -> None:
    pixels = head(96, 900)
    read = ingest_one(tmp_path, "a", picture_bytes(pixels, kind))
    low, high = np.percentile(pixels, (0.5, 99.5))
    expected = np.rint(np.clip((pixels - low) * 255 / (high - low), 0, 255))
    np.testing.assert_array_equal(read.pixels, expected)


def grey16() -> np.ndarray:
    return head(96, 4000)


@pytest.mark.parametrize(
    "data",
    [
        png16(np.dstack([grey16()] * 3)),
        png16(np.dstack([*[grey16()] * 3, np.full_like(grey16(), 65_535)])),
        png16(np.dstack([grey16(), np.full_like(grey16(), 65_535)])),
        tiff16(np.dstack([grey16()] * 3)),
        tiff16(np.dstack([grey16()] * 3), ">"),
        tiff16(np.dstack([grey16()] * 3), "<", deflated=True),
        tiff16(np.dstack([grey16()] * 3), ">", deflated=True),
        tiff16(np.dstack([*[grey16()] * 3, np.full_like(grey16(), 65_535)]), extra=2),
        tiff16(np.dstack([grey16()] * 4), extra=0),
    ],
)
def test_16_bit_colour_keeps_all_its_bits(tmp_path: Path, data: bytes) -> None:
    expected = ingest_one(tmp_path / "grey", "a.png", picture_bytes(grey16(), "PNG")).pixels
    read = ingest_one(tmp_path / "colour", "a", data)
    assert read.row["reason"] is None
    np.testing.assert_array_equal(read.pixels, expected)


def test_16_bit_transparency_becomes_black(tmp_path: Path) -> None:
    hidden = np.where(grey16() > 0, grey16(), 60_000)
    expected = ingest_one(tmp_path / "grey", "a.png", picture_bytes(grey16(), "PNG")).pixels
    alpha = np.where(grey16() > 0, 65_535, 0)
    colour = png_chunk(b"tRNS", np.full(3, 60_000, ">u2").tobytes())
    for name, data in (
        ("alpha", png16(np.dstack([hidden] * 3 + [alpha]))),
        ("grey and alpha", png16(np.dstack([hidden, alpha]))),
        ("one colour", png16(np.dstack([hidden] * 3), colour)),
    ):
        np.testing.assert_array_equal(ingest_one(tmp_path / name, "a", data).pixels, expected)


def test_a_16_bit_photograph_is_refused(tmp_path: Path) -> None:
    colour = np.dstack([grey16(), np.roll(grey16(), 9, 0), np.roll(grey16(), 20, 1)])
    assert ingest_one(tmp_path, "a.png", png16(colour)).row["reason_code"] == "colour_picture"


@pytest.mark.parametrize(
    ("tags", "what"),
    [
        ({"photometric": 5}, "CMYK"),
        ({"extra": 1}, "premultiplied alpha"),
        ({"extra": 2, "planar": 2}, "a plane for each colour"),
    ],
)
def test_rare_16_bit_colour_is_refused_by_name(tmp_path: Path, tags, what: str) -> None:
    read = ingest_one(tmp_path, "a.tif", tiff16(np.dstack([grey16()] * 4), **tags))
    assert (read.row["status"], read.row["reason_code"]) == ("refused", "unsupported_format")
    assert f"Received one with {what}" in read.row["reason"]


@pytest.mark.parametrize("name", [b"zTXt", b"iTXt"])
@pytest.mark.parametrize("place", ["before", "after"])
def test_a_long_text_does_not_hide_the_picture(tmp_path: Path, name: bytes, place: str) -> None:
    text = zlib.compress(bytes(5_000_000), 1)
    chunk = png_chunk(name, b"Comment\0" + (b"\0" if name == b"zTXt" else b"\1\0\0\0") + text)
    pixels = np.dstack([grey16()] * 3)
    expected = ingest_one(tmp_path / "plain", "a.png", png16(pixels)).pixels
    read = ingest_one(tmp_path / "text", "a.png", png16(pixels, **{place: chunk}))
    assert read.row["reason"] is None
    np.testing.assert_array_equal(read.pixels, expected)


def test_float_tiff_with_nan_is_read(tmp_path: Path) -> None:
    pixels = head(64, 3, np.float32)
    pixels[0, 0] = np.nan
    read = ingest_one(tmp_path, "a.tif", picture_bytes(pixels, "TIFF"))
    assert read.row["status"] == "ok"
    assert read.pixels[0, 0] == 0


def test_white_is_zero_16_bit_tiff_is_inverted(tmp_path: Path) -> None:
    plain = picture_bytes(head(), "TIFF")
    inverted = picture_bytes(65535 - head(), "TIFF", tiffinfo={262: 0})
    first = ingest_one(tmp_path / "a", "a.tif", plain)
    second = ingest_one(tmp_path / "b", "a.tif", inverted)
    np.testing.assert_array_equal(first.pixels, second.pixels)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            picture_bytes((4000 - head()).astype(np.float32), "TIFF", tiffinfo={262: 0}),
            picture_bytes(head().astype(np.float32), "TIFF"),
        ),
        (
            picture_bytes((head8().astype(np.int16) - 128).astype(np.uint8), "TIFF", **SIGNED),
            picture_bytes(head8().astype(np.int32) - 128, "TIFF"),
        ),
        (
            unsigned((head().astype(np.int64) << 20).astype(np.uint32)),
            picture_bytes(head().astype(np.int32), "TIFF"),
        ),
    ],
    ids=["float, white is zero", "signed 8 bits", "unsigned 32 bits"],
)
def test_values_of_a_tiff_are_what_its_tags_say(tmp_path: Path, data, expected) -> None:
    read = ingest_one(tmp_path / "a", "a.tif", data)
    np.testing.assert_array_equal(read.pixels, ingest_one(tmp_path / "b", "b.tif", expected).pixels)


@pytest.mark.parametrize("mode", ["RGB", "P", "RGBA", "LA", "CMYK"])
def test_grey_pictures_in_colour_modes_stay_grey(tmp_path: Path, mode: str) -> None:
    kind = "TIFF" if mode == "CMYK" else "PNG"
    read = ingest_one(tmp_path, "a", picture_bytes(Image.fromarray(head8()).convert(mode), kind))
    assert read.row["status"] == "ok"
    assert np.abs(read.pixels.astype(int) - head8()).max() <= 1


@pytest.mark.parametrize("place", [(0, 0), (255, 300), (511, 511)])
@pytest.mark.parametrize("channel", [0, 1, 2])
def test_one_pixel_of_another_shade_is_weighed_as_colours_are(
    tmp_path: Path, channel: int, place: tuple[int, int]
) -> None:
    colour = np.repeat(head8(512)[..., None], 3, axis=2)
    colour[place][channel] ^= 0x80
    expected = np.asarray(Image.fromarray(colour).convert("L"))
    assert expected[place] != head8(512)[place]
    read = ingest_one(tmp_path, "a", picture_bytes(colour, "PNG"))
    np.testing.assert_array_equal(read.pixels, expected)


def test_transparent_pixels_become_black(tmp_path: Path) -> None:
    pixels = np.dstack([np.full((64, 64), 255, np.uint8), head8()])
    read = ingest_one(tmp_path, "a.png", picture_bytes(Image.fromarray(pixels, "LA"), "PNG"))
    np.testing.assert_array_equal(read.pixels, head8())


@pytest.mark.parametrize("mode", ["L", "RGB", "P"])
def test_a_colour_that_is_transparent_becomes_black(tmp_path: Path, mode: str) -> None:
    picture = Image.fromarray(np.where(head8() > 0, head8(), 255).astype(np.uint8)).convert(mode)
    colour = (255, 255, 255) if mode == "RGB" else 255
    read = ingest_one(tmp_path, "a.png", picture_bytes(picture, "PNG", transparency=colour))
    np.testing.assert_array_equal(read.pixels, head8())


def test_a_bmp_whose_fourth_bytes_are_all_0_is_no_transparent_picture(tmp_path: Path) -> None:
    grey = head8()
    pixels = np.dstack([grey, grey, grey, np.zeros_like(grey)]).tobytes()
    start = b"BM" + struct.pack("<IHHI", 122 + len(pixels), 0, 0, 122)
    header = struct.pack("<IiiHHIIiiII", 108, 64, -64, 1, 32, 3, len(pixels), 0, 0, 0, 0)  # V4
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    read = ingest_one(tmp_path, "a.bmp", start + header + masks + bytes(52) + pixels)
    np.testing.assert_array_equal(read.pixels, grey)


def test_a_16_bit_grey_that_is_transparent_becomes_black(tmp_path: Path) -> None:
    picture = np.where(grey16() > 0, grey16(), 60_000)
    expected = ingest_one(tmp_path / "plain", "a.png", picture_bytes(grey16(), "PNG")).pixels
    data = picture_bytes(picture, "PNG", transparency=60_000)
    np.testing.assert_array_equal(ingest_one(tmp_path / "b", "a.png", data).pixels, expected)


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned clockwise
    read = ingest_one(tmp_path, "a.png", picture_bytes(head8()[:, :50], "PNG", exif=exif))
    np.testing.assert_array_equal(read.pixels, np.rot90(head8()[:, :50], -1))


def test_orientation_of_tiff_is_applied_once(tmp_path: Path) -> None:
    data = picture_bytes(head8()[:, :50], "TIFF", tiffinfo={0x0112: 6})
    read = ingest_one(tmp_path, "a.tif", data)
    np.testing.assert_array_equal(read.pixels, np.rot90(head8()[:, :50], -1))


def test_pages_of_a_tiff_are_frames(tmp_path: Path) -> None:
    pages = [Image.fromarray(np.roll(head8(), shift, 0)) for shift in range(3)]
    data = picture_bytes(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    (tmp_path / "a.tif").write_bytes(data)
    read = ingest(tmp_path)
    assert [one.row["frame"] for one in read] == [0, 1, 2]
    assert [one.row["status"] for one in read] == ["ok"] * 3
    for one, page in zip(read, pages, strict=True):
        np.testing.assert_array_equal(one.pixels, np.asarray(page))


def test_a_bad_page_fails_alone(tmp_path: Path) -> None:
    pages = [Image.fromarray(head8())] * 3
    data = bytearray(
        picture_bytes(
            pages[0], "TIFF", save_all=True, append_images=pages[1:], compression="tiff_lzw"
        )
    )
    with Image.open(io.BytesIO(bytes(data))) as image:
        image.seek(1)
        start = image.tag_v2[273][0]
    data[start : start + 40] = b"\xff" * 40
    (tmp_path / "a.tif").write_bytes(data)
    assert [one.row["status"] for one in ingest(tmp_path)] == ["ok", "failed", "ok"]


def test_a_broken_chain_of_pages_is_a_failed_row(tmp_path: Path) -> None:
    pages = [Image.fromarray(head8())] * 2
    whole = picture_bytes(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    with Image.open(io.BytesIO(whole)) as image:
        image.seek(1)
        second = image._frame_pos[1]
    (tmp_path / "a.tif").write_bytes(whole[: second + 5])
    assert [one.row["status"] for one in ingest(tmp_path)] == ["ok", "failed"]


def test_pages_after_one_that_cannot_be_read_are_not_lost(tmp_path: Path) -> None:
    pages = [head8(), head8().astype(np.float64), np.roll(head8(), 3, 0), np.roll(head8(), 5, 1)]
    (tmp_path / "a.tif").write_bytes(tiff_pages(pages))
    read = ingest(tmp_path)
    assert [one.row["status"] for one in read] == ["ok", "failed", "ok", "ok"]
    np.testing.assert_array_equal(read[3].pixels, pages[3])
    (tmp_path / "a.tif").write_bytes(tiff_pages(pages[:2]))
    assert [one.row["status"] for one in ingest(tmp_path)] == ["ok", "failed"]


def test_a_photograph_is_refused(tmp_path: Path) -> None:
    colour = np.dstack([head8(), np.roll(head8(), 9, 0), np.roll(head8(), 20, 1)])
    read = ingest_one(tmp_path, "cat.jpg", picture_bytes(colour, "JPEG"))
    assert (read.row["status"], read.row["reason_code"]) == ("refused", "colour_picture")
    assert read.row["reason"].startswith("cat.jpg: expected a grey picture")
    assert read.pixels is None
    assert (read.row["width"], read.row["height"]) == (64, 64)


def test_a_few_coloured_pixels_are_no_photograph(tmp_path: Path) -> None:
    colour = np.dstack([head8()] * 3)
    colour[:4, :20] = (255, 0, 0)  # a marker in the corner, 2 % of the picture
    assert ingest_one(tmp_path, "a.png", picture_bytes(colour, "PNG")).row["status"] == "ok"


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        (head8(40), "too_small"),
        (np.full((64, 64), 90, np.uint8), "blank"),
        (np.where(np.arange(64 * 64).reshape(64, 64) < 100, 200, 0).astype(np.uint8), "blank"),
        ((head8() > 100).astype(np.uint8) * 255, "few_grey_levels"),
        (head8() > 100, "few_grey_levels"),
    ],
)
def test_pictures_without_a_slice_are_refused(tmp_path: Path, pixels, reason: str) -> None:
    read = ingest_one(tmp_path, "a.png", picture_bytes(pixels, "PNG"))
    assert (read.row["status"], read.row["reason_code"]) == ("refused", reason)


def test_a_faint_slice_passes(tmp_path: Path) -> None:
    faint = (head8().astype(int) * 30 // 255).astype(np.uint8)
    assert ingest_one(tmp_path, "a.png", picture_bytes(faint, "PNG")).row["status"] == "ok"


def test_too_many_pixels_are_refused_before_decoding(tmp_path: Path) -> None:
    settings = IngestSettings(max_pixels=1000)
    read = ingest_one(tmp_path, "a.png", picture_bytes(head8(), "PNG"), settings)
    assert read.row["reason_code"] == "too_large"
    assert "Received 64 x 64" in read.row["reason"]


def test_a_decompression_bomb_is_refused(tmp_path: Path) -> None:
    bomb = picture_bytes(Image.new("1", (20_000, 20_000)), "PNG")
    assert ingest_one(tmp_path, "a.png", bomb).row["reason_code"] == "too_large"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF"])
def test_a_truncated_picture_becomes_a_failed_row(tmp_path: Path, kind: str) -> None:
    data = picture_bytes(head8(), kind)
    read = ingest_one(tmp_path, "a", data[: len(data) * 2 // 3])
    assert read.row["status"] == "failed"
    assert read.row["reason_code"] in ("truncated", "undecodable")


@pytest.mark.parametrize(("kind", "name"), [("GIF", "GIF"), ("WEBP", "WebP"), ("PPM", "PNM")])
def test_other_picture_formats_are_refused_by_name(tmp_path: Path, kind: str, name: str) -> None:
    read = ingest_one(tmp_path, "a.png", picture_bytes(head8(), kind))
    assert (read.row["status"], read.row["reason_code"]) == ("refused", "unsupported_format")
    assert f"Received {name}" in read.row["reason"]


@pytest.mark.parametrize(
    ("data", "status", "reason", "received"),
    [
        (tiff_pages([head8() / 7.0]), "refused", "unsupported_format", "1 x 64-bit floats"),
        (tiff_pages([head8().astype("<u8")]), "refused", "unsupported_format", "1 x 64-bit whole"),
        (
            tiff16(np.zeros((64, 64, 3)), photometric=1),
            "refused",
            "unsupported_format",
            "3 x 16-bit whole",
        ),
        (tiff_pages([head8()])[:-160], "failed", "truncated", "ends before its directory"),
        (picture_bytes(head8(), "TIFF")[:2000], "failed", "truncated", "data that end too early"),
        (b"II*\0" + b"\xff" * 4, "failed", "truncated", "ends before its directory"),
        (b"MM\0+\0\x08\0\0" + bytes(99), "refused", "unsupported_format", "BigTIFF in big-endian"),
    ],
)
def test_a_tiff_that_is_not_read_says_why(
    tmp_path: Path, data: bytes, status: str, reason: str, received: str
) -> None:
    row = ingest_one(tmp_path, "a.tif", data).row
    assert (row["status"], row["reason_code"]) == (status, reason)
    assert received in row["reason"]


def test_too_many_pages_are_one_refused_row(tmp_path: Path) -> None:
    pages = [Image.fromarray(head8())] * 4
    data = picture_bytes(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    settings = SETTINGS.model_copy(update={"max_frames": 3})
    assert ingest_one(tmp_path, "a.tif", data, settings).row["reason_code"] == "too_many_frames"


@pytest.mark.parametrize(
    ("allowed", "most"), [(64_000_000, "64,000,000"), (400_000_000, "178,956,970")]
)
def test_a_picture_beyond_pillows_own_limit_names_the_limit_that_holds(
    tmp_path: Path, allowed: int, most: str
) -> None:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", 14_000, 14_000, 8, 0, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", zlib.compress(bytes(100)))
    settings = IngestSettings(max_pixels=allowed)
    row = ingest_one(tmp_path, "a.png", data, settings).row
    assert row["reason_code"] == "too_large"
    assert row["reason"].startswith(f"a.png: expected at most {most} pixels. Received more. ")
