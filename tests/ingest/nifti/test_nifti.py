from __future__ import annotations

import gzip
import struct
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from artemis.errors import ScanError
from artemis.ingest.nifti import volume as volumes
from artemis.ingest.nifti.reader import NiftiScan
from artemis.settings import IngestSettings
from tests.ingest.builders import SETTINGS, head, ingest, ingest_one, nifti_bytes, plan
from tests.ingest.nifti.drawn import read_volume, volume


def grey(values: np.ndarray, whole: np.ndarray) -> np.ndarray:
    low, high = np.percentile(whole, (0.5, 99.5))
    return np.rint(np.clip((values.astype(float) - low) * 255 / (high - low), 0, 255))


def corners(axis: int) -> np.ndarray:
    """A canonical volume whose slices along `axis` have a bright right-front-head corner."""
    data = 300 + sum(np.mgrid[:60, :61, :62]).astype(np.int16)
    for other in {0, 1, 2} - {axis}:
        dark = [slice(None)] * 3
        dark[other] = slice(0, 45)
        data[tuple(dark)] = 0
    return data


@pytest.mark.parametrize(
    ("axis", "plane"),
    [
        (2, "transverse"),  # the patient's right is left, front is up
        (1, "coronal"),  # the patient's right is left, head is up
        (0, "sagittal"),  # front is left, head is up
    ],
)
def test_slices_are_shown_radiologically(tmp_path: Path, axis: int, plane: str) -> None:
    spacing = [1.0, 1.0, 1.0]
    spacing[axis] = 3.0
    read = read_volume(tmp_path, nifti_bytes(corners(axis), np.diag([*spacing, 1.0])))
    assert len(read) == corners(axis).shape[axis]
    assert {one.row["header_plane"] for one in read} == {plane}
    picture = read[1].pixels
    assert picture[:10, :10].mean() > 60
    assert picture[:10, -10:].max() == picture[-10:, :10].max() == picture[-10:, -10:].max() == 0


@pytest.mark.parametrize("codes", ["LAS", "RPS", "LPI", "PSR", "SRA", "AIL"])
def test_every_stored_orientation_gives_the_same_slices(tmp_path: Path, codes: str) -> None:
    data, affine = volume(50, 52, 54), np.diag([1, 1, 3.0, 1])
    image = nib.Nifti1Image(data, affine)
    turn = nib.orientations.ornt_transform(
        nib.orientations.axcodes2ornt("RAS"), nib.orientations.axcodes2ornt(codes)
    )
    plain = read_volume(tmp_path / "a", image.to_bytes())
    turned = read_volume(tmp_path / "b", image.as_reoriented(turn).to_bytes())
    assert len(plain) == len(turned) == 54
    for one, other in zip(plain, turned, strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)
        assert one.row["slice_id"] == other.row["slice_id"]
        assert one.row["slice_position"] == pytest.approx(other.row["slice_position"])


def test_the_range_is_of_the_volume_and_not_of_the_slice(tmp_path: Path) -> None:
    data = volume(50, 52, 54)
    read = read_volume(tmp_path, nifti_bytes(data))
    for index in (0, 20, 53):
        expected = grey(data[::-1, ::-1, index].T, data)
        np.testing.assert_array_equal(read[index].pixels, expected)


def test_slices_know_their_position(tmp_path: Path) -> None:
    affine = np.diag([1, 1, 2.5, 1])
    affine[:3, 3] = (-20, -30, -40)
    read = read_volume(tmp_path, nifti_bytes(volume(50, 52, 50), affine))
    assert [one.row["slice_position"] for one in read[:3]] == [-40.0, -37.5, -35.0]
    assert [one.row["series_index"] for one in read[:3]] == [0, 1, 2]


def test_positions_are_in_mm_along_the_normal_whatever_the_pixels_measure(tmp_path: Path) -> None:
    affine = np.diag([2, 0.5, 2.5, 1])
    affine[1, 2] = 1.0  # slices that are shifted against each other
    affine[:3, 3] = (-20, -30, -40)
    read = read_volume(tmp_path, nifti_bytes(volume(50, 52, 50), affine))
    assert [one.row["slice_position"] for one in read[:3]] == pytest.approx([-40.0, -37.5, -35.0])


