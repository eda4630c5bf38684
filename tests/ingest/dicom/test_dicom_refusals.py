from __future__ import annotations

import io
import zlib
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless, JPEGBaseline8Bit

from artemis.ingest.dicom.reader import frame_ranks
from artemis.settings import IngestSettings
from tests.ingest.builders import (
    ENHANCED_MR,
    dicom_bytes,
    encapsulated,
    head,
    head8,
    ingest,
    ingest_one,
    item,
    mr,
    picture_bytes,
    save,
)

STORAGE = "1.2.840.10008.5.1.4.1.1."


def refused(tmp_path: Path, ds, settings: IngestSettings | None = None) -> tuple[str, str, str]:
    (tmp_path / "knee").mkdir()
    (tmp_path / "knee" / "IM001").write_bytes(dicom_bytes(ds))
    (only,) = ingest(tmp_path, settings or IngestSettings())
    assert only.pixels is None
    return only.row["status"], only.row["reason_code"], only.row["reason"]


@pytest.mark.parametrize(
    ("sop_class", "reason", "name"),
    [
        (STORAGE + "7", "secondary_capture", "Secondary Capture Image Storage"),
        (STORAGE + "7.2", "secondary_capture", "Multi-frame Grayscale Byte"),
        (STORAGE + "88.33", "structured_report", "Comprehensive SR Storage"),
        (STORAGE + "66.4", "segmentation", "Segmentation Storage"),
        (STORAGE + "11.1", "presentation_state", "Presentation State"),
        (STORAGE + "104.1", "encapsulated_document", "Encapsulated PDF Storage"),
        (STORAGE + "4.2", "spectroscopy", "MR Spectroscopy Storage"),
        (STORAGE + "66", "raw_data", "Raw Data Storage"),
        (STORAGE + "4.3", "colour_dicom", "Enhanced MR Color Image Storage"),
        (STORAGE + "77.1.4", "other_object", "VL Photographic Image Storage"),
        ("1.2.3.999", "other_object", "an unknown SOP class"),
    ],
)
def test_other_objects_are_refused_by_name(tmp_path: Path, sop_class, reason, name) -> None:
    status, code, message = refused(tmp_path, mr(sop_class=sop_class))
    assert (status, code) == ("refused", reason)
    assert name in message


@pytest.mark.parametrize("modality", ["CT", "cr", "US"])
def test_other_modalities_are_refused_by_name(tmp_path: Path, modality: str) -> None:
    status, code, message = refused(tmp_path, mr(Modality=modality))
    assert (status, code) == ("refused", "modality")
    assert message == (
        f"knee/IM001: expected Modality MR. Received {modality.upper()}. "
        "Remove it from the batch: Artemis reads magnetic resonance only."
    )


def test_modality_is_case_insensitive(tmp_path: Path) -> None:
    assert ingest_one(tmp_path, "a", dicom_bytes(mr(Modality="mr"))).row["status"] == "ok"


def test_an_unknown_modality_is_not_repeated(tmp_path: Path) -> None:
    assert "DOE" not in refused(tmp_path, mr(Modality="DOE JANE"))[2]


@pytest.mark.parametrize(
    ("image_type", "reason"),
    [
        (["DERIVED", "PRIMARY", "MPR"], "derived_image"),
        (["DERIVED", "PRIMARY", "DIFFUSION", "ADC", "ND"], "derived_image"),
        (["ORIGINAL", "PRIMARY", "DIFFUSION", "FA"], "derived_image"),
        (["ORIGINAL", "PRIMARY", "T2 MAP", "T2", "UNSPECIFIED"], "derived_image"),
        (["ORIGINAL", "PRIMARY", "PERFUSION", "CBF"], "derived_image"),
        (["ORIGINAL", "PRIMARY", "EADC", "UNSPECIFIED"], "derived_image"),
        (["ORIGINAL", "PRIMARY", "P", "ND"], "not_greyscale"),  # Siemens
        (["ORIGINAL", "PRIMARY", "PHASE MAP", "P", "FFE"], "not_greyscale"),  # Philips
        (["ORIGINAL", "PRIMARY", "I_FFE", "I", "FFE"], "not_greyscale"),
        (["DERIVED", "PRIMARY", "PHASE MAP"], "not_greyscale"),
        (["ORIGINAL", "SECONDARY", "SCREEN SAVE"], "secondary_capture"),
        (["DERIVED", "SECONDARY", "SCREEN SAVE"], "secondary_capture"),
        (["ORIGINAL", "PRIMARY", "LOCALIZER"], "localizer"),
        (["original", "primary", "m", "scout"], "localizer"),
        (["DERIVED", "SECONDARY", "M", "LOCALIZER"], "localizer"),
        (["ORIGINAL", "PRIMARY", "M", "ND", "NORM", "MOSAIC"], "other_object"),
        (["ORIGINAL", "PRIMARY", "MOSAIC"], "other_object"),
    ],
)
def test_derived_images_localizers_and_mosaics_are_refused(
    tmp_path: Path, image_type, reason
) -> None:
    assert refused(tmp_path, mr(ImageType=image_type))[:2] == ("refused", reason)


