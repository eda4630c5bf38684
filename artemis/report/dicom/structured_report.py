"""A study's answers as a Structured Report: measurement report, TID 1500 (PS3.16)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    ComprehensiveSR,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    LanguageOfContentItemAndDescendants,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    QualitativeEvaluation,
    SourceImageForMeasurementGroup,
    TrackingIdentifier,
)

from artemis.answers.review import ReviewReason
from artemis.report.dicom.codes import coding_schemes, dicom_code, own_code, reason_code
from artemis.report.dicom.marks import (
    MANUFACTURER,
    PRODUCT,
    equipment,
    fix_times,
    legal_header,
    series_attributes,
    software,
)
from artemis.report.dicom.originals import SourceSlice, Study
from artemis.report.dicom.uids import derived_uid
from artemis.report.words import confidence_step, visible
from artemis.runs import ModelRecord, RunRecord
from artemis.said import in_steps

SERIES_NUMBER: Final = 9301


@dataclass(frozen=True, slots=True)
class StudyAnswers:
    """What a run says of one study.

    Attributes
    ----------
    slices : mapping of (str, int) to dict
        Rows of `predictions` by model and by index in the study's slices.
    study : mapping of str to dict
        Rows of `studies` by model; empty for a study of one slice.
    """

    slices: Mapping[tuple[str, int], Mapping[str, Any]]
    study: Mapping[str, Mapping[str, Any]]


def structured_report(
    study: Study, answers: StudyAnswers, record: RunRecord
) -> tuple[ComprehensiveSR, list[str]]:
    """Return the report of one study, and which attributes of its source were left blank.

    It is partial, preliminary and unverified, and its first group says that it is for
    research only. Each model has a group for the study, where the run has such an answer,
    and one for each slice, with the source image that it is of.

    Parameters
    ----------
    study : Study
        The classified slices and their headers.
    answers : StudyAnswers
        The run's rows.
    record : RunRecord
        The run.
    """
    headers = study.headers
    evidence, blanked = [], []
    for header in headers:
        legal, left_out = legal_header(header)
        evidence.append(legal)
        blanked += left_out
    report = ComprehensiveSR(
        evidence=evidence,
        content=_content(study, answers, record)[0],
        series_instance_uid=_uid(record, study, "series of reports"),
        series_number=SERIES_NUMBER,
        sop_instance_uid=_uid(record, study, "report"),
        instance_number=1,
        is_complete=False,
        is_final=False,
        is_verified=False,
        coding_schemes=coding_schemes(),
        contributing_equipment=equipment(record, record.models),
        **series_attributes(record, "Artemis answers."),
    )
    fix_times(report, record)
    return report, sorted(set(blanked))


def _content(study: Study, answers: StudyAnswers, record: RunRecord) -> MeasurementReport:
    groups = [_notice(study, record)]
    for model in record.models:
        if model.name in answers.study:
            groups.append(_study_group(study, answers.study[model.name], model, record))
        groups += [
            _slice_group(one, answers.slices[model.name, index], model, study, record)
            for index, one in enumerate(study.slices)
            if (model.name, index) in answers.slices
        ]
    observer = DeviceObserverIdentifyingAttributes(
        uid=derived_uid("device", PRODUCT, software(record)),
        name=f"{MANUFACTURER}, for research use only",
        manufacturer_name=MANUFACTURER,
        model_name=PRODUCT,
        serial_number=record.run_id,
    )
    context = ObservationContext(
        observer_device_context=ObserverContext(dicom_code("device"), observer)
    )
    return MeasurementReport(
        observation_context=context,
        procedure_reported=dicom_code("procedure"),
        imaging_measurements=groups,
        language_of_content_item_and_descendants=LanguageOfContentItemAndDescendants(
            CodedConcept("en-GB", "RFC5646", "English (United Kingdom)")
        ),
    )


def _notice(study: Study, record: RunRecord) -> MeasurementsAndQualitativeEvaluations:
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(_uid(record, study, "notice"), "Read this first"),
        finding_type=own_code("intended_use"),
        qualitative_evaluations=[
            QualitativeEvaluation(own_code("intended_use"), own_code("research_only"))
        ],
    )


def _study_group(
    study: Study, answer: Mapping[str, Any], model: ModelRecord, record: RunRecord
) -> MeasurementsAndQualitativeEvaluations:
    supporting = [one for one in study.slices if one.row["slice_id"] in set(answer["supporting"])]
    evaluations = [QualitativeEvaluation(own_code("tumor"), own_code(answer["tumor"]))]
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            _uid(record, study, "study", model.name), f"Study, {visible(model.name)}"
        ),
        finding_type=own_code("study"),
        algorithm_id=_algorithm(model),
        finding_sites=[FindingSite(dicom_code("brain"))],
        measurements=_certainty(answer, model),
        qualitative_evaluations=[*evaluations, *_review(answer)],
        source_images=_sources(supporting),
    )


def _slice_group(
    one: SourceSlice,
    answer: Mapping[str, Any],
    model: ModelRecord,
    study: Study,
    record: RunRecord,
) -> MeasurementsAndQualitativeEvaluations:
    slice_id = one.row["slice_id"]
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            _uid(record, study, "slice", model.name, slice_id),
            f"Slice {slice_id[:12]}, {visible(model.name)}",
        ),
        finding_type=own_code("category"),
        algorithm_id=_algorithm(model),
        finding_sites=[FindingSite(dicom_code("brain"))],
        measurements=_certainty(answer, model),
        qualitative_evaluations=[
            QualitativeEvaluation(own_code("tumor"), own_code(answer["tumor"])),
            QualitativeEvaluation(own_code("plane"), own_code(answer["plane"])),
            *_review(answer),
        ],
        source_images=_sources([one]),
    )


def _algorithm(model: ModelRecord) -> AlgorithmIdentification:
    return AlgorithmIdentification(
        name=visible(model.name),
        version=visible(model.version),
        manufacturer=MANUFACTURER,
        parameters=[f"SHA-256 {model.sha256}"],
    )


def _certainty(answer: Mapping[str, Any], model: ModelRecord) -> list[Measurement] | None:
    """Return the confidence no finer than its calibration deserves; none where it says nothing."""
    if ReviewReason.OUT_OF_DISTRIBUTION.value in answer["review_reasons"]:
        return None
    percent = certainty_percent(answer["confidence"], confidence_step(model.ece))
    return [Measurement(name=dicom_code("certainty"), value=percent, unit=dicom_code("percent"))]


def certainty_percent(confidence: float, step: int) -> int:
    """Return a confidence in per cent, a multiple of `step` that is neither 0 nor 100.

    Parameters
    ----------
    confidence : float
        Calibrated probability, in [0, 1].
    step : int
        See `artemis.report.words.confidence_step`.
    """
    return min(max(in_steps(confidence, step), step), 100 - step)


def _review(answer: Mapping[str, Any]) -> list[QualitativeEvaluation]:
    needed = "review_needed" if answer["needs_review"] else "review_optional"
    return [
        QualitativeEvaluation(own_code("review"), own_code(needed)),
        *(
            QualitativeEvaluation(own_code("review_reason"), reason_code(reason))
            for reason in answer["review_reasons"]
        ),
    ]


def _sources(slices: Iterable[SourceSlice]) -> Sequence[SourceImageForMeasurementGroup] | None:
    sources = [
        SourceImageForMeasurementGroup(
            referenced_sop_class_uid=str(one.header.SOPClassUID),
            referenced_sop_instance_uid=str(one.header.SOPInstanceUID),
            referenced_frame_numbers=one.frame_numbers,
        )
        for one in slices
    ]
    return sources or None


def _uid(record: RunRecord, study: Study, *names: str) -> str:
    return derived_uid(record.run_id, str(study.headers[0].StudyInstanceUID), *names)