@pytest.mark.parametrize(
    ("spacing", "slices", "plane"),
    [
        ((2.2, 2, 2), 54, "transverse"),
        ((2.5, 2, 2), 50, "sagittal"),
    ],
)
def test_slices_follow_the_axis_of_clearly_largest_spacing(
    tmp_path: Path, spacing, slices: int, plane: str
) -> None:
    read = read_volume(tmp_path, nifti_bytes(volume(50, 52, 54), np.diag([*spacing, 1])))
    assert len(read) == slices
    assert {one.row["header_plane"] for one in read} == {plane}


@pytest.mark.parametrize("form", ["sform", "qform"])
def test_either_form_alone_orients_a_volume(tmp_path: Path, form: str) -> None:
    image = nib.Nifti1Image(volume(50, 52, 5), None)
    getattr(image, f"set_{form}")(np.diag([1, 1, 3.0, 1]), code=1)
    read = read_volume(tmp_path, image.to_bytes())
    assert {one.row["header_plane"] for one in read} == {"transverse"}


def test_the_stated_slice_axis_wins(tmp_path: Path) -> None:
    image = nib.Nifti1Image(volume(50, 52, 54), np.diag([1, 1, 3.0, 1]))
    image.header.set_dim_info(slice=1)
    read = read_volume(tmp_path, image.to_bytes())
    assert len(read) == 52
    assert read[0].row["header_plane"] == "coronal"


def test_one_slice_of_a_volume_is_cut_along_its_own_axis(tmp_path: Path) -> None:
    image = nib.Nifti1Image(volume(1, 52, 54), np.eye(4))
    image.header.set_dim_info(slice=2)  # of the volume that it was taken out of
    (only,) = read_volume(tmp_path, image.to_bytes())
    assert (only.row["status"], only.row["header_plane"]) == ("ok", "sagittal")
    assert only.pixels.shape == (54, 52)


def test_an_isotropic_volume_is_cut_transversely_however_it_is_stored(tmp_path: Path) -> None:
    image = nib.Nifti1Image(volume(50, 52, 54), np.eye(4))
    turned = image.as_reoriented(nib.orientations.axcodes2ornt("SRA"))
    assert len(read_volume(tmp_path / "a", image.to_bytes())) == 54
    assert len(read_volume(tmp_path / "b", turned.to_bytes())) == 54


def test_pixels_are_made_square(tmp_path: Path) -> None:
    read = read_volume(tmp_path, nifti_bytes(volume(50, 60, 4), np.diag([2, 1, 5.0, 1])))
    assert (read[0].row["height"], read[0].row["width"]) == (60, 100)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("packed", [False, True])
def test_versions_and_gzip_give_the_same_slices(tmp_path: Path, version: int, packed) -> None:
    data = volume(50, 52, 5)
    encoded = nifti_bytes(data, version=version)
    read = read_volume(tmp_path, gzip.compress(encoded) if packed else encoded)
    np.testing.assert_array_equal(read[3].pixels, grey(data[::-1, ::-1, 3].T, data))


def test_big_endian_is_read(tmp_path: Path) -> None:
    data = volume(50, 52, 5)
    image = nib.Nifti1Image(data, np.eye(4), nib.Nifti1Header(endianness=">"))
    read = read_volume(tmp_path, image.to_bytes())
    np.testing.assert_array_equal(read[3].pixels, grey(data[::-1, ::-1, 3].T, data))


def test_slope_and_intercept_are_applied(tmp_path: Path) -> None:
    image = nib.Nifti1Image(volume(50, 52, 5), np.eye(4))
    image.header.set_slope_inter(-2, 7)
    read = read_volume(tmp_path, image.to_bytes())
    real = volume(50, 52, 5) * -2.0 + 7
    np.testing.assert_array_equal(read[3].pixels, grey(real[::-1, ::-1, 3].T, real))