def test_a_phase_image_is_refused_with_what_to_take_instead(tmp_path: Path) -> None:
    ds = mr(ImageType=["ORIGINAL", "PRIMARY", "P", "ND"])
    assert refused(tmp_path, ds)[2] == (
        "knee/IM001: expected a magnitude image. Received a phase image. "
        "Save it as real-valued greyscale, such as the magnitude image."
    )


@pytest.mark.parametrize(
    "image_type",
    [
        ["ORIGINAL", "PRIMARY", "M", "ND", "NORM", "DIS2D"],
        ["ORIGINAL", "PRIMARY", "R_IR", "R", "IR"],  # the real part of an inversion recovery
        ["ORIGINAL", "PRIMARY", "M_FFE", "M", "FFE"],
        ["ORIGINAL", "PRIMARY", "M", "SWI"],
        ["ORIGINAL", "PRIMARY", "DIFFUSION", "NONE"],
        [],
    ],
)
def test_magnitude_and_real_images_are_read(tmp_path: Path, image_type: list[str]) -> None:
    assert ingest_one(tmp_path, "a", dicom_bytes(mr(ImageType=image_type))).row["status"] == "ok"


@pytest.mark.parametrize("component", ["PHASE", "IMAGINARY"])
def test_frames_of_phase_beside_those_of_magnitude_are_refused(
    tmp_path: Path, component: str
) -> None:
    groups = [
        item(MRImageFrameTypeSequence=[item(ComplexImageComponent=one)])
        for one in ("MAGNITUDE", component)
    ]
    ds = mr(
        np.stack([head(), head()]),
        ENHANCED_MR,
        NumberOfFrames=2,
        ComplexImageComponent="MIXED",
        PerFrameFunctionalGroupsSequence=groups,
    )
    save(tmp_path / "a", ds)
    assert [one.row["reason_code"] for one in ingest(tmp_path)] == [None, "not_greyscale"]
    save(tmp_path / "a", mr(ComplexImageComponent=component))
    assert [one.row["reason_code"] for one in ingest(tmp_path)] == ["not_greyscale"]


@pytest.mark.parametrize(
    ("described", "protocol", "code"),
    [
        ("localizer", None, "localizer"),
        ("AAHead_Scout_MPR_sag", None, "localizer"),
        ("SURVEY DOE JANE", None, "localizer"),
        ("3-Plane Loc", None, "localizer"),
        (None, "Survey_32ch_HeadCoil", "localizer"),
        ("t1_mpr_sag", "localizer", None),  # the protocol names what it was planned on
        ("Location of scouting", None, None),
    ],
)
def test_a_localizer_that_its_image_type_does_not_name_is_told_by_its_description(
    tmp_path: Path, described: str | None, protocol: str | None, code: str | None
) -> None:
    ds = mr(SeriesDescription=described, ProtocolName=protocol)
    row = ingest_one(tmp_path, "a", dicom_bytes(ds)).row
    assert row["reason_code"] == code
    assert "DOE" not in (row["reason"] or "")


