from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    RLELossless,
)

from tests.ingest.builders import (
    CORONAL,
    ENHANCED_MR,
    LEGACY_ENHANCED_MR,
    SAGITTAL,
    SETTINGS,
    TRANSVERSE,
    dicom_bytes,
    encapsulated,
    head,
    head8,
    ingest,
    ingest_one,
    item,
    lossless_jpeg,
    mr,
    picture_bytes,
    save,
)


def read_one(folder: Path, ds, **options):
    return ingest_one(folder, "IM001", dicom_bytes(ds), **options)


def robust(pixels: np.ndarray) -> np.ndarray:
    low, high = np.percentile(pixels, (0.5, 99.5))
    return np.rint(np.clip((pixels.astype(float) - low) * 255 / (high - low), 0, 255))


def test_without_a_window_the_robust_range_is_used(tmp_path: Path) -> None:
    read = read_one(tmp_path, mr())
    assert read.row["status"] == "ok"
    np.testing.assert_array_equal(read.pixels, robust(head()))


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        # PS3.3 C.11.2.1.2.1: ((x - (c - 0.5)) / (w - 1) + 0.5) of the output range.
        (None, lambda x: np.clip((x - 1999.5) / 1999 + 0.5, 0, 1)),
        ("LINEAR", lambda x: np.clip((x - 1999.5) / 1999 + 0.5, 0, 1)),
        ("LINEAR_EXACT", lambda x: np.clip((x - 2000) / 2000 + 0.5, 0, 1)),
        ("SIGMOID", lambda x: 1 / (1 + np.exp(-4 * (x - 2000) / 2000))),
    ],
)
def test_the_window_is_applied_as_the_standard_says(tmp_path: Path, function, expected) -> None:
    ds = mr(WindowCenter=[2000, 1], WindowWidth=[2000, 1], VOILUTFunction=function)
    read = read_one(tmp_path, ds)
    np.testing.assert_array_equal(read.pixels, np.rint(255 * expected(head().astype(float))))


def test_rescale_comes_before_the_window(tmp_path: Path) -> None:
    ds = mr(RescaleSlope=2, RescaleIntercept=-100, WindowCenter=4000, WindowWidth=6001)
    x = head().astype(float) * 2 - 100
    expected = np.rint(255 * np.clip((x - 3999.5) / 6000 + 0.5, 0, 1))
    np.testing.assert_array_equal(read_one(tmp_path, ds).pixels, expected)


def test_modality_lut_comes_before_the_window(tmp_path: Path) -> None:
    # Entry i stands for the stored value 100 + i; smaller and larger ones are clamped.
    lut = item(LUTDescriptor=[1000, 100, 16], LUTData=list(range(0, 3000, 3)), ModalityLUTType="US")
    lut["LUTDescriptor"].VR = lut["LUTData"].VR = "US"
    ds = mr(ModalityLUTSequence=[lut], WindowCenter=1500, WindowWidth=3001)
    x = np.clip(head().astype(float) - 100, 0, 999) * 3
    expected = np.rint(255 * np.clip((x - 1499.5) / 3000 + 0.5, 0, 1))
    np.testing.assert_array_equal(read_one(tmp_path, ds).pixels, expected)


def test_voi_lut_is_scaled_by_its_output_range(tmp_path: Path) -> None:
    lut = item(LUTDescriptor=[4096, 0, 12], LUTData=[4095 - i for i in range(4096)])
    lut["LUTDescriptor"].VR = lut["LUTData"].VR = "US"
    ds = mr(VOILUTSequence=[lut], WindowCenter=1, WindowWidth=2)
    expected = np.rint((4095 - head().astype(float)) * 255 / 4095)
    np.testing.assert_array_equal(read_one(tmp_path, ds).pixels, expected)


