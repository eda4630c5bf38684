"""Make data/samples: slices of a simulated head, in all formats, and files to refuse.

`python tests/make_samples.py data/samples`

Template, drawn parts and lesions: see `tests/sample_head.py`. The same versions of the libraries
give the same bytes. README.md and LICENSE.md of the folder are written by hand.
"""

from __future__ import annotations

import argparse
import gzip
import io
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    MRImageStorage,
    RLELossless,
    generate_uid,
)

sys.path.insert(0, str(Path(__file__).parent.parent))  # for `tests`, when run as a script
from tests.sample_head import (
    AIR,
    ORIGIN,
    SHAPE,
    Volume,
    glioma,
    head,
    meningioma,
    parasagittal_meningioma,
    pituitary,
)

FIELD: Final = 240.0  # mm, of every slice
STORED_PER_GREY: Final = 8
NOISE: Final = 1.6  # grey values
SERIES: Final = "dicom_series_simulated_meningioma"
AXIS_OF: Final = {"sagittal": 0, "coronal": 1, "transverse": 2}


def cut(volume: Volume, plane: str, at: int, thickness: int = 3) -> Volume:
    """Return a slice as displayed in hospital, rows down and columns to the right, 1 mm.

    The mean over `thickness` mm, an odd number. Up is the head or the front; left is the
    patient's right, or the front in sagittal slices.
    """
    axis = AXIS_OF[plane]
    first = at - ORIGIN[axis] - thickness // 2
    slab = np.take(volume, range(first, first + thickness), axis=axis).mean(axis=axis)
    return np.asarray(slab[::-1, ::-1].T, dtype=np.float32)


def framed(picture: Volume, side: int, seed: int) -> Volume:
    """Return a 1 mm slice as a square of `side` pixels over `FIELD`, with a scanner's noise.

    Geometry is kept: the slice is resampled, centred and padded with air.
    """
    scale = side / FIELD
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    fine = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))
    canvas = np.full((side, side), AIR, dtype=np.float32)
    target, source = zip(*(_overlap(side, length) for length in fine.shape), strict=True)
    canvas[target] = fine[source]
    two = np.random.default_rng(seed).normal(0, NOISE, (2, side, side))
    return np.asarray(np.hypot(canvas + two[0], two[1]), dtype=np.float32)  # Rician


def _overlap(side: int, length: int) -> tuple[slice, slice]:
    """Return the parts of a canvas and of a centred picture that coincide along one axis."""
    start = (side - length) // 2
    return (
        slice(max(0, start), min(side, start + length)),
        slice(max(0, -start), max(0, -start) + min(side, length)),
    )


def grey8(picture: Volume) -> NDArray[np.uint8]:
    """Return grey values rounded to 8 bits."""
    return np.rint(np.clip(picture, 0, 255)).astype(np.uint8)


def grey16(picture: Volume) -> NDArray[np.uint16]:
    """Return grey values as a scanner stores them, 12 of 16 bits."""
    return np.rint(np.clip(picture * STORED_PER_GREY, 0, 4095)).astype(np.uint16)


def slice8(volume: Volume, plane: str, at: int, side: int, seed: int) -> NDArray[np.uint8]:
    """Return the slice `at` mm, framed, in 8 bits."""
    return grey8(framed(cut(volume, plane, at), side, seed))


def centre_mm() -> NDArray[np.float64]:
    """Return the centre of the grid, and so of every framed slice, in mm (x, y, z)."""
    return np.array([start + (length - 1) / 2 for start, length in zip(ORIGIN, SHAPE, strict=True)])


# --- Formats -------------------------------------------------------------------------------


def picture(pages: NDArray[Any] | Sequence[NDArray[Any]], kind: str, **options: Any) -> bytes:
    """Return a picture, or several as pages, as a file of Pillow's format `kind`."""
    images = [
        Image.fromarray(page) for page in ([pages] if isinstance(pages, np.ndarray) else pages)
    ]
    if len(images) > 1:
        options |= {"save_all": True, "append_images": images[1:]}
    stream = io.BytesIO()
    images[0].save(stream, kind, **options)
    return stream.getvalue()


def uid(*names: str) -> UID:
    """Return the UID, always the same, that belongs to a name."""
    return generate_uid(entropy_srcs=["artemis samples", *names])


def identification(name: str) -> Dataset:
    """Return patient, study, series and equipment: obviously synthetic, and without dates."""
    values = Dataset()
    values.PatientName, values.PatientID = "SIMULATED^SAMPLE", "SIMULATED"
    values.PatientBirthDate = values.PatientSex = values.AccessionNumber = ""
    values.StudyDate = values.StudyTime = values.StudyID = values.ReferringPhysicianName = ""
    values.StudyInstanceUID, values.SeriesInstanceUID = uid(name, "study"), uid(name, "series")
    values.FrameOfReferenceUID = uid(name, "frame of reference")
    values.PositionReferenceIndicator = ""
    values.StudyDescription = values.SeriesDescription = "Simulated sample, no patient"
    values.Manufacturer, values.SeriesNumber, values.PatientPosition = "SIMULATED", 1, "HFS"
    values.BodyPartExamined, values.BurnedInAnnotation = "HEAD", "NO"
    return values


