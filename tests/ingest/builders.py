"""Real bytes for the tests: pictures, DICOM objects and NIfTI volumes."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from artemis.ingest.identity import IdentityKey
from artemis.ingest.plan import PlanEntry, plan_batch
from artemis.ingest.read import IngestedSlice, read_chunk
from artemis.settings import IngestSettings

MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"
LEGACY_ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.4"
TRANSVERSE = [1, 0, 0, 0, 1, 0]
CORONAL = [1, 0, 0, 0, 0, -1]
SAGITTAL = [0, 1, 0, 0, 0, -1]
KEY = IdentityKey(bytes(range(32)))
SETTINGS = IngestSettings()


def head(side: int = 64, top: int = 4000, dtype: Any = np.uint16) -> np.ndarray:
    """A bright, textured disc on black: a slice as far as the quality checks can tell."""
    y, x = np.mgrid[:side, :side]
    radius = np.hypot(y - side / 2, x - side / 2) / side
    texture = 0.6 + 0.4 * np.sin(x / 3.0) * np.cos(y / 5.0)
    return np.where(radius < 0.42, texture * top, 0).astype(dtype)


def head8(side: int = 64) -> np.ndarray:
    return head(side, 250, np.uint8)


def mr(
    pixels: np.ndarray | None = None,
    sop_class: str = MR_IMAGE,
    syntax: str = ExplicitVRLittleEndian,
    **elements: Any,
) -> FileDataset:
    """An MR image object; any element can be overridden, None removes it."""
    pixels = head() if pixels is None else pixels
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = syntax
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    bits = pixels.dtype.itemsize * 8
    values: dict[str, Any] = {
        "SOPClassUID": sop_class,
        "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
        "Modality": "MR",
        "ImageType": ["ORIGINAL", "PRIMARY", "M", "ND"],
        "PatientName": "DOE^JANE",
        "PatientID": "PATIENT-0815",
        "StudyInstanceUID": "1.2.3.4",
        "SeriesInstanceUID": "1.2.3.4.5",
        "InstanceNumber": 1,
        "ImageOrientationPatient": TRANSVERSE,
        "ImagePositionPatient": [0, 0, 0],
        "PixelSpacing": [1, 1],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": pixels.shape[-2],
        "Columns": pixels.shape[-1],
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
    }
    values.update(elements)
    for keyword, value in values.items():
        if value is not None:
            setattr(ds, keyword, value)
    order = ">" if syntax == "1.2.840.10008.1.2.2" else "<"
    if "PixelData" not in elements:
        ds.PixelData = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    if "PixelData" in ds:
        ds["PixelData"].VR = (
            "OB" if bits == 8 or ds.file_meta.TransferSyntaxUID.is_encapsulated else "OW"
        )
    return ds


def encapsulated(
    frames: Sequence[bytes], pixels: np.ndarray, syntax: str, **elements: Any
) -> FileDataset:
    ds = mr(pixels, syntax=syntax, PixelData=encapsulate(list(frames)), **elements)
    ds["PixelData"].is_undefined_length = True
    return ds


def item(**elements: Any) -> Dataset:
    ds = Dataset()
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    return ds


def dicom_bytes(ds: Dataset) -> bytes:
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pydicom.dcmwrite(stream, ds, enforce_file_format=True)
    return stream.getvalue()


def save(path: Path, ds: Dataset) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(dicom_bytes(ds))
    return path


def picture_bytes(pixels: np.ndarray | Image.Image, kind: str, **options: Any) -> bytes:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png16(pixels: np.ndarray, before: bytes = b"", after: bytes = b"") -> bytes:
    """A PNG of 16 bits: (h, w, 2) is grey and alpha, 3 RGB, 4 RGB and alpha."""
    height, width, channels = pixels.shape
    kind = {2: 4, 3: 2, 4: 6}[channels]
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in pixels)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0))
        + before
        + png_chunk(b"IDAT", zlib.compress(lines))
        + after
        + png_chunk(b"IEND", b"")
    )


def tiff16(pixels: np.ndarray, order: str = "<", deflated: bool = False, **tags: int) -> bytes:
    """A TIFF of 16 bits and several channels (h, w, c), in one strip."""
    height, width, channels = pixels.shape
    data = pixels.astype(order + "u2").tobytes()
    data = zlib.compress(data) if deflated else data
    bits_at = 8 + len(data) + len(data) % 2
    fields = {256: width, 257: height, 258: bits_at, 259: 8 if deflated else 1}
    fields |= {262: tags.get("photometric", 2), 273: 8, 277: channels, 278: height}
    fields |= {279: len(data), 284: tags.get("planar", 1)}
    if "extra" in tags:
        fields[338] = tags["extra"]
    entries = b"".join(
        struct.pack(order + "HHII", tag, 3, channels, value)
        if tag == 258
        else struct.pack(order + "HHII", tag, 4, 1, value)
        for tag, value in fields.items()
    )
    directory = struct.pack(order + "H", len(fields)) + entries + bytes(4)
    bits = struct.pack(order + "H", 16) * channels
    start = b"II*\0" if order == "<" else b"MM\0*"
    start += struct.pack(order + "I", bits_at + len(bits))
    return start + data.ljust(bits_at - 8, b"\0") + bits + directory


def tiff_pages(pages: Sequence[np.ndarray]) -> bytes:
    """A TIFF of grey pages of any numbers, also of those that Pillow does not read."""
    made, link = bytearray(b"II*\0" + bytes(4)), 4
    for pixels in pages:
        height, width = pixels.shape
        data_at = len(made)
        made += pixels.tobytes() + bytes(pixels.nbytes % 2)
        made[link : link + 4] = struct.pack("<I", len(made))
        fields = {256: width, 257: height, 258: 8 * pixels.dtype.itemsize, 259: 1, 262: 1}
        fields |= {273: data_at, 277: 1, 278: height, 279: pixels.nbytes}
        fields |= {339: {"u": 1, "i": 2, "f": 3}[pixels.dtype.kind]}
        made += struct.pack("<H", len(fields))
        for tag, value in fields.items():
            made += struct.pack("<HHII", tag, 4, 1, value)
        link = len(made)
        made += bytes(4)
    return bytes(made)


def imagej_stack(
    planes: np.ndarray, order: str = ">", description: str | None = None, **tags: int
) -> bytes:
    """A TIFF of one directory and all planes (n, h, w) after it, as ImageJ and tifffile write."""
    count, height, width = planes.shape[:3]
    text = f"ImageJ=1.54f\nimages={count}\nslices={count}\nunit=mm\n"
    text = (text if description is None else description) + "\0"
    stored = planes.astype(planes.dtype.newbyteorder(order))
    bits = 8 * planes.dtype.itemsize
    fields = {256: width, 257: height, 258: bits, 259: 1, 262: 1, 270: 0, 273: 0, 277: 1}
    fields |= {278: height, 279: stored[0].nbytes}
    fields |= {339: {"u": 1, "i": 2, "f": 3}[planes.dtype.kind]}
    fields |= {int(tag[1:]): value for tag, value in tags.items()}
    text_at = 8 + 2 + 12 * len(fields) + 4
    fields |= {270: text_at, 273: text_at + len(text)}
    made = (b"MM\0*" if order == ">" else b"II*\0") + struct.pack(order + "IH", 8, len(fields))
    for tag, value in sorted(fields.items()):
        kind, values = (2, len(text)) if tag == 270 else (4, 1)
        made += struct.pack(order + "HHII", tag, kind, values, value)
    return made + bytes(4) + text.encode("ascii") + stored.tobytes()


def nifti_bytes(
    data: np.ndarray, affine: np.ndarray | None = None, version: int = 1, **header: Any
) -> bytes:
    kind = nib.Nifti1Image if version == 1 else nib.Nifti2Image
    image = kind(data, np.eye(4) if affine is None else affine)
    for field, value in header.items():
        image.header[field] = value
    return image.to_bytes()


def plan(root: Path, **options: Any) -> list[PlanEntry]:
    settings = options.pop("settings", SETTINGS)
    chunk_slices = options.pop("chunk_slices", 100_000)
    chunks = plan_batch(root, settings, chunk_slices, **options)
    return [entry for chunk in chunks for entry in chunk]


def ingest(root: Path, settings: IngestSettings = SETTINGS) -> list[IngestedSlice]:
    """Plan and read a folder; a row for every planned frame is part of the contract."""
    entries = plan(root, settings=settings)
    slices = list(read_chunk(root, entries, settings, KEY))
    assert len(slices) == sum(entry.n_frames for entry in entries)
    return slices


def ingest_one(
    root: Path, name: str, data: bytes, settings: IngestSettings = SETTINGS
) -> IngestedSlice:
    root.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(data)
    (only,) = ingest(root, settings)
    return only


def lossless_jpeg(pixels: np.ndarray) -> bytes:
    """Encode 16-bit grey as lossless JPEG, process 14, predictor 1 (ISO/IEC 10918-1 annex H)."""
    rows, columns = pixels.shape
    values = pixels.astype(np.int64)
    predicted = np.empty_like(values)
    predicted[:, 1:] = values[:, :-1]
    predicted[1:, 0] = values[:-1, 0]
    predicted[0, 0] = 1 << 15
    differences = (values - predicted + 32768) % 65536 - 32768
    bits = []
    for difference in differences.ravel().tolist():
        category = 16 if difference == -32768 else abs(difference).bit_length()
        bits.append(f"{category:05b}")  # seventeen codes of five bits
        if 0 < category < 16:
            extra = difference if difference > 0 else difference + (1 << category) - 1
            bits.append(f"{extra:0{category}b}")
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    scan = int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\0")
    table = bytes([0, *[0, 0, 0, 0, 17], *[0] * 11, *range(17)])
    return (
        b"\xff\xd8\xff\xc3"
        + struct.pack(">HBHHBBBB", 11, 16, rows, columns, 1, 1, 0x11, 0)
        + b"\xff\xc4"
        + struct.pack(">H", 2 + len(table))
        + table
        + b"\xff\xda"
        + struct.pack(">HBBBBBB", 8, 1, 1, 0, 1, 0, 0)
        + scan
        + b"\xff\xd9"
    )