def test_monochrome1_is_inverted(tmp_path: Path) -> None:
    plain = read_one(tmp_path / "a", mr(WindowCenter=2000, WindowWidth=4000))
    ds = mr(WindowCenter=2000, WindowWidth=4000, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(read_one(tmp_path / "b", ds).pixels, 255 - plain.pixels)


def test_signed_pixels_are_signed(tmp_path: Path) -> None:
    pixels = (head().astype(np.int32) - 2000).astype(np.int16)
    read = read_one(tmp_path, mr(pixels, WindowCenter=0, WindowWidth=4001))
    expected = np.rint(255 * np.clip((pixels + 0.5) / 4000 + 0.5, 0, 1))
    np.testing.assert_array_equal(read.pixels, expected)


@pytest.mark.parametrize("syntax", [None, RLELossless])
def test_bits_that_are_not_stored_do_not_count(tmp_path: Path, syntax) -> None:
    clean = head()  # below 4096
    overlay = clean | (np.arange(64, dtype=np.uint16)[:, None] % 16 << 12)
    ds = mr(overlay, BitsStored=12, HighBit=11)
    if syntax:
        ds.compress(syntax)
    np.testing.assert_array_equal(read_one(tmp_path, ds).pixels, robust(clean))


def test_signed_12_bits_are_extended(tmp_path: Path) -> None:
    values = (head() // 2).astype(np.int16) - 1000
    stored = (values & 0x0FFF) | 0x5000
    ds = mr(stored.astype(np.int16), BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(read_one(tmp_path, ds).pixels, robust(values))


def test_a_high_bit_above_the_stored_bits_is_respected(tmp_path: Path) -> None:
    ds = mr((head() << 4) | 7, BitsStored=12, HighBit=15)
    np.testing.assert_array_equal(read_one(tmp_path, ds).pixels, robust(head()))


def test_padding_is_black_and_outside_the_robust_range(tmp_path: Path) -> None:
    pixels = head().astype(np.int16)
    corner = np.zeros_like(pixels, dtype=bool)
    corner[:20] = True
    pixels[corner] = -2000
    ds = mr(pixels, PixelPaddingValue=-2000)
    ds["PixelPaddingValue"].VR = "SS"
    read = read_one(tmp_path, ds)
    low, high = np.percentile(pixels[~corner], (0.5, 99.5))
    expected = np.rint(np.clip((pixels - low) * 255 / (high - low), 0, 255))
    np.testing.assert_array_equal(read.pixels, np.where(corner, 0, expected))


@pytest.mark.parametrize(("centre", "width"), [(2000, 0), (2000, -5), (2000, 0.5), (90_000, 10)])
def test_an_implausible_window_falls_back_to_the_robust_range(
    tmp_path: Path, centre: float, width: float
) -> None:
    read = read_one(tmp_path, mr(WindowCenter=centre, WindowWidth=width))
    np.testing.assert_array_equal(read.pixels, robust(head()))


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
)
def test_uncompressed_syntaxes_give_the_same_pixels(tmp_path: Path, syntax: str) -> None:
    plain = read_one(tmp_path / "a", mr())
    other = read_one(tmp_path / "b", mr(syntax=syntax))
    assert other.row["reason"] is None
    np.testing.assert_array_equal(other.pixels, plain.pixels)
    assert other.row["slice_id"] == plain.row["slice_id"]
    assert other.row["file_sha256"] != plain.row["file_sha256"]


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLosslessSV1])
def test_lossless_syntaxes_give_the_same_pixels(tmp_path: Path, syntax: str) -> None:
    plain = read_one(tmp_path / "a", mr())
    if syntax == JPEGLosslessSV1:
        ds = encapsulated([lossless_jpeg(head())], head(), syntax)
    else:
        ds = mr()
        ds.compress(syntax)
    other = read_one(tmp_path / "b", ds)
    np.testing.assert_array_equal(other.pixels, plain.pixels)
    assert other.row["slice_id"] == plain.row["slice_id"]


def test_jpeg_baseline_is_close_to_the_original(tmp_path: Path) -> None:
    pixels = head8()
    ds = encapsulated(
        [picture_bytes(pixels, "JPEG", quality=98)],
        pixels,
        JPEGBaseline8Bit,
        WindowCenter=128,
        WindowWidth=256,
    )
    difference = read_one(tmp_path, ds).pixels.astype(int) - pixels
    assert np.abs(difference).mean() < 1