@pytest.mark.parametrize(
    ("image_type", "steps", "status"),
    [
        (["DERIVED", "PRIMARY", "M"], ["113040"], "ok"),  # as dcmtk compresses
        (["DERIVED", "PRIMARY", "M"], [], "refused"),
        (["DERIVED", "PRIMARY", "M"], ["113040", "113072"], "refused"),  # and multiplanar
        (["DERIVED", "SECONDARY", "MPR"], ["113040"], "refused"),
        (["DERIVED", "PRIMARY", "DIFFUSION", "ADC"], ["113040"], "refused"),
    ],
)
def test_what_was_derived_by_lossy_compression_alone_is_no_derived_image(
    tmp_path: Path, image_type, steps, status
) -> None:
    codes = [item(CodeValue=step, CodingSchemeDesignator="DCM") for step in steps]
    ds = mr(ImageType=image_type, DerivationCodeSequence=codes)
    row = ingest_one(tmp_path, "a", dicom_bytes(ds)).row
    assert (row["status"], row["reason_code"]) == (
        status,
        None if status == "ok" else "derived_image",
    )


@pytest.mark.parametrize("modality", [None, ""])
def test_an_mr_object_without_modality_is_what_its_class_says(tmp_path: Path, modality) -> None:
    read = ingest_one(tmp_path / "mr", "a", dicom_bytes(mr(Modality=modality)))
    assert read.row["status"] == "ok"
    (tmp_path / "none").mkdir()
    status, code, _ = refused(tmp_path / "none", mr(Modality=modality, SOPClassUID=None))
    assert (status, code) == ("refused", "modality")


@pytest.mark.parametrize("part", ["KNEE", "lspine", "C SPINE", "ABDOMEN", "BREAST", "L-SPINE"])
def test_other_body_parts_are_refused(tmp_path: Path, part: str) -> None:
    assert refused(tmp_path, mr(BodyPartExamined=part))[:2] == ("refused", "other_body_part")


@pytest.mark.parametrize("part", [None, "", "BRAIN", "HEAD", "HEADNECK", "SKULL", "XYZZY"])
def test_heads_and_unknown_body_parts_pass(tmp_path: Path, part) -> None:
    read = ingest_one(tmp_path, "a", dicom_bytes(mr(BodyPartExamined=part)))
    assert read.row["status"] == "ok"


def test_a_coded_region_of_an_enhanced_frame_is_refused(tmp_path: Path) -> None:
    anatomy = item(AnatomicRegionSequence=[item(CodeMeaning="Knee")], FrameLaterality="L")
    shared = item(FrameAnatomySequence=[anatomy])
    ds = mr(sop_class=ENHANCED_MR, NumberOfFrames=1, SharedFunctionalGroupsSequence=[shared])
    assert refused(tmp_path, ds)[1] == "other_body_part"


def test_an_object_without_pixels_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, mr(PixelData=None))[:2] == ("refused", "no_pixel_data")


def test_colour_is_refused(tmp_path: Path) -> None:
    ds = mr(head8(), SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0)
    assert refused(tmp_path, ds)[:2] == ("refused", "colour_dicom")


def test_a_tiny_slice_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, mr(head(32)))[:2] == ("refused", "too_small")


def test_truncated_dicom_becomes_a_failed_row(tmp_path: Path) -> None:
    data = dicom_bytes(mr())
    read = ingest_one(tmp_path, "a.dcm", data[:-3000])
    assert (read.row["status"], read.row["reason_code"]) == ("failed", "truncated")
    assert read.row["reason"].startswith("a.dcm: expected 8,192 bytes for the first frame.")


def test_a_dicom_that_ends_within_its_header_is_truncated_wherever_it_ends(tmp_path: Path) -> None:
    ds = mr(StudyDescription="a long description " * 3)
    data = dicom_bytes(ds)
    named = data.index(b"a long description")
    for end in (
        data.index(b"MR", 300) + 1,  # within a value that is read
        named + 20,  # within one that is skipped
        data.index(b"PATIENT-0815"),  # before a value
        len(data) - 8192 - 4,  # within the pixel data's own start
    ):
        read = ingest_one(tmp_path, "a.dcm", data[:end])
        assert (read.row["status"], read.row["reason_code"]) == ("failed", "truncated"), end


