from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
from PIL import Image

from artemis.ingest.read import IngestedSlice
from tests.ingest.builders import ingest

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "data" / "samples"
SERIES = "dicom_series_simulated_meningioma"
VOLUME = "sagittal_volume_simulated_pituitary_tumour.nii.gz"
NOT_MADE = {"README.md", "LICENSE.md"}
# Grey values that other versions of SciPy and of the JPEG codec may differ by.
TOLERANCE_8_BIT = 3
TOLERANCE_12_BIT = 8 * TOLERANCE_8_BIT


def files(folder: Path) -> dict[str, Path]:
    return {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def dicom_files() -> list[Path]:
    return [path for name, path in files(SAMPLES).items() if SERIES in name or "dcm" in name]


@pytest.fixture(scope="module")
def slices() -> list[IngestedSlice]:
    return ingest(SAMPLES)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    subprocess.run([sys.executable, ROOT / "tests/make_samples.py", folder], check=True)
    return folder


def rows_of(slices: list[IngestedSlice], start: str) -> list[dict[str, Any]]:
    return [each.row for each in slices if each.row["path"].startswith(start)]


# --- What Artemis makes of them


def test_every_sample_has_the_status_that_the_readme_promises(
    slices: list[IngestedSlice],
) -> None:
    promised = Counter[tuple[str, str]]()
    for name, count, expected in re.findall(
        r"^\| `([^`]+)` \|.*\| (\d+) \| ([^|]+) \|$", (SAMPLES / "README.md").read_text(), re.M
    ):
        promised[name.rstrip("/"), expected.replace("`", "")] += int(count)
    found = Counter(
        (
            each.row["path"].split("/")[0],
            ": ".join(filter(None, (each.row["status"], each.row["reason_code"]))),
        )
        for each in slices
    )
    assert found == promised


def test_counts_by_status_and_reason(slices: list[IngestedSlice]) -> None:
    counts = Counter((each.row["status"], each.row["reason_code"]) for each in slices)
    assert counts == {
        ("ok", None): 28,
        ("refused", "modality"): 1,
        ("refused", "colour_picture"): 1,
        ("refused", "unsupported_format"): 2,
        ("failed", "truncated"): 1,
    }


def test_all_formats_are_there(slices: list[IngestedSlice]) -> None:
    formats = {each.row["format"] for each in slices if each.row["status"] == "ok"}
    assert formats == {"png", "jpeg", "bmp", "tiff", "dicom", "nifti"}


def test_series_is_ordered_by_position_and_not_by_number(slices: list[IngestedSlice]) -> None:
    rows = rows_of(slices, SERIES)
    assert [row["path"].rpartition("/")[2] for row in rows] == [
        "image_2.dcm",
        "image_4",
        "image_1.dcm",
        "image_6.dcm",
        "image_5.dcm",
        "image_3.dcm",
    ]
    assert [row["slice_position"] for row in rows] == [27, 35, 43, 51, 59, 67]
    assert [row["series_index"] for row in rows] == list(range(6))
    assert {row["header_plane"] for row in rows} == {"transverse"}
    assert len({row["series_key"] for row in rows}) == 1


def test_volume_is_cut_into_its_sagittal_slices(slices: list[IngestedSlice]) -> None:
    rows = rows_of(slices, VOLUME)
    assert {row["header_plane"] for row in rows} == {"sagittal"}
    assert [row["slice_position"] for row in rows] == list(range(-25, 26, 5))


def test_no_two_slices_are_the_same(slices: list[IngestedSlice]) -> None:
    ids = [each.row["slice_id"] for each in slices if each.row["slice_id"]]
    assert len(set(ids)) == len(ids)


# --- What is in them


def test_header_places_the_dicom_lesion_on_the_right_convexity() -> None:
    image = pydicom.dcmread(SAMPLES / SERIES / "image_6.dcm")
    lesion = np.argwhere(inner(image.pixel_array, 150 * 8))
    row, column = lesion.mean(axis=0)
    x, y, z = image.ImagePositionPatient
    spacing_y, spacing_x = image.PixelSpacing
    left, back = x + column * spacing_x, y + row * spacing_y
    assert (left, back, z) == pytest.approx((-44, -8, 51), abs=4)


def test_header_places_the_nifti_lesion_in_the_sella() -> None:
    image = nib.load(SAMPLES / VOLUME)
    values = np.asarray(image.dataobj)
    to_voxel = np.linalg.inv(image.affine)
    low, high = ((to_voxel @ [*corner, 1])[:3] for corner in ((-20, -15, -48), (20, 20, -10)))
    box = tuple(slice(round(a), round(b)) for a, b in zip(low, high, strict=True))
    lesion = np.argwhere(values[box] > 150 * 8).mean(axis=0) + [part.start for part in box]
    assert (image.affine @ [*lesion, 1])[:3] == pytest.approx((0, 4, -29), abs=4)


def inner(pixels: np.ndarray, level: float) -> np.ndarray:
    """Bright pixels in the right half of the head, the scalp left out."""
    bright = pixels > level
    bright[:60], bright[180:], bright[:, :70], bright[:, 120:] = (False,) * 4
    return bright


@pytest.mark.parametrize("path", dicom_files(), ids=lambda path: path.name)
def test_dicom_holds_only_made_up_identifiers(path: Path) -> None:
    image = pydicom.dcmread(path)
    assert image.PatientName == "SIMULATED^SAMPLE"
    assert image.PatientID == "SIMULATED"
    for element in [*image.file_meta, *image]:
        assert not element.tag.is_private
        if element.VR in ("DA", "DT", "TM"):
            assert not element.value
        if element.VR == "UI":
            assert element.value.startswith(("1.2.840.10008.", pydicom.uid.PYDICOM_ROOT_UID))
        if element.VR == "PN" and element.keyword != "PatientName":
            assert not element.value


def test_transfer_syntaxes_of_the_series() -> None:
    names = {
        path.name: pydicom.dcmread(path, stop_before_pixels=True).file_meta.TransferSyntaxUID.name
        for path in (SAMPLES / SERIES).iterdir()
    }
    assert names.pop("image_2.dcm") == "RLE Lossless"
    assert names.pop("image_5.dcm") == "JPEG 2000 Image Compression (Lossless Only)"
    assert set(names.values()) == {"Explicit VR Little Endian"}


def test_pictures_carry_no_metadata() -> None:
    for name, path in files(SAMPLES).items():
        if path.suffix in (".png", ".jpg", ".bmp") and not name.startswith("broken"):
            with Image.open(path) as image:
                known = {"dpi", "compression", "jfif", "jfif_version", "jfif_unit", "jfif_density"}
                assert set(image.info) <= known, name
                assert not image.getexif(), name


def test_samples_are_small() -> None:
    assert sum(path.stat().st_size for path in files(SAMPLES).values()) < 2_500_000


@pytest.mark.parametrize("document", sorted(NOT_MADE))
def test_document_mentions_every_file(document: str) -> None:
    text = (SAMPLES / document).read_text()
    for name in files(SAMPLES).keys() - {document, "LICENSE.md"}:
        assert f"`{name}`" in text or f"`{name.split('/')[0]}/`" in text, name


def test_licence_keeps_the_notice_and_names_the_source() -> None:
    text = " ".join((SAMPLES / "LICENSE.md").read_text().replace("\n>", "").split())
    assert (
        "Copyright (C) 1993–2009 Louis Collins, McConnell Brain Imaging Centre, "  # noqa: RUF001
        "Montreal Neurological Institute, McGill University." in text
    )
    assert "provided that the above copyright notice appear in all copies" in text
    assert "nilearn/datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz" in text


# --- The script makes them


def stored(path: Path) -> list[np.ndarray]:
    """All decoded pixels of a file."""
    if path.name == "broken_truncated.png":
        return []
    if path.name.endswith(".nii.gz"):
        return [np.asarray(nib.load(path).dataobj)]
    if SERIES in path.parts or path.suffix == ".dcm":
        return [pydicom.dcmread(path).pixel_array]
    with Image.open(path) as image:
        pages = []
        for page in range(getattr(image, "n_frames", 1)):
            image.seek(page)
            pages.append(np.array(image))
        return pages


@pytest.mark.slow
def test_script_makes_every_file_and_no_other(made: Path) -> None:
    assert files(made).keys() == files(SAMPLES).keys() - NOT_MADE


@pytest.mark.slow
def test_script_makes_the_same_pixels(made: Path) -> None:
    for name, path in files(made).items():
        for ours, theirs in zip(stored(path), stored(SAMPLES / name), strict=True):
            assert ours.dtype == theirs.dtype
            tolerance = TOLERANCE_8_BIT if ours.dtype == np.uint8 else TOLERANCE_12_BIT
            np.testing.assert_allclose(ours.astype(int), theirs, rtol=0, atol=tolerance)


@pytest.mark.slow
def test_script_writes_the_same_headers(made: Path) -> None:
    for path in dicom_files():
        ours, theirs = pydicom.dcmread(made / path.relative_to(SAMPLES)), pydicom.dcmread(path)
        assert ours.file_meta.TransferSyntaxUID == theirs.file_meta.TransferSyntaxUID
        del ours.PixelData, theirs.PixelData
        assert ours == theirs
    ours, theirs = nib.load(made / VOLUME), nib.load(SAMPLES / VOLUME)
    assert ours.header == theirs.header


@pytest.mark.slow
def test_script_makes_the_same_bytes_each_time(made: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, ROOT / "tests/make_samples.py", tmp_path], check=True)
    again = {name: path.read_bytes() for name, path in files(tmp_path).items()}
    assert again == {name: path.read_bytes() for name, path in files(made).items()}
