from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from artemis.settings import IngestSettings
from tests.ingest.builders import (
    ENHANCED_MR,
    dicom_bytes,
    head,
    head8,
    ingest,
    ingest_one,
    item,
    mr,
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
        "Save it as real-valued greyscale, such as the magnitude image; "
        "split five dimensions into files of at most four."
    )


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize(
    ("kind", "creator", "received"),
    [
        (0, "GEMS_PARM_01", None),
        (1, "GEMS_PARM_01", "Received a phase image."),
        (2, "GEMS_PARM_01", None),
        (3, "GEMS_PARM_01", "Received an imaginary part."),
        (1, "SOMEBODY ELSE", None),
    ],
)
@pytest.mark.parametrize("vr", ["SS", "UN"])
def test_parts_of_complex_images_are_told_as_ge_says_it(
    tmp_path: Path, syntax: str, kind: int, creator: str, received: str | None, vr: str
) -> None:
    ds = mr(ImageType=["ORIGINAL", "PRIMARY", "OTHER"], syntax=syntax)
    ds.add_new(0x00430010, "LO", creator)
    ds.add_new(0x0043102F, vr, kind if vr == "SS" else kind.to_bytes(2, "little"))
    row = ingest_one(tmp_path, "a", dicom_bytes(ds)).row
    assert row["reason_code"] == (received and "not_greyscale")
    assert received is None or received in row["reason"]


def test_a_mosaic_is_refused_with_what_makes_slices_of_it(tmp_path: Path) -> None:
    ds = mr(ImageType=["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"])
    assert "dcm2niix makes a NIfTI volume of a mosaic." in refused(tmp_path, ds)[2]


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
        ("3_PLANE_LOC", None, "localizer"),
        ("AAHScout", None, "localizer"),
        ("AAHScout_MPR_cor", None, "localizer"),
        ("MASCOUT", None, None),
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
