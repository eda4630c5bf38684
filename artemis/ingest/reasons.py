"""Why a slice was refused or could not be read, and what a user can do about it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from artemis.errors import ScanError, ScanReadError, ScanRefusedError


class Reason(StrEnum):
    """Reason codes of the ``slices`` table."""

    # Readable, but nothing that Artemis should classify: status `refused`.
    UNSUPPORTED_FORMAT = "unsupported_format"
    ARCHIVE = "archive"
    NOT_A_REGULAR_FILE = "not_a_regular_file"
    SYMLINKED_FOLDER = "symlinked_folder"
    DICOM_DIRECTORY = "dicom_directory"
    NIFTI_PAIR = "nifti_pair"
    MODALITY = "modality"
    SECONDARY_CAPTURE = "secondary_capture"
    STRUCTURED_REPORT = "structured_report"
    SEGMENTATION = "segmentation"
    PRESENTATION_STATE = "presentation_state"
    ENCAPSULATED_DOCUMENT = "encapsulated_document"
    SPECTROSCOPY = "spectroscopy"
    RAW_DATA = "raw_data"
    OTHER_OBJECT = "other_object"
    DERIVED_IMAGE = "derived_image"
    LOCALIZER = "localizer"
    OTHER_BODY_PART = "other_body_part"
    NO_PIXEL_DATA = "no_pixel_data"
    COLOUR_DICOM = "colour_dicom"
    COLOUR_PICTURE = "colour_picture"
    STATISTICAL_MAP = "statistical_map"
    NOT_GREYSCALE = "not_greyscale"
    TOO_SMALL = "too_small"
    TOO_LARGE = "too_large"
    TOO_MANY_FRAMES = "too_many_frames"
    VOLUME_TOO_LARGE = "volume_too_large"
    BLANK = "blank"
    FEW_GREY_LEVELS = "few_grey_levels"
    # Not readable: status `failed`.
    UNREADABLE_FILE = "unreadable_file"
    UNREADABLE_FOLDER = "unreadable_folder"
    BROKEN_LINK = "broken_link"
    EMPTY_FILE = "empty_file"
    FILE_CHANGED = "file_changed"
    TRUNCATED = "truncated"
    BAD_HEADER = "bad_header"
    UNDECODABLE = "undecodable"
    UNSUPPORTED_TRANSFER_SYNTAX = "unsupported_transfer_syntax"
    OUT_OF_MEMORY = "out_of_memory"
    DECODER_CRASHED = "decoder_crashed"
    DECODER_TOO_SLOW = "decoder_too_slow"
    NESTED_TOO_DEEPLY = "nested_too_deeply"

    @property
    def status(self) -> str:
        """Status that a row with this reason has, ``refused`` or ``failed``."""
        return "failed" if self in _FAILURES else "refused"


_FAILURES: Final = frozenset(
    {
        Reason.UNREADABLE_FILE,
        Reason.UNREADABLE_FOLDER,
        Reason.BROKEN_LINK,
        Reason.EMPTY_FILE,
        Reason.FILE_CHANGED,
        Reason.TRUNCATED,
        Reason.BAD_HEADER,
        Reason.UNDECODABLE,
        Reason.UNSUPPORTED_TRANSFER_SYNTAX,
        Reason.OUT_OF_MEMORY,
        Reason.DECODER_CRASHED,
        Reason.DECODER_TOO_SLOW,
        Reason.NESTED_TOO_DEEPLY,
    }
)

_NOT_A_SLICE: Final = "Remove it from the batch, or leave it: it is never classified."
_EXPORT_AGAIN: Final = "Export or copy it again from its source."

REMEDIES: Final[Mapping[Reason, str]] = MappingProxyType(
    {
        Reason.UNSUPPORTED_FORMAT: (
            "Convert it to PNG, JPEG, BMP, TIFF, DICOM or single-file NIfTI, "
            "or remove it from the batch."
        ),
        Reason.ARCHIVE: "Unpack it if it holds scans: nothing in it was read.",
        Reason.NOT_A_REGULAR_FILE: "Remove it from the batch; only regular files are opened.",
        Reason.SYMLINKED_FOLDER: (
            "Copy the folder into the batch or classify its target as a batch of its own."
        ),
        Reason.DICOM_DIRECTORY: "Nothing to do: the images that it lists are read on their own.",
        Reason.NIFTI_PAIR: "Convert the pair of .hdr and .img to a single-file .nii.",
        Reason.MODALITY: "Remove it from the batch: Artemis reads magnetic resonance only.",
        Reason.SECONDARY_CAPTURE: "Export the original MR images instead of screen captures.",
        Reason.STRUCTURED_REPORT: _NOT_A_SLICE,
        Reason.SEGMENTATION: "Classify the images that it was drawn on instead of the mask.",
        Reason.PRESENTATION_STATE: _NOT_A_SLICE,
        Reason.ENCAPSULATED_DOCUMENT: _NOT_A_SLICE,
        Reason.SPECTROSCOPY: _NOT_A_SLICE,
        Reason.RAW_DATA: "Export the reconstructed MR images instead of the scanner's raw data.",
        Reason.OTHER_OBJECT: (
            "Export it as MR Image Storage or Enhanced MR Image Storage; "
            "dcm2niix makes a NIfTI volume of a mosaic."
        ),
        Reason.DERIVED_IMAGE: "Classify the original series from which it was computed.",
        Reason.LOCALIZER: "Classify the diagnostic series that was planned on it.",
        Reason.OTHER_BODY_PART: "Remove it from the batch: the models know heads only.",
        Reason.NO_PIXEL_DATA: "Export the object again with its pixel data.",
        Reason.COLOUR_DICOM: "Export the greyscale original instead of the coloured image.",
        Reason.COLOUR_PICTURE: (
            "Export the slice in greyscale, without colour overlays, if it is one; where its "
            "channels are sequences, the contrast-enhanced T1 alone."
        ),
        Reason.STATISTICAL_MAP: "Classify the anatomical image instead of the computed map.",
        Reason.NOT_GREYSCALE: (
            "Save it as real-valued greyscale, such as the magnitude image; "
            "split five dimensions into files of at most four."
        ),
        Reason.TOO_SMALL: "Use the slice at its original size, not a thumbnail.",
        Reason.TOO_LARGE: (
            "Export single slices at their original size, "
            "or raise ARTEMIS_INGEST__MAX_PIXELS or ARTEMIS_INGEST__MAX_SIDE."
        ),
        Reason.TOO_MANY_FRAMES: "Split the file, or raise ARTEMIS_INGEST__MAX_FRAMES.",
        Reason.VOLUME_TOO_LARGE: (
            "Store it without gzip or compression, or raise ARTEMIS_INGEST__MAX_VOLUME_BYTES."
        ),
        Reason.BLANK: "Nothing to do if the slice lies outside the head; else check its window.",
        Reason.FEW_GREY_LEVELS: "Classify the image itself instead of its mask or line drawing.",
        Reason.UNREADABLE_FILE: "Check its permissions and the disk or network it lies on.",
        Reason.UNREADABLE_FOLDER: "Check its permissions and its depth; nothing in it was read.",
        Reason.BROKEN_LINK: "Mend the link or put the file itself into the batch.",
        Reason.EMPTY_FILE: _EXPORT_AGAIN,
        Reason.FILE_CHANGED: "Run the batch again when nothing writes to its folder.",
        Reason.TRUNCATED: _EXPORT_AGAIN,
        Reason.BAD_HEADER: _EXPORT_AGAIN,
        Reason.UNDECODABLE: _EXPORT_AGAIN,
        Reason.UNSUPPORTED_TRANSFER_SYNTAX: (
            "Export it uncompressed, or as RLE, JPEG, JPEG-LS or JPEG 2000."
        ),
        Reason.OUT_OF_MEMORY: "Close other programs, or lower ARTEMIS_INGEST__MAX_PIXELS.",
        Reason.DECODER_CRASHED: (
            "Convert it with another program, or remove it; more memory helps "
            "if the system ended it for want of that."
        ),
        Reason.DECODER_TOO_SLOW: (
            "Convert it with another program, or remove it; if it is merely large, "
            "raise ARTEMIS_INGEST__MAX_READ_SECONDS."
        ),
        Reason.NESTED_TOO_DEEPLY: _EXPORT_AGAIN,
    }
)
"""One sentence for each reason: what a user can do."""


def scan_error(reason: Reason, expected: str, received: str) -> ScanError:
    """Return the error for a scan that is refused or failed.

    Parameters
    ----------
    reason : Reason
        Its code; decides between `ScanRefusedError` and `ScanReadError`.
    expected, received : str
        Halves of the sentence, without identifiers; the file's name is put before
        it where the row is made.
    """
    message = f"expected {expected}. Received {received}. {REMEDIES[reason]}"
    kind = ScanReadError if reason.status == "failed" else ScanRefusedError
    return kind(reason.value, message)
