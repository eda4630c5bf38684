"""Maps of labels and of probabilities without an intent code, and pictures that look like them."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import cKDTree

from artemis.errors import ScanError
from artemis.ingest.nifti import volume as volumes
from artemis.ingest.nifti.reader import NiftiScan
from tests.ingest.builders import SETTINGS, ingest, nifti_bytes
from tests.sample_head import brain

ANATOMICAL = Path(nib.__file__).parent / "tests" / "data"


def reason_of(data: bytes) -> str | None:
    """Return why the middle slice of the first volume is refused, or None."""
    scan = NiftiScan(io.BytesIO(data), len(data), False, SETTINGS)
    middle = scan.layout.slices // 2
    try:
        scan.render(scan.decode(middle), middle)
    except ScanError as error:
        return error.reason_code
    return None


@cache
def template() -> np.ndarray:
    """24 mm of the brain of the MNI152 template, 0 to 255, 0 around it."""
    values = brain()[10:188, 10:238, 140:164]
    return np.ascontiguousarray(values / values.max() * 255)


@cache
def noisy(spread: float) -> np.ndarray:
    """The template as a scanner has it, by Rice's distribution."""
    random = np.random.default_rng(3)
    real, imaginary = (random.normal(0, spread, template().shape) for _ in range(2))
    return np.hypot(template() + real, imaginary)


@cache
def tissues() -> np.ndarray:
    """A segmentation of the template: 0 around it, 1 fluid, 2 grey and 3 white matter."""
    return np.digitize(ndimage.gaussian_filter(template(), 0.7), (5, 95, 165)).astype(np.int16)