def image_plane(z: float, side: int) -> Dataset:
    """Return the geometry of a framed transverse slice (PS3.3 C.7.6.2; x to the left, y back)."""
    values, spacing, (x, y, _) = Dataset(), FIELD / side, centre_mm()
    half = (side - 1) / 2 * spacing
    values.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    values.ImagePositionPatient = [round(-x - half, 4), round(-y - half, 4), z]
    values.PixelSpacing = [spacing, spacing]
    values.SliceThickness, values.SpacingBetweenSlices = 5, 8
    return values


def image_pixels(stored: NDArray[np.uint16]) -> Dataset:
    """Return 12-bit pixels, how to rescale them, and the window (PS3.3 C.7.6.3, C.11.2)."""
    values = Dataset()
    values.SamplesPerPixel, values.PhotometricInterpretation = 1, "MONOCHROME2"
    values.Rows, values.Columns = stored.shape
    values.BitsAllocated, values.BitsStored, values.HighBit = 16, 12, 11
    values.PixelRepresentation = 0
    values.RescaleIntercept, values.RescaleSlope = 0, 0.5
    values.WindowCenter, values.WindowWidth = 440, 880  # grey 0 to 220, times 8, times 0.5
    values.PixelData = stored.astype("<u2").tobytes()
    values["PixelData"].VR = "OW"
    return values


def acquisition(modality: str) -> Dataset:
    """Return what the MR or CT image module asks for (PS3.3 C.8.3.1, C.8.2.1)."""
    values = Dataset()
    values.Modality, values.AcquisitionNumber = modality, 1
    if modality == "CT":
        values.ImageType, values.KVP = ["ORIGINAL", "PRIMARY", "AXIAL"], 120
        values.RescaleType = "HU"
        return values
    values.ImageType = ["ORIGINAL", "PRIMARY", "M", "SE"]
    values.RescaleType = "US"
    values.ScanningSequence, values.SequenceVariant = "SE", "NONE"
    values.ScanOptions, values.MRAcquisitionType = "", "2D"
    values.RepetitionTime, values.EchoTime, values.EchoTrainLength = 500, 10, 1
    return values


