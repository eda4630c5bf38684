"""The evidence for a study's answer as Secondary Capture images (PS3.3 A.8.1).

A run keeps its overlays as small pictures only, so slice and evidence are made anew: the
slice from its file, the evidence by the very model version of the run.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from highdicom.sc import SCImage
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from artemis.answers.overlay import blend
from artemis.batches.inbox import batch_now
from artemis.errors import ExportError
from artemis.ingest.dicom.frames import cosines_of, turn_of
from artemis.ingest.identity import IdentityKey
from artemis.ingest.plan import PlanEntry
from artemis.ingest.read import read_chunk
from artemis.labels import TUMORS
from artemis.models.evidence_map import CAPTION, normalised, on_picture, tumor_evidence
from artemis.models.registry import find_version, load_model
from artemis.models.runtime import ClassificationModel
from artemis.preprocess import model_input, square_box
from artemis.report.dicom.marks import (
    MANUFACTURER,
    equipment,
    fix_times,
    legal_header,
    series_attributes,
    software,
)
from artemis.report.dicom.originals import PATIENT_AND_STUDY, SourceSlice, Study
from artemis.report.dicom.structured_report import StudyAnswers
from artemis.report.dicom.uids import derived_uid
from artemis.report.words import TUMOR_WORDS, visible
from artemis.runs import ModelRecord, RunRecord
from artemis.system.files import raw_path

SERIES_NUMBER: Final = 9302
_LEAST_SIDE: Final = 512  # pixels of the captured picture, so that its text can be read
_LINE: Final = 22
_TEXT: Final = 15
_MARKED: Final = "RESEARCH USE ONLY - NOT FOR DIAGNOSIS"


def mapping_model(record: RunRecord, workspace: Path) -> tuple[ModelRecord, ClassificationModel]:
    """Return the first model of a run that maps its evidence, loaded.

    Raises
    ------
    ExportError
        If no model of the run does, or its version is not there as it was.
    ModelError
        If its version is gone or fails its checks.
    """
    model = next((model for model in record.models if model.evidence_maps), None)
    if model is None:
        names = ", ".join(visible(model.name) for model in record.models)
        raise ExportError(
            f"--secondary-capture: expected a run with a model that maps its evidence. Received "
            f"one with {names or 'no model'}. Leave the option out."
        )
    folder = model.folder
    if not (folder / "manifest.json").is_file():  # the workspace was moved since
        folder = find_version(workspace, f"{model.name}@{model.version}")
    loaded = load_model(folder)
    if loaded.manifest.sha256 != model.sha256:
        raise ExportError(
            f"{folder}: expected the model of the run, SHA-256 {model.sha256}. Received "
            f"{loaded.manifest.sha256}. Classify again and export that run."
        )
    return model, loaded


def captures(
    study: Study,
    answers: StudyAnswers,
    record: RunRecord,
    mapping: tuple[ModelRecord, ClassificationModel],
    withheld: Collection[str],
) -> tuple[list[SCImage], int]:
    """Return the slices that support the mapping model's answer, with its evidence drawn.

    Those of the study's answer, or every slice where the run has no such answer. Without those
    whose ids are `withheld`, see `artemis.report.run.stored_pictures`; and how many these are.

    Raises
    ------
    ExportError
        If a slice cannot be read as it was.
    """
    model, loaded = mapping
    answered = [
        (one, answers.slices[model.name, index])
        for index, one in enumerate(study.slices)
        if (model.name, index) in answers.slices
    ]
    if model.name in answers.study:
        supporting = set(answers.study[model.name]["supporting"])
        answered = [pair for pair in answered if pair[0].row["slice_id"] in supporting]
    shown = [pair for pair in answered if pair[0].row["slice_id"] not in withheld]
    made = [
        _capture(one, _drawn(one, answer, model, loaded, record), number, study, model, record)
        for number, (one, answer) in enumerate(shown, start=1)
    ]
    return made, len(answered) - len(shown)


def _drawn(
    one: SourceSlice,
    answer: Any,
    model: ModelRecord,
    loaded: ClassificationModel,
    record: RunRecord,
) -> NDArray[np.uint8]:
    grey = _pixels(one, record)
    box = square_box(grey)
    output = loaded.predict(model_input(grey, loaded.manifest.input.side, box)[None])
    if output.maps is None:
        raise ExportError(f"{model.name}: expected evidence maps. Received none.")
    tumor = np.array([TUMORS.index(answer["tumor"])])
    evidence = tumor_evidence(output.maps, tumor)[0]
    drawn = blend(grey, on_picture(normalised(evidence), grey.shape, box))
    nothing = "" if evidence.max() > 0 else " No place speaks for it."
    return framed(
        drawn,
        [
            _MARKED,
            f"{MANUFACTURER} {software(record)}, {visible(model.name)} {visible(model.version)}",
            f"Evidence for {TUMOR_WORDS[answer['tumor']]}.{nothing}",
            CAPTION.replace("\u2019", "'"),
        ],
    )


def _pixels(one: SourceSlice, record: RunRecord) -> NDArray[np.uint8]:
    row = one.row
    entry = PlanEntry(raw_path(row["path"]), "dicom", row["frame"])
    nobody = IdentityKey(bytes(32))  # the keys that it makes are not looked at
    batch = batch_now(Path(record.batch))
    (found,) = read_chunk(batch, [entry], record.settings.ingest, nobody)
    if found.pixels is None or found.row["slice_id"] != row["slice_id"]:
        raise ExportError(
            f"{visible(row['path'])}: expected the slice that was classified. Received "
            f"{found.row['reason'] or 'other pixels'}. Classify again with this version of Artemis."
        )
    return found.pixels


def framed(picture: NDArray[np.uint8], lines: Sequence[str]) -> NDArray[np.uint8]:
    """Return a colour picture, enlarged if it is small, with lines of text below it.

    Parameters
    ----------
    picture : ndarray, (h, w, 3), uint8
        The picture.
    lines : sequence of str
        Latin text.

    Returns
    -------
    ndarray, (H, W, 3), uint8
    """
    image = Image.fromarray(picture)
    factor = max(1, -(-_LEAST_SIDE // image.width))
    image = image.resize((factor * image.width, factor * image.height), Image.Resampling.BILINEAR)
    canvas = Image.new("RGB", (image.width, image.height + _LINE * len(lines) + _LINE // 2))
    canvas.paste(image)
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(_TEXT)
    for number, line in enumerate(lines):
        place = (_LINE // 3, image.height + _LINE * number + _LINE // 3)
        draw.text(place, line, fill="white", font=font)
    return np.asarray(canvas, dtype=np.uint8)


def _capture(
    one: SourceSlice,
    pixels: NDArray[np.uint8],
    number: int,
    study: Study,
    model: ModelRecord,
    record: RunRecord,
) -> SCImage:
    header, _ = legal_header(one.header)
    study_uid = str(header.StudyInstanceUID)
    orientation = patient_orientation(one)
    image = SCImage(
        pixel_array=pixels,
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        study_instance_uid=study_uid,
        series_instance_uid=derived_uid(record.run_id, study_uid, "series of captures"),
        series_number=SERIES_NUMBER,
        sop_instance_uid=derived_uid(record.run_id, study_uid, "capture", one.row["slice_id"]),
        instance_number=number,
        patient_id=header.PatientID,
        patient_name=header.PatientName,
        patient_birth_date=header.PatientBirthDate,
        patient_sex=header.PatientSex,
        accession_number=header.AccessionNumber,
        study_id=header.StudyID,
        study_date=header.StudyDate or None,
        study_time=header.StudyTime or None,
        referring_physician_name=header.ReferringPhysicianName,
        patient_orientation=orientation or ("L", "P"),
        specific_character_set=header.get("SpecificCharacterSet"),
        contributing_equipment=equipment(record, [model]),
        **series_attributes(record, "Artemis evidence."),
    )
    if orientation is None:
        image.PatientOrientation = ""  # not known; highdicom asks for one
    for keyword in PATIENT_AND_STUDY:
        if keyword not in image and header.get(keyword):
            image[keyword] = header[keyword]
    _describe(image, one, model)
    fix_times(image, record)
    return image


def _describe(image: SCImage, one: SourceSlice, model: ModelRecord) -> None:
    purpose = codes.DCM.SourceImageForImageProcessingOperation
    code, source = Dataset(), Dataset()
    code.CodeValue, code.CodingSchemeDesignator = purpose.value, purpose.scheme_designator
    code.CodeMeaning = purpose.meaning
    source.ReferencedSOPClassUID = one.header.SOPClassUID
    source.ReferencedSOPInstanceUID = one.header.SOPInstanceUID
    source.PurposeOfReferenceCodeSequence = [code]
    if one.frame_numbers:
        source.ReferencedFrameNumber = one.frame_numbers
    image.SourceImageSequence = [source]
    image.BodyPartExamined = "BRAIN"
    image.DerivationDescription = (
        f"Evidence of {model.name} {model.version} drawn over the slice. {_MARKED}."
    )
    image.ImageComments = f"{_MARKED}. {CAPTION}".replace("\u2019", "'")
    # What is drawn names nobody; what was burnt in before is not removed.
    image.BurnedInAnnotation = one.header.get("BurnedInAnnotation") or "YES"


def patient_orientation(one: SourceSlice) -> tuple[str, str] | None:
    """Return where rows and columns of a slice point to as shown (PS3.3 C.7.6.1.1.1), or None."""
    cosines = cosines_of(one.header, one.row["frame"])
    if cosines is None or not any(cosines[:3]) or not any(cosines[3:]):
        return None
    turn = turn_of(one.header, one.row["frame"])
    across, down = turn.directions(cosines[:3], cosines[3:])
    return _letter(across), _letter(down)


def _letter(direction: Sequence[float]) -> str:
    axis = int(np.argmax(np.abs(direction)))
    return ("LR", "PA", "HF")[axis][direction[axis] < 0]