def test_frames_of_a_compressed_object_are_read_one_by_one(tmp_path: Path) -> None:
    frames = np.stack([head(), np.roll(head(), 5, 0), np.roll(head(), 5, 1)])
    ds = mr(frames, sop_class=LEGACY_ENHANCED_MR, NumberOfFrames=3)
    ds.compress(RLELossless)
    save(tmp_path / "a.dcm", ds)
    read = ingest(tmp_path)
    for one, frame in zip(read, frames, strict=True):
        np.testing.assert_array_equal(one.pixels, robust(frame))


def test_a_broken_frame_fails_alone(tmp_path: Path) -> None:
    good = [picture_bytes(head8(), "JPEG")] * 3
    good[1] = good[1][:60] + b"\0" * 200
    ds = mr(np.stack([head8()] * 3), syntax=JPEGBaseline8Bit, PixelData=encapsulate(good))
    ds["PixelData"].is_undefined_length = True
    ds.NumberOfFrames = 3
    save(tmp_path / "a.dcm", ds)
    assert [one.row["status"] for one in ingest(tmp_path)] == ["ok", "failed", "ok"]


def test_enhanced_frames_have_their_own_geometry_rescale_and_window(tmp_path: Path) -> None:
    frames = np.stack([head(), head(), head()])
    per_frame = [
        item(
            PlanePositionSequence=[item(ImagePositionPatient=[0, 0, z])],
            PixelValueTransformationSequence=[item(RescaleSlope=slope, RescaleIntercept=0)],
        )
        for z, slope in ((10, 1), (-5, 2), (0, 1))
    ]
    shared = item(
        PlaneOrientationSequence=[item(ImageOrientationPatient=TRANSVERSE)],
        FrameVOILUTSequence=[item(WindowCenter=4000, WindowWidth=8001)],
        PixelMeasuresSequence=[item(PixelSpacing=[1, 1])],
    )
    ds = mr(
        frames,
        sop_class=ENHANCED_MR,
        NumberOfFrames=3,
        ImageOrientationPatient=None,
        ImagePositionPatient=None,
        PixelSpacing=None,
        SharedFunctionalGroupsSequence=[shared],
        PerFrameFunctionalGroupsSequence=per_frame,
    )
    save(tmp_path / "a.dcm", ds)
    read = ingest(tmp_path)
    assert [one.row["slice_position"] for one in read] == [10.0, -5.0, 0.0]
    assert [one.row["series_index"] for one in read] == [2, 0, 1]
    assert {one.row["header_plane"] for one in read} == {"transverse"}
    windowed = [np.clip((head() * s - 3999.5) / 8000 + 0.5, 0, 1) for s in (1.0, 2.0, 1.0)]
    for one, expected in zip(read, windowed, strict=True):
        np.testing.assert_array_equal(one.pixels, np.rint(255 * expected))


def test_a_derived_frame_of_an_enhanced_object_is_refused_alone(tmp_path: Path) -> None:
    per_frame = [
        item(MRImageFrameTypeSequence=[item(FrameType=[kind, "PRIMARY", "M", "NONE"])])
        for kind in ("ORIGINAL", "DERIVED")
    ]
    ds = mr(
        np.stack([head(), head()]),
        sop_class=ENHANCED_MR,
        NumberOfFrames=2,
        PerFrameFunctionalGroupsSequence=per_frame,
    )
    save(tmp_path / "a.dcm", ds)
    assert [one.row["reason_code"] for one in ingest(tmp_path)] == [None, "derived_image"]


@pytest.mark.parametrize(
    ("cosines", "plane"),
    [
        (TRANSVERSE, "transverse"),
        (CORONAL, "coronal"),
        (SAGITTAL, "sagittal"),
        ([1, 0, 0, 0, 0.9, 0.43589], "transverse"),
        ([1, 0, 0, 0, 0.7071, 0.7071], "oblique"),
        ([0, 0, 0, 0, 0, 0], None),
        (None, None),
    ],
)
def test_the_plane_comes_from_the_orientation(tmp_path: Path, cosines, plane) -> None:
    read = read_one(tmp_path, mr(ImageOrientationPatient=cosines))
    assert read.row["header_plane"] == plane
    assert read.row["status"] == "ok"