def test_a_volume_above_the_limit_is_read_slice_by_slice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = nifti_bytes(np.stack([volume(50, 52, 20)] * 2, 3), np.diag([-1, 1, 2.0, 1]))
    whole = read_volume(tmp_path, data)
    monkeypatch.setattr(volumes, "BAND_BYTES", 6000)
    sliced = read_volume(tmp_path, data)
    assert [one.row["status"] for one in sliced] == ["ok"] * 40
    assert [one.row["slice_id"] for one in whole] == [one.row["slice_id"] for one in sliced]
    for one, other in zip(whole, sliced, strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)


def test_a_gzip_volume_above_the_limit_is_refused(tmp_path: Path) -> None:
    data = gzip.compress(nifti_bytes(volume(50, 52, 20)))
    (only,) = read_volume(tmp_path, data, IngestSettings(max_volume_bytes=20_000))
    assert only.row["reason_code"] == "volume_too_large"


def test_without_orientation_codes_the_plane_is_unknown(tmp_path: Path) -> None:
    image = nib.Nifti1Image(volume(50, 52, 5), None)
    read = read_volume(tmp_path, image.to_bytes())
    assert read[0].row["header_plane"] is None
    assert read[0].row["status"] == "ok"


@pytest.mark.parametrize(
    ("offset", "value"),
    [
        (76, 0.0),  # pixdim[0], qfac
        (84, -1.0),  # pixdim[2]
        (264, 1.000001),  # quatern_d, of half a turn about z, rounded up
    ],
)
def test_an_orientation_is_read_as_the_reference_reader_does(
    tmp_path: Path, offset: int, value: float
) -> None:
    half_a_turn = np.diag([-1, -1, 3.0, 1])
    image = nib.Nifti1Image(volume(50, 52, 54), half_a_turn)
    image.set_sform(half_a_turn, 0)
    image.set_qform(half_a_turn, 1)
    data = bytearray(image.to_bytes())
    expected = read_volume(tmp_path / "a", bytes(data))
    data[offset : offset + 4] = struct.pack("<f", value)
    read = read_volume(tmp_path / "b", bytes(data))
    assert [one.row["header_plane"] for one in read] == ["transverse"] * 54
    for one, other in zip(read, expected, strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)


def two_forms(sform: float, qform_code: int = 1) -> bytes:
    """A volume whose sform is filled with a number, and whose qform is half a turn."""
    half_a_turn = np.diag([-1, -1, 3.0, 1])
    image = nib.Nifti1Image(volume(50, 52, 54), half_a_turn)
    image.set_qform(half_a_turn, qform_code)
    data = bytearray(image.to_bytes())
    data[280:328] = struct.pack("<12f", *[sform] * 12)
    return bytes(data)


@pytest.mark.parametrize("number", [0.0, np.nan, np.inf, 1.0])
def test_a_sform_that_maps_nothing_gives_way_to_the_qform(tmp_path: Path, number: float) -> None:
    image = nib.Nifti1Image(volume(50, 52, 54), np.diag([-1, -1, 3.0, 1]))
    expected = read_volume(tmp_path / "good", image.to_bytes())
    read = read_volume(tmp_path / "bad", two_forms(number))
    assert [one.row["status"] for one in read] == ["ok"] * 54
    for one, other in zip(read, expected, strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)
        assert one.row["header_plane"] == "transverse"
        assert one.row["slice_position"] == other.row["slice_position"]


def test_without_a_stated_qform_nothing_is_made_up_for_a_sform_that_maps_nothing(
    tmp_path: Path,
) -> None:
    (only,) = read_volume(tmp_path, two_forms(0.0, qform_code=0))
    assert only.row["reason_code"] == "bad_header"


def test_a_qform_that_is_no_better_than_the_sform_does_not_help(tmp_path: Path) -> None:
    data = bytearray(two_forms(0.0))
    data[256:260] = struct.pack("<f", np.nan)  # quatern_b
    (only,) = read_volume(tmp_path, bytes(data))
    assert only.row["reason_code"] == "bad_header"


