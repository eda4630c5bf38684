"""Evaluation and the training on every slice, from a folder of labelled pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

from artemis.errors import TrainingDataError
from artemis.models.runtime import ClassificationModel
from artemis.settings import Settings
from artemis.training.evaluations import evaluate_all, train_on_every_slice
from artemis.training.network.memory import keep_freed_memory
from tests.training.labelled_pictures import write_labelled

keep_freed_memory()  # as every training does


@pytest.mark.slow
def test_model_of_every_slice_carries_the_figures_of_the_patient_protocol(
    small_baseline: None, tmp_path: Path
) -> None:
    write_labelled(tmp_path / "set", patients=2)
    settings = Settings(workspace=tmp_path / "workspace")
    stages: list[str] = []
    how = {"models": ["baseline"], "epochs": 1}
    (folder,) = train_on_every_slice(
        tmp_path / "set", settings, **how, on_epoch=lambda _, stage, __: stages.append(stage)
    )
    assert stages == [*(f"patient fold {k}" for k in range(2)), "training"]
    manifest = ClassificationModel(folder).manifest
    assert manifest.training.images == 24
    assert manifest.evaluation.images == 24
    assert manifest.evaluation.protocol.startswith("Patient-disjoint, cross-validated")
    # The protocol is not run again, and its figures are those of the manifest.
    (measured,) = evaluate_all("patient", tmp_path / "set", settings, **how)
    assert measured.outcome.evaluation == manifest.evaluation
    assert (measured.folder / "evaluation.md").read_text().startswith("## baseline, patient")


def test_model_of_every_slice_is_not_promoted_outside_the_workspace(tmp_path: Path) -> None:
    with pytest.raises(TrainingDataError, match=r"--promote: expected models in the workspace"):
        train_on_every_slice(
            tmp_path,
            Settings(workspace=tmp_path),
            models=["baseline"],
            output=tmp_path / "out",
            promote_by="A. Person",
        )
