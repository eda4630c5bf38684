"""Evaluation and the training on every slice, from a folder of labelled pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

from typer.testing import CliRunner

import cli
from artemis.errors import ModelError, TrainingDataError
from artemis.labels import CATEGORY_NAMES, PROBABILITY_COLUMNS
from artemis.models.manifest import load_manifest
from artemis.models.runtime import ClassificationModel
from artemis.settings import Settings
from artemis.training.evaluations import Evaluated, evaluate_all, train_on_every_slice
from artemis.training.figures.tables import price_table
from artemis.training.jobs import audit_labelled
from artemis.training.measuring import measure_again
from artemis.training.network.memory import keep_freed_memory
from artemis.training.protocols import price_of_the_leak
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
    # What it says of each slice is what the audit asks for.
    predictions = measured.folder / "predictions.parquet"
    found = audit_labelled(tmp_path / "set", settings, predictions)
    assert found.record.predictions_from == "given"
    table = pd.read_parquet(predictions)
    assert len(table) == 24
    rows = table[list(PROBABILITY_COLUMNS)].to_numpy()
    assert rows.sum(axis=1) == pytest.approx(np.ones(24), abs=1e-5)
    right = (rows.argmax(axis=1) == table["category"].map(CATEGORY_NAMES.index)).mean()
    assert right == pytest.approx(measured.outcome.evaluation.metrics["accuracy"].value)

    _measure_again(folder, tmp_path / "set", settings)


def _measure_again(folder: Path, data: Path, settings: Settings) -> None:
    """What an older model's record lacks is added to it, of the data of its training alone."""
    manifest = load_manifest(folder)
    before = manifest.evaluation.studies
    assert before is not None
    assert (before.patients.studies, before.patients.slices) == (2, 24)
    bare = manifest.evaluation.model_copy(update={"studies": None})
    older = manifest.model_copy(update={"evaluation": bare})
    (folder / "manifest.json").write_text(older.model_dump_json())
    changed = measure_again(folder, data, settings)
    assert load_manifest(folder) == changed
    after = changed.evaluation.studies
    assert after is not None
    assert (after.patients.studies, after.patients.slices) == (2, 24)
    assert "Several slices together" in (folder / "MODEL_CARD.md").read_text()
    assert "those of one plane | 6 | 24 |" in (folder / "MODEL_CARD.md").read_text()
    page = folder / "MODEL_CARD.html"
    page.write_text("as it was before")
    asked = ["models", "measure", folder.name, "--data", str(data), "--quiet"]
    told = CliRunner().invoke(cli.app, [*asked, "--workspace", str(settings.workspace)])
    assert told.stdout == f"{folder}\n"
    assert "Several slices together" in page.read_text()
    table = pd.read_csv(data / "manifest.csv")
    table.loc[0, "tumor"] = "none" if table.loc[0, "tumor"] == "glioma" else "glioma"
    table[:-1].to_csv(data / "manifest.csv", index=False)
    words = r"without 1 of its 24 slices, and with another label for 1\. Give the data of its"
    with pytest.raises(TrainingDataError, match=words):
        measure_again(folder, data, settings)
    held_out = manifest.training.model_copy(update={"split": "fold 4 tests"})
    other = manifest.model_copy(update={"training": held_out})
    (folder / "manifest.json").write_text(other.model_dump_json())
    with pytest.raises(ModelError, match=r"Received one whose split is: fold 4 tests\."):
        measure_again(folder, data, settings)


@pytest.mark.slow(seconds=35)
def test_price_of_the_leak_is_of_the_same_recipe(small_baseline: None, tmp_path: Path) -> None:
    table = write_labelled(tmp_path / "set", patients=10)
    table.assign(fold=table["fold"] % 2).to_csv(tmp_path / "set" / "manifest.csv", index=False)
    settings = Settings(workspace=tmp_path / "workspace")

    def measured(protocol: str, epochs: int) -> Evaluated:
        (one,) = evaluate_all(
            protocol, tmp_path / "set", settings, models=["baseline"], epochs=epochs
        )
        return one

    assert measured("patient", 2).price is None
    assert measured("random", 1).price is None  # two epochs are another recipe
    honest, leaky = measured("patient", 1), measured("random", 1)
    assert leaky.price is not None
    values = [one.outcome.evaluation.metrics["accuracy"].value for one in (leaky, honest)]
    assert leaky.price["accuracy"] == pytest.approx(values[0] - values[1])
    assert f"{values[0] - values[1]:+.3f}" in price_table(leaky.price)
    assert leaky.price == price_of_the_leak(honest.outcome.evaluation, leaky.outcome.evaluation)


def test_model_of_every_slice_is_not_promoted_outside_the_workspace(tmp_path: Path) -> None:
    with pytest.raises(TrainingDataError, match=r"--promote: expected models in the workspace"):
        train_on_every_slice(
            tmp_path,
            Settings(workspace=tmp_path),
            models=["baseline"],
            output=tmp_path / "out",
            promote_by="A. Person",
        )
