"""What every column of a run's Parquet tables means, in the words of the documentation.

The tables themselves are in `artemis.predictions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from artemis.labels import CATEGORIES, PROBABILITY_COLUMNS, TUMORS

_RUN: Final = "the run"
_PATH: Final = "file, relative to the batch folder"
_FRAME: Final = (
    "frame of the file, from 0; of a NIfTI volume in the order of nibabel's "
    "`as_closest_canonical`, towards the patient's right, front or head, whichever way it is stored"
)
_VERSION: Final = "its version"
_MODEL: Final = "name of the model"

SLICES: Final[Mapping[str, str]] = {
    "slice_id": "SHA-256 of the decoded pixels and frame; empty where nothing was decoded",
    "path": _PATH,
    "file_sha256": "SHA-256 of the file; empty where it was refused by its header alone",
    "format": "`png`, `jpeg`, `bmp`, `tiff`, `dicom` or `nifti`, by content",
    "frame": _FRAME,
    "patient_key": "keyed hash of the patient's identifiers; the key stays in the workspace",
    "study_key": "keyed hash of the study's UID, of DICOM",
    "series_key": "keyed hash of the series' UID, of DICOM",
    "series_index": "place in the series, from 0, by position and never by instance number; of a "
    "4-D NIfTI in its volume",
    "volume": "volume of a 4-D NIfTI, such as a time point, from 0; empty where the file holds one",
    "slice_position": "place along the normal of the slices, in mm",
    "header_plane": "plane by the header: `coronal`, `sagittal`, `transverse` or `oblique`",
    "width": "pixels",
    "height": "pixels",
    "mean_intensity": "mean grey value, 0 to 255",
    "contrast": "99th minus 1st percentile of the grey values, 0 to 255",
    "foreground_fraction": "share of pixels brighter than the background, 0 to 1",
    "entropy": "Shannon entropy of the grey values, 0 to 8 bits",
    "sharpness": "variance of the Laplacian; sharper or noisier is higher, within a series",
    "status": "`ok`, `refused` or `failed`",
    "reason_code": "why it was refused or failed",
    "reason": "the same as a sentence, with what to do",
    "run_id": _RUN,
}

PREDICTIONS: Final[Mapping[str, str]] = {
    "slice_id": "as in `slices`; copies share one",
    "path": _PATH,
    "frame": _FRAME,
    "model": _MODEL,
    "model_version": _VERSION,
    "category": "the answer, `glioma_coronal` … `none_transverse`",
    "tumor": "its tumour: `glioma`, `meningioma`, `pituitary` or `none`",
    "plane": "its plane: `coronal`, `sagittal` or `transverse`",
    "confidence": "calibrated probability of the answer, 0 to 1; means nothing where "
    "`review_reasons` has `out_of_distribution`",
    "p_tumor": "1 − p(none), 0 to 1",  # noqa: RUF001 - a minus sign
    "set_90": "plausible categories, most probable first",
    **{
        column: f"calibrated probability of {category.name}, 0 to 1"
        for column, category in zip(PROBABILITY_COLUMNS, CATEGORIES, strict=True)
    },
    "ood_score": "distance from the training images; higher is stranger",
    "doubt": "0 (sure) to 1, orders the review queue",
    "needs_review": "whether a person should look, by this model; the first model's decides of the "
    "slice",
    "review_reasons": "why",
    "trained_on": "whether the model was trained on these very pixels; then `confidence` flatters",
    "out_of_fold_category": "answer of a network of the same recipe that had not seen it, for what "
    "was trained on",
    "run_id": _RUN,
}

STUDIES: Final[Mapping[str, str]] = {
    "study_key": "as in `slices`",
    "series_key": "as in `slices`, or `file-…` of a NIfTI volume; empty in the row of a study",
    "patient_key": "as in `slices`",
    "model": _MODEL,
    "model_version": _VERSION,
    "slices": "how many slices were found",
    "classified": "how many of them were classified, copies once",
    "tumor": "the answer: `glioma`, `meningioma`, `pituitary` or `none`",
    "confidence": "its probability by the rule, 0 to 1",
    **{f"p_{tumor}": f"probability of {tumor} by the rule, 0 to 1" for tumor in TUMORS},
    "supporting": "`slice_id` of the slices that speak most for the answer, at most five",
    "rule": "how slices were made one answer, see confidence.md",
    "planes": "planes of the slices by their headers, or else what most slices of a series show",
    "needs_review": "whether a person should look",
    "review_reasons": "why",
    "run_id": _RUN,
}

THUMBNAILS: Final[Mapping[str, str]] = {
    "slice_id": "as in `slices`; copies share one, and may be shown otherwise, by another window",
    "path": _PATH,
    "frame": _FRAME,
    "jpeg": "the whole slice, small, as JPEG; empty, like all that follows, where its file says "
    "that text is burnt into it",
    "overlay": "the same with the evidence of the first model that maps it",
    "view_jpeg": "what the models see of it, larger, of slices to be looked at first",
    "view_evidence": "the evidence alone, as PNG, to be laid over that",
}

TRUTH: Final[Mapping[str, str]] = {
    "path": _PATH,
    "frame": _FRAME,
    "tumor": "its true tumour",
    "plane": "its true plane",
    "source": "what says so, in words: a file of labels, or the folders' names",
    "run_id": _RUN,
}

TABLES: Final[Mapping[str, Mapping[str, str]]] = {
    "slices": SLICES,
    "predictions": PREDICTIONS,
    "studies": STUDIES,
    "thumbnails": THUMBNAILS,
    "truth": TRUTH,
}
"""By table, the meaning of each column, in the order of its schema."""
