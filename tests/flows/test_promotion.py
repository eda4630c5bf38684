from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from artemis.models.champions import promote
from artemis.models.registry import model_folder
from artemis.predictions import read_table
from flows.server import PrefectApi
from tests.models.versions import make_version

pytestmark = pytest.mark.slow


def test_flow_ends_on_the_model_that_it_began_with(
    api: PrefectApi, samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Imported here, since Prefect reads its API's address once, when it is imported.
    from flows import classify

    make_version(tmp_path, "v1", temperature=0.5)
    make_version(tmp_path, "v2", temperature=9.0)
    promote(tmp_path, "baseline", "v1", by="A. Person", reason="To begin with.")
    real = classify.predict_chunk

    def promote_in_between(run: Any, record: Any, chunk: int, *rest: Any) -> int:
        if chunk == 0:
            promote(tmp_path, "baseline", "v2", by="A. Person", reason="In the middle.")
        return real(run, record, chunk, *rest)

    monkeypatch.setattr(classify, "predict_chunk", promote_in_between)
    monkeypatch.setenv("ARTEMIS_CHUNK_SLICES", "8")
    record = classify.classify_batch(str(samples), str(tmp_path), ["baseline"])
    assert model_folder(tmp_path, "baseline").name == "v2"
    assert record.models[0].version == "v1"
    predictions = read_table(tmp_path / "runs" / record.run_id, "predictions")
    assert len(predictions) == 28
    assert set(predictions["model_version"]) == {"v1"}
    # At v2's temperature no answer of the twelve would be as sure.
    assert predictions["confidence"].median() > 0.5