def test_a_picture_of_two_dimensions_needs_no_third_spacing(tmp_path: Path) -> None:
    data = bytearray(nifti_bytes(volume(50, 52, 1)[..., 0], qform_code=1, sform_code=0))
    data[88:92] = bytes(4)  # pixdim[3]
    (only,) = read_volume(tmp_path, bytes(data))
    assert (only.row["status"], only.row["header_plane"]) == ("ok", "transverse")


def test_an_oblique_volume_is_named_so(tmp_path: Path) -> None:
    angle = np.pi / 4
    affine = np.eye(4)
    affine[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    affine[:3, 2] *= 3
    read = read_volume(tmp_path, nifti_bytes(volume(50, 52, 5), affine))
    assert read[0].row["header_plane"] == "oblique"


def test_frames_are_counted_as_nibabel_counts_a_volume_in_its_canonical_order(
    tmp_path: Path,
) -> None:
    """As the columns say it, for labels by frame: a file may be stored either way."""
    data = volume(50, 52, 5)
    affine = np.diag([1, 1, -4, 1])
    canonical = nib.as_closest_canonical(nib.Nifti1Image(data, affine)).get_fdata()
    read = read_volume(tmp_path, nifti_bytes(data, affine))
    assert [one.row["frame"] for one in read] == [0, 1, 2, 3, 4]
    for one in read:
        shown = canonical[:, :, one.row["frame"]][::-1, ::-1].T
        np.testing.assert_array_equal(one.pixels, grey(shown, data))
    assert not np.array_equal(read[0].pixels, read[4].pixels)


def test_nan_voxels_are_black(tmp_path: Path) -> None:
    data = volume(50, 52, 5).astype(np.float32)
    data[10:20, 10:20] = np.nan
    read = read_volume(tmp_path, nifti_bytes(data))
    assert read[2].row["status"] == "ok"
    assert read[2].pixels[::-1, ::-1].T[12, 12] == 0


def test_a_split_file_gives_the_same_slices_as_the_whole(tmp_path: Path) -> None:
    from artemis.ingest.read import read_chunk
    from tests.ingest.builders import KEY

    data = np.stack([volume(50, 52, 5)] * 3, 3)
    (tmp_path / "v.nii.gz").write_bytes(gzip.compress(nifti_bytes(data)))
    whole = ingest(tmp_path)
    entries = plan(tmp_path, chunk_slices=4)
    assert [(entry.first_frame, entry.n_frames) for entry in entries] == [
        (0, 4),
        (4, 4),
        (8, 4),
        (12, 3),
    ]
    split = [one for entry in entries for one in read_chunk(tmp_path, [entry], SETTINGS, KEY)]
    assert [one.row for one in split] == [one.row for one in whole]


def test_two_dimensions_are_one_slice(tmp_path: Path) -> None:
    (only,) = read_volume(tmp_path, nifti_bytes(head().astype(np.int16)))
    assert only.row["status"] == "ok"


def test_a_reader_is_usable_on_its_own(tmp_path: Path) -> None:
    path = tmp_path / "v.nii"
    path.write_bytes(nifti_bytes(volume(50, 52, 5), np.diag([1, 1, 4.0, 1])))
    with path.open("rb") as stream:
        scan = NiftiScan(stream, path.stat().st_size, False, SETTINGS)
        assert scan.layout.frames == 5
        assert scan.decode(4).shape == (52, 50)
        for beyond in (-1, 5):
            with pytest.raises(ScanError, match=f"expected a frame {beyond}") as caught:
                scan.describe(beyond)
            assert caught.value.reason_code == "file_changed"


def test_one_slice_through_ingest_one(tmp_path: Path) -> None:
    data = nifti_bytes(volume(50, 52, 1))
    assert ingest_one(tmp_path, "one.nii", data).row["format"] == "nifti"
