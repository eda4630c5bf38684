"""A real run of real DICOM files, and what is exported of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from artemis.answers.studies import write_studies
from artemis.batches.batch import conclude_run, plan_chunks, start_run, write_plans
from artemis.batches.classify import conclude_chunk, ingest_chunk, predict_chunk
from artemis.report.dicom.export import Export, export_dicom
from artemis.runs import Counts, RunPaths, read_record, write_record
from artemis.settings import Settings
from tests.ingest.builders import ENHANCED_MR, TRANSVERSE, head, item, mr, save

MODELS = ("mobilenet_v2", "baseline")
SERIES = "dicom_series_simulated_meningioma"


def classify(batch: Path, workspace: Path) -> Path:
    """Classify a folder as the flow does, without Prefect; return the run's folder."""
    settings = Settings(workspace=workspace, threads=1)
    run, record = start_run(batch, settings, MODELS, "artemis-cli classify-batch")
    chunks = plan_chunks(batch, settings)
    write_plans(run, chunks)
    counts = Counts()
    for chunk in range(len(chunks)):
        counts += ingest_chunk(run, record, chunk, sorted({m.side for m in record.models}))
        for model in record.models:
            predict_chunk(run, record, chunk, model.name, model.folder)
        conclude_chunk(run, record, chunk)
    write_studies(run, record)
    conclude_run(run, record, counts, {})
    return run.root


@pytest.fixture(scope="session")
def classified(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace beside its batch: a series, an enhanced object, a slice, and no DICOM."""
    root = tmp_path_factory.mktemp("export")
    batch = root / "scans"
    for name in ("image_1.dcm", "image_2.dcm", "image_4"):
        (batch / "series").mkdir(parents=True, exist_ok=True)
        shutil.copyfile(samples / SERIES / name, batch / "series" / name)
    shutil.copyfile(samples / "coronal_no_lesion.png", batch / "picture.png")
    save(batch / "enhanced.dcm", enhanced())
    odd = {"PatientSex": "unknown", "PatientBirthDate": "1.4.1970", "Manufacturer": "ACME"}
    names = {"PatientName": "Müller^Änne", "SpecificCharacterSet": "ISO_IR 192"}
    turned = [0, -1, 0, 0, 0, 1]  # sagittal, stored upside down and mirrored
    save(
        batch / "odd.dcm",
        mr(StudyInstanceUID="1.2.3.9", ImageOrientationPatient=turned, **odd, **names),
    )
    save(batch / "nameless.dcm", mr(np.roll(head(), 3), StudyInstanceUID=None))
    classify(batch, root / "workspace")
    return root


def enhanced():
    """An object of two transverse frames."""
    shared = item(
        PlaneOrientationSequence=[item(ImageOrientationPatient=TRANSVERSE)],
        PixelMeasuresSequence=[item(PixelSpacing=[1, 1])],
    )
    places = [item(PlanePositionSequence=[item(ImagePositionPatient=[0, 0, z])]) for z in (0, 5)]
    moved = dict.fromkeys(("ImageOrientationPatient", "ImagePositionPatient", "PixelSpacing"))
    return mr(
        np.stack([head(), np.roll(head(), 2)]),
        sop_class=ENHANCED_MR,
        StudyInstanceUID="1.2.3.10",
        NumberOfFrames=2,
        SharedFunctionalGroupsSequence=[shared],
        PerFrameFunctionalGroupsSequence=places,
        **moved,
    )


def run_of(root: Path) -> Path:
    """Return the folder of the one run of a workspace."""
    (found,) = (root / "workspace" / "runs").iterdir()
    return found


@pytest.fixture(scope="session")
def exported(classified: Path) -> Export:
    """Everything that can be exported of the run."""
    return export_dicom(run_of(classified), secondary_capture=True)


@pytest.fixture
def copy(classified: Path, tmp_path: Path) -> Path:
    """A copy of workspace and batch that a test may spoil."""
    root = tmp_path / "copy"
    shutil.copytree(classified, root, ignore=shutil.ignore_patterns("exports"))
    run = run_of(root)
    record = read_record(run).model_copy(update={"batch": str(root / "scans")})
    write_record(RunPaths(root / "workspace", run.name), record)
    return root