@cache
def parcels() -> np.ndarray:
    """Grey matter in parcels and white matter in two halves, numbered as FreeSurfer does."""
    found, random = tissues(), np.random.default_rng(1)
    places = np.argwhere(found == 2)
    seeds = places[random.choice(len(places), 68, replace=False)]
    numbers = np.array([*range(1001, 1035), *range(2001, 2035)])
    labels = np.where(found == 3, 2, np.where(found == 1, 24, 0))
    labels[len(labels) // 2 :][labels[len(labels) // 2 :] == 2] = 41
    labels[tuple(places.T)] = numbers[cKDTree(seeds).query(places)[1]]
    return labels


def chances(width: float) -> np.ndarray:
    """Chances of white matter whose borders are so many voxels wide."""
    soft = ndimage.gaussian_filter((tissues() == 3).astype(np.float32), width)
    return np.clip((soft - 0.5) * 1.6 + 0.5, 0, 1).astype(np.float32)


LABELS: dict[str, Callable[[], np.ndarray]] = {
    "parcels, int16": lambda: parcels().astype(np.int16),
    "parcels, int32": lambda: parcels().astype(np.int32),
    "parcels, float32": lambda: parcels().astype(np.float32),
    "parcels at 2 mm": lambda: parcels()[::2, ::2, ::2].astype(np.int32),
    "tissues": tissues,
    "tissues, float64": lambda: tissues().astype(np.float64),
    "mask of 1": lambda: (tissues() > 0).astype(np.uint8),
    "mask of 255": lambda: np.where(tissues() > 0, 255, 0).astype(np.uint8),
    "mask in a filled frame": lambda: np.where(tissues() > 0, 0, 1).astype(np.uint8),
}


@pytest.mark.parametrize("make", LABELS.values(), ids=LABELS)
def test_a_map_of_labels_is_refused_by_its_name(make: Callable[[], np.ndarray]) -> None:
    assert reason_of(nifti_bytes(make())) == "segmentation"


@pytest.mark.parametrize("width", [0.5, 0.8])
def test_a_map_of_probabilities_is_refused_by_its_name(width: float) -> None:
    assert reason_of(nifti_bytes(chances(width))) == "statistical_map"


def windowed(values: np.ndarray, low: float, high: float, bits: int = 8) -> np.ndarray:
    most = 2**bits - 1
    scaled = np.rint(np.clip((values - low) / (high - low), 0, 1) * most)
    return scaled.astype(np.uint8 if bits <= 8 else np.uint16)


def cut_off(share: float) -> np.ndarray:
    """The template within its mask, in floats to 1, what is above this share of it set to 1."""
    values = np.where(template() > 0, noisy(6), 0)
    return np.clip(values / np.quantile(values[values > 0], share), 0, 1).astype(np.float32)


def turned_and_enlarged(times: float, degrees: float = 10) -> np.ndarray:
    """A coarse picture on finer voxels, each of which takes the nearest one."""
    turn = np.radians(degrees)
    matrix = [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]
    step = int(times)
    return ndimage.affine_transform(
        windowed(noisy(6), 0, 255)[::step, ::step, ::step],
        np.array(matrix) / times,
        offset=[0, 40 / times, 0],
        order=0,
        output_shape=template().shape,
    )


def thick(times: int) -> np.ndarray:
    """A picture of thick slices, cut across them."""
    picture = windowed(noisy(6), 0, 255)[:, :: int(times)]
    return np.ascontiguousarray(picture.repeat(times, 1))


def enlarged(values: np.ndarray, times: int) -> np.ndarray:
    for axis in range(3):
        values = values.repeat(times, axis)
    return values


PICTURES: dict[str, Callable[[], np.ndarray]] = {
    "8 bits": lambda: windowed(template(), 0, 255),
    "8 bits, noise": lambda: windowed(noisy(6), 0, 255),
    "16 bits, noise": lambda: windowed(noisy(6), 0, 255, 12),
    "floats": template,
    "floats to 1": lambda: (template() / 255).astype(np.float32),
    "floats to 1, a third of them cut off": lambda: cut_off(0.67),
    "floats to 1, a twentieth of them cut off": lambda: cut_off(0.95),
    **{
        f"{2**bits} greys, noise {noise}": lambda bits=bits, noise=noise: windowed(
            noisy(noise), 0, 255, bits
        )
        for bits in (4, 5, 6)
        for noise in (0, 4)
    },
    "a window of ten greys": lambda: windowed(np.rint(noisy(6)), 140, 150),
    "a window of six greys": lambda: windowed(np.rint(noisy(6)), 140, 146),
    "nearly black and white": lambda: windowed(noisy(6), 140, 160),
    "nearly black and white, floats": lambda: (windowed(noisy(6), 140, 160) / 255).astype("f4"),
    "twenty greys in floats to 1": lambda: np.clip((np.rint(noisy(6)) - 140) / 20, 0, 1).astype(
        np.float32
    ),
    "white matter of one grey": lambda: windowed(np.where(noisy(4) > 165, 110, noisy(4)), 0, 255),
    "a background of two greys": lambda: np.where(
        np.arange(178)[:, None, None] < 60, 7, windowed(noisy(6), 0, 255)
    ).astype(np.uint8),
    "enlarged by neighbours": lambda: enlarged(windowed(noisy(6), 0, 255)[::2, ::2, ::2], 3),
    **{
        f"turned and enlarged {times} times": lambda times=times: turned_and_enlarged(times)
        for times in (1.3, 2, 3, 4)
    },
    "thick slices cut across": lambda: thick(8),
}


@pytest.mark.parametrize("make", PICTURES.values(), ids=PICTURES)
def test_a_picture_is_not_taken_for_a_map(make: Callable[[], np.ndarray]) -> None:
    assert reason_of(nifti_bytes(make())) is None


@pytest.mark.parametrize(
    "name",
    ["anatomical.nii", "functional.nii", "reoriented_anat_moved.nii", "resampled_anat_moved.nii"],
)
def test_real_volumes_of_nibabel_are_not_taken_for_maps(name: str) -> None:
    assert reason_of((ANATOMICAL / name).read_bytes()) is None


def test_the_samples_volume_is_not_taken_for_a_map(samples: Path) -> None:
    image = nib.load(samples / "sagittal_volume_simulated_pituitary_tumour.nii.gz")
    assert reason_of(image.to_bytes()) is None


def test_every_slice_of_a_map_is_a_refused_row_with_its_remedy(tmp_path: Path) -> None:
    labels = parcels()[::2, ::2, ::2].astype(np.int16)
    (tmp_path / "aparc+aseg.nii").write_bytes(nifti_bytes(labels))
    read = ingest(tmp_path)
    assert len(read) == labels.shape[2] == 12
    assert {(one.row["status"], one.row["reason_code"]) for one in read} == {
        ("refused", "segmentation")
    }
    assert read[6].row["reason"] == (
        "aparc+aseg.nii: expected an image. Received a map of labels: each of its values lies in "
        "regions of its own. Classify the images that it was drawn on instead of the mask."
    )
    assert read[6].pixels is None


def test_a_map_is_told_by_parts_of_a_volume_that_is_never_held(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(volumes, "BAND_BYTES", 1 << 20)
    monkeypatch.setattr(volumes, "_BLOCK_BYTES", 1 << 18)
    assert reason_of(nifti_bytes(parcels().astype(np.int16))) == "segmentation"
    assert reason_of(nifti_bytes(windowed(noisy(6), 0, 255, 12))) is None


def test_each_volume_of_a_file_is_told_by_itself(tmp_path: Path) -> None:
    picture = windowed(noisy(6), 0, 255)[::3, ::3, ::6]
    mask = (tissues() > 0)[::3, ::3, ::6].astype(np.uint8)
    both = np.stack([picture, mask], axis=3)
    (tmp_path / "a.nii").write_bytes(nifti_bytes(both, np.diag([3, 3, 6, 1])))
    codes = [one.row["reason_code"] for one in ingest(tmp_path)]
    half = picture.shape[2]
    assert "segmentation" not in codes[:half]
    assert codes[half:] == ["segmentation"] * half