def test_missing_frames_are_failed_rows(tmp_path: Path) -> None:
    data = dicom_bytes(mr(np.stack([head()] * 4), sop_class=ENHANCED_MR, NumberOfFrames=4))
    (tmp_path / "a.dcm").write_bytes(data[:-9000])
    read = ingest(tmp_path)
    assert [one.row["reason_code"] for one in read] == [None, None, "truncated", "truncated"]
    assert "expected 24,576 bytes for 3 frames. Received 23,768." in read[2].row["reason"]


def test_more_frames_than_the_pixel_data_were_made_for_are_one_row(tmp_path: Path) -> None:
    status, code, message = refused(tmp_path, mr(head(), NumberOfFrames=1000))
    assert (status, code) == ("failed", "truncated")
    assert "expected 8,192,000 bytes for 1,000 frames. Received 8,192." in message


def test_only_frames_with_a_place_of_their_own_are_looked_at() -> None:
    header = item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0], ImagePositionPatient=[0, 0, 5])
    assert frame_ranks(header, 100_000) == list(range(100_000))
    header.PerFrameFunctionalGroupsSequence = [
        item(),
        item(PlanePositionSequence=[item(ImagePositionPatient=[0, 0, 9])]),
        item(PlanePositionSequence=[item(ImagePositionPatient=[0, 0, 1])]),
    ]
    assert frame_ranks(header, 5) == [1, 4, 0, 2, 3]


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"NumberOfFrames": 2_000_000_000}, "too_many_frames"),
        ({"NumberOfFrames": 90_000}, "bad_header"),
        ({"NumberOfFrames": -5}, "bad_header"),
        ({"Rows": 0}, "bad_header"),
        ({"Rows": 65_535, "Columns": 65_535}, "too_large"),
        ({"Rows": 8_000, "Columns": 8_000}, "truncated"),
        ({"Rows": None}, "bad_header"),
        ({"BitsAllocated": 12}, "bad_header"),
        ({"BitsStored": 20}, "bad_header"),
        ({"BitsStored": 0}, "bad_header"),
    ],
)
def test_hostile_pixel_modules_are_one_row(tmp_path: Path, elements, reason: str) -> None:
    assert refused(tmp_path, mr(**elements))[1] == reason


def test_a_codestream_of_another_size_is_not_decoded(tmp_path: Path) -> None:
    ds = encapsulated([picture_bytes(head8(512), "JPEG")], head8(), JPEGBaseline8Bit)
    code, message = refused(tmp_path, ds)[1:]
    assert code == "bad_header"
    assert "Received one of 512 x 512 with 1" in message


def test_a_jpeg2000_of_another_size_is_not_decoded(tmp_path: Path) -> None:
    ds = mr(head(128))
    ds.compress(JPEG2000Lossless)
    ds.Rows = ds.Columns = 64
    assert refused(tmp_path, ds)[1] == "bad_header"


def test_a_deflate_bomb_is_refused(tmp_path: Path) -> None:
    whole = dicom_bytes(mr(syntax=DeflatedExplicitVRLittleEndian))
    start = 132 + 12 + int.from_bytes(whole[140:144], "little")
    bomb = zlib.compressobj(9, wbits=-15)
    data = whole[:start] + bomb.compress(bytes(50_000_000)) + bomb.flush()
    settings = IngestSettings(max_volume_bytes=10_000_000)
    read = ingest_one(tmp_path, "a.dcm", data, settings)
    assert read.row["reason_code"] == "volume_too_large"


def test_zeros_are_not_read_as_a_million_elements(tmp_path: Path) -> None:
    read = ingest_one(tmp_path, "a.dcm", bytes(128) + b"DICM" + bytes(100_000))
    assert (read.row["status"], read.row["reason_code"]) == ("failed", "bad_header")
    assert "Received more than 100 that are not" in read.row["reason"]


def test_a_few_elements_at_a_wrong_place_are_forgiven(tmp_path: Path) -> None:
    data = dicom_bytes(mr())
    at = data.find(b"\x08\x00\x60\x00CS")
    data = data[:at] + b"\x09\x00\x10\x00LO\x00\x00" * 50 + data[at:]
    assert ingest_one(tmp_path, "a.dcm", data).row["status"] == "ok"