def file_meta(values: Dataset) -> FileMetaDataset:
    """Return the file meta information of an uncompressed object (PS3.10 section 7.1)."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = values.SOPClassUID
    meta.MediaStorageSOPInstanceUID = values.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = uid("implementation")
    meta.ImplementationVersionName = "ARTEMIS_SAMPLES"
    return meta


def dicom(
    stored: NDArray[np.uint16],
    z: float,
    number: int,
    name: str,
    modality: str = "MR",
    syntax: UID = ExplicitVRLittleEndian,
) -> bytes:
    """Return a transverse slice as a DICOM file.

    Parameters
    ----------
    stored : ndarray, (side, side), uint16
        12-bit values.
    z : float
        Position in mm.
    number : int
        Instance Number.
    name : str
        Of the study; its UIDs follow from it.
    modality : {'MR', 'CT'}
        Decides the SOP class too.
    syntax : UID
        Transfer syntax.
    """
    values = Dataset()
    values.SOPClassUID = MRImageStorage if modality == "MR" else CTImageStorage
    values.SOPInstanceUID = uid(name, str(number))
    values.InstanceNumber = number
    side = stored.shape[0]
    for part in (
        identification(name),
        acquisition(modality),
        image_plane(z, side),
        image_pixels(stored),
    ):
        values.update(part)
    values.file_meta = file_meta(values)
    if syntax != ExplicitVRLittleEndian:
        plugin = {RLELossless: "pydicom", JPEG2000Lossless: "pylibjpeg"}[syntax]
        values.compress(syntax, encoding_plugin=plugin, generate_instance_uid=False)
    stream = io.BytesIO()
    values.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def sagittal_volume(volume: Volume, side: int, step: int, count: int) -> bytes:
    """Return sagittal slices around the middle as a NIfTI-1 file, gzip; both numbers odd."""
    middle, spacing = centre_mm(), FIELD / side
    places = [step * (rank - count // 2) for rank in range(count)]
    slices = [
        grey16(framed(cut(volume, "sagittal", x, step), side, 80 + rank))
        for rank, x in enumerate(places)
    ]
    # Displayed rows run down and columns to the back; the volume's axes up and to the front.
    voxels = np.stack([shown[::-1, ::-1].T for shown in slices]).astype(np.int16)
    corner = middle[1:] - (side - 1) / 2 * spacing
    affine = np.diag([step, spacing, spacing, 1.0])
    affine[:3, 3] = [places[0], *corner]
    image = nib.Nifti1Image(voxels, affine)
    image.header.set_dim_info(slice=0)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = b"Simulated sample, no patient; see LICENSE.md"
    return gzip.compress(image.to_bytes(), mtime=0)


def drawing(width: int = 320, height: int = 240) -> NDArray[np.uint8]:
    """Return a landscape in colour, (height, width, 3): nothing that Artemis should classify."""
    sky = np.linspace([70, 130, 210], [190, 215, 240], height)[:, None, :]
    image = Image.fromarray(np.broadcast_to(sky, (height, width, 3)).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    draw.ellipse((235, 25, 285, 75), fill=(250, 215, 70))
    draw.polygon([(0, 170), (80, 90), (150, 165), (210, 110), (320, 180)], fill=(110, 115, 135))
    draw.rectangle((0, 165, width, height), fill=(75, 140, 60))
    draw.rectangle((60, 140, 125, 190), fill=(200, 95, 70))
    draw.polygon([(52, 140), (92, 108), (133, 140)], fill=(120, 45, 40))
    return np.asarray(image)


# --- The folder ----------------------------------------------------------------------------


def pictures() -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of the PNG, JPEG, BMP and TIFF files."""
    coronal = slice8(head(), "coronal", -20, 320, 1)
    yield "coronal_no_lesion.png", picture(coronal, "PNG", optimize=True)
    sagittal = slice8(head(), "sagittal", 4, 320, 2)
    yield "sagittal_no_lesion.jpg", picture(sagittal, "JPEG", quality=90)
    transverse = grey16(framed(cut(head(), "transverse", 12), 256, 3))
    deflate = {"compression": "tiff_adobe_deflate"}
    yield "transverse_no_lesion_16_bit.tif", picture(transverse, "TIFF", **deflate)
    ring = slice8(glioma(), "coronal", -16, 256, 4)
    yield "coronal_simulated_glioma.bmp", picture(ring, "BMP")
    pages = [slice8(glioma(), "transverse", z, 256, 5 + z) for z in (19, 27, 35)]
    yield "transverse_simulated_glioma_3_pages.tif", picture(pages, "TIFF", **deflate)
    lateral = slice8(meningioma(), "coronal", 8, 320, 6)
    yield "coronal_simulated_meningioma.png", picture(lateral, "PNG", optimize=True)
    vertex = slice8(parasagittal_meningioma(), "sagittal", 12, 320, 7)
    yield "sagittal_simulated_meningioma.jpg", picture(vertex, "JPEG", quality=90)
    sella = slice8(pituitary(), "coronal", 4, 320, 8)
    yield "coronal_simulated_pituitary_tumour.jpg", picture(sella, "JPEG", quality=90)
    midline = slice8(pituitary(), "sagittal", 2, 320, 9)
    yield "sagittal_simulated_pituitary_tumour.png", picture(midline, "PNG", optimize=True)


def series() -> Iterator[tuple[str, bytes]]:
    """Yield six DICOM slices. Numbers do not follow positions, and one name has no suffix."""
    syntaxes = {2: RLELossless, 5: JPEG2000Lossless}
    for number, z in enumerate((43, 27, 67, 35, 59, 51), start=1):
        stored = grey16(framed(cut(meningioma(), "transverse", z, 5), 256, 20 + number))
        name = f"{SERIES}/image_{number}" + ("" if number == 4 else ".dcm")
        syntax = syntaxes.get(number, ExplicitVRLittleEndian)
        yield name, dicom(stored, z, number, "meningioma", syntax=syntax)


def samples() -> Iterator[tuple[str, bytes]]:
    """Yield path and bytes of every sample, healthy slices first."""
    yield from pictures()
    yield from series()
    yield (
        "sagittal_volume_simulated_pituitary_tumour.nii.gz",
        sagittal_volume(pituitary(), 160, 5, 11),
    )
    stored = grey16(framed(cut(head(), "transverse", 12, 5), 256, 40))
    yield "refused_ct.dcm", dicom(stored, 12, 1, "ct", modality="CT")
    yield "refused_colour_drawing.png", picture(drawing(), "PNG", optimize=True)
    whole = picture(slice8(head(), "transverse", 12, 256, 41), "PNG", optimize=True)
    yield "broken_truncated.png", whole[: len(whole) // 2]


def main(folder: Path) -> int:
    """Write all samples into a folder."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, data in samples():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Make the sample batch.")
    parser.add_argument("folder", type=Path, help="where to write, such as data/samples")
    sys.exit(main(parser.parse_args().folder))