@pytest.mark.parametrize("usual", [TRANSVERSE, CORONAL, SAGITTAL])
def test_a_slice_is_shown_radiologically_however_it_is_stored(tmp_path: Path, usual) -> None:
    shown = np.arange(64 * 80, dtype=np.uint16).reshape(64, 80)
    rows, columns = usual[:3], usual[3:]
    ds = mr(shown, ImageOrientationPatient=usual, PixelSpacing=[1, 2])
    plain = read_one(tmp_path / "plain", ds)
    assert plain.pixels.shape == (64, 160)
    assert plain.pixels[0, 0] < plain.pixels[-1, -1]
    for number, (across, down, transposed) in enumerate(product((1, -1), (1, -1), (False, True))):
        stored, own = shown[::down, ::across], (np.array(rows) * across, np.array(columns) * down)
        stored, own = (stored.T, own[::-1]) if transposed else (stored, own)
        spacing = [2, 1] if transposed else [1, 2]
        cosines = np.concatenate(own).tolist()
        ds = mr(stored.copy(), ImageOrientationPatient=cosines, PixelSpacing=spacing)
        read = read_one(tmp_path / str(number), ds)
        np.testing.assert_array_equal(read.pixels, plain.pixels)
        assert (read.row["height"], read.row["width"]) == (64, 160)


@pytest.mark.parametrize(
    "cosines",
    [
        [-1, 0, 0, 0, -0.7071, 0.7071],  # no plane, no custom
        [0.9962, 0.0872, 0, -0.0872, 0.9962, 0],  # tilted by 5 degrees
        [0, 0, 0, 0, 0, 0],
        None,
    ],
)
def test_a_slice_that_lies_as_usual_or_without_a_custom_stays(tmp_path: Path, cosines) -> None:
    np.testing.assert_array_equal(
        read_one(tmp_path, mr(ImageOrientationPatient=cosines)).pixels, robust(head())
    )


def test_pixels_are_made_square(tmp_path: Path) -> None:
    read = read_one(tmp_path, mr(PixelSpacing=[2, 1]))
    assert (read.row["height"], read.row["width"]) == (128, 64)


def test_identifiers_become_keys_and_appear_nowhere(tmp_path: Path) -> None:
    first = read_one(tmp_path / "a", mr())
    second = read_one(tmp_path / "b", mr(PatientID="ANOTHER"))
    keys = [first.row[f"{kind}_key"] for kind in ("patient", "study", "series")]
    assert all(len(key) == 16 for key in keys)
    assert len(set(keys)) == 3
    assert first.row["patient_key"] != second.row["patient_key"]
    assert first.row["study_key"] == second.row["study_key"]
    text = repr(first.row)
    assert not any(word in text for word in ("DOE", "0815", "1.2.3.4"))


def test_a_dicom_that_is_also_a_tiff_is_dicom(tmp_path: Path) -> None:
    data = b"II*\0" + dicom_bytes(mr())[4:]
    assert ingest_one(tmp_path, "a.tif", data).row["format"] == "dicom"


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, None])
def test_dicom_without_preamble_and_meta_is_read(tmp_path: Path, syntax) -> None:
    ds = mr(syntax=syntax) if syntax else mr()
    data = dicom_bytes(ds)
    start = 132 + 12 + int.from_bytes(data[140:144], "little")
    read = ingest_one(tmp_path, "old", data[start:])
    assert read.row["status"] == "ok", read.row["reason"]
    np.testing.assert_array_equal(read.pixels, robust(head()))


@pytest.mark.parametrize(
    ("said", "burnt_in"), [("YES", True), ("yes", True), ("NO", False), ("", False), (None, False)]
)
def test_a_file_that_says_that_text_is_burnt_in_is_read_and_withheld(
    tmp_path: Path, said: str | None, burnt_in: bool
) -> None:
    read = read_one(tmp_path, mr(BurnedInAnnotation=said))
    assert (read.row["status"], read.burnt_in, read.withheld) == ("ok", burnt_in, burnt_in)
    allowed = SETTINGS.model_copy(update={"show_burnt_in": True})
    again = read_one(tmp_path, mr(BurnedInAnnotation=said), settings=allowed)
    assert (again.burnt_in, again.withheld) == (burnt_in, False)