@pytest.mark.parametrize("element", [bytes(8), b"\xfe\xff\x00\xe0" + bytes(4)])
def test_a_sequence_without_an_end_is_given_up(tmp_path: Path, element: bytes) -> None:
    data = dicom_bytes(mr())
    at = data.find(b"\x08\x00\x60\x00CS")
    start = b"\x08\x00\x18\x22SQ\0\0\xff\xff\xff\xff"
    item_start = b"" if element[0] else b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    hostile = data[:at] + start + item_start + element * 20_000 + data[at:]
    read = ingest_one(tmp_path, "a.dcm", hostile)
    assert read.row["reason_code"] == "bad_header"
    assert "Received one of far more elements or bytes" in read.row["reason"]


def test_a_small_file_may_not_inflate_to_much(tmp_path: Path) -> None:
    whole = dicom_bytes(mr(syntax=DeflatedExplicitVRLittleEndian))
    start = 132 + 12 + int.from_bytes(whole[140:144], "little")
    bomb = zlib.compressobj(1, wbits=-15)
    data = whole[:start] + bomb.compress(bytes(70 << 20)) + bomb.flush()
    read = ingest_one(tmp_path, "a.dcm", data)
    assert read.row["reason_code"] == "volume_too_large"
    assert "at most 67,108,864 bytes once inflated" in read.row["reason"]


def test_an_unknown_transfer_syntax_is_failed_by_name(tmp_path: Path) -> None:
    # MPEG2: the standard knows it, no decoder for single frames does.
    ds = encapsulated([b"\0" * 100], head8(), "1.2.840.10008.1.2.4.100")
    status, code, message = refused(tmp_path, ds)
    assert (status, code) == ("failed", "unsupported_transfer_syntax")
    assert "MPEG2" in message


def test_a_huge_element_length_allocates_nothing(tmp_path: Path) -> None:
    data = dicom_bytes(mr())
    at = data.find(b"\x08\x00\x08\x00CS")
    hostile = data[:at] + b"\x08\x00\x08\x00UT\0\0\xf0\xff\xff\xff" + data[at:]
    assert ingest_one(tmp_path, "a.dcm", hostile).row["status"] in ("refused", "failed")


def test_sequences_nested_beyond_reason_fail(tmp_path: Path) -> None:
    data = dicom_bytes(mr())
    at = data.find(b"\x08\x00\x60\x00CS")
    level = b"\x08\x00\x18\x22SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    read = ingest_one(tmp_path, "a.dcm", data[:at] + level * 5000 + data[at:])
    assert read.row["status"] == "failed"


def test_reading_writes_nothing_to_the_console(tmp_path: Path, capfd) -> None:
    ds = mr()
    ds.compress(JPEG2000Lossless)
    data = bytearray(dicom_bytes(ds))
    data[-2000:-1000] = b"\xff" * 1000
    (tmp_path / "a.dcm").write_bytes(data)
    (tmp_path / "b.dcm").write_bytes(dicom_bytes(mr(InstanceNumber=1, PatientName="x" * 100)))
    lzw = bytearray(picture_bytes(head8(), "TIFF", compression="tiff_lzw"))
    lzw[60:200] = bytes(140)
    (tmp_path / "c.tif").write_bytes(lzw)
    ingest(tmp_path)
    out = capfd.readouterr()
    assert (out.out, out.err) == ("", "")


def test_dicomdir_is_refused_by_name(tmp_path: Path) -> None:
    from pydicom.fileset import FileSet

    files = FileSet()
    files.add(_with_directory_keys())
    files.write(tmp_path)
    reasons = {one.row["path"]: one.row["reason_code"] for one in ingest(tmp_path)}
    assert reasons.pop("DICOMDIR") == "dicom_directory"
    assert set(reasons.values()) == {None}


def _with_directory_keys():
    ds = mr(StudyDate="20200101", StudyTime="1200", StudyID="1", SeriesNumber=1, AccessionNumber="")
    stream = io.BytesIO(dicom_bytes(ds))
    import pydicom

    return pydicom.dcmread(stream)
