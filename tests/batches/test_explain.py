from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from artemis.batches.explain import explain_image
from artemis.errors import NothingUsableError
from artemis.report.explained import explained_page
from artemis.said import confidence_step
from artemis.settings import Settings
from tests.report.parsing import Page, text

MODELS = ["mobilenet_v2", "baseline"]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(workspace=tmp_path / "workspace")


def test_a_slice_gets_what_a_batch_would_say_of_it(
    samples: Path, settings: Settings, tmp_path: Path
) -> None:
    image = samples / "dicom_series_simulated_meningioma" / "image_1.dcm"
    found = explain_image(image, settings, MODELS, tmp_path / "scratch")
    said = found.as_dict()
    assert said["path"] == "image_1.dcm"
    assert said["header_plane"] == "transverse"
    assert said["series_index"] is None, "one file of a series does not tell its place there"
    assert [answer["model"] for answer in said["answers"]] == MODELS
    for answer in said["answers"]:
        assert answer["top"][0]["category"] == answer["category"]
        assert answer["top"][0]["probability"] == answer["confidence"]
        assert len(answer["top"]) == 3
        assert answer["needs_review"] == bool(answer["review_reasons"])
    assert [answer["evidence_maps"] for answer in said["answers"]] == [True, False]
    assert [overlay.model for overlay in found.overlays] == ["mobilenet_v2"]
    assert not settings.workspace.exists()


def test_a_frame_of_a_volume_is_chosen_by_its_number(
    samples: Path, settings: Settings, tmp_path: Path
) -> None:
    image = samples / "transverse_simulated_glioma_3_pages.tif"
    found = explain_image(image, settings, ["baseline"], tmp_path, frame=2)
    assert (found.slice_row["frame"], found.frames) == (2, 3)
    (tmp_path / "index.html").write_text(explained_page(found))
    page = Page(tmp_path / "index.html")
    assert text(page.all("h1")[0]) == "Slice transverse_simulated_glioma_3_pages.tif, frame 2"
    assert "2; the file has 3, the first is 0" in text(page.by_id("slice"))
    with pytest.raises(NothingUsableError, match=r"expected a frame from 0 to 2\. Received 3"):
        explain_image(image, settings, ["baseline"], tmp_path, frame=3)


def test_an_image_that_is_refused_says_why(
    samples: Path, settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(NothingUsableError, match=r"refused_ct\.dcm: .*CT"):
        explain_image(samples / "refused_ct.dcm", settings, ["baseline"], tmp_path)


def test_an_image_that_is_refused_is_named_as_it_was_given(
    samples: Path, settings: Settings, tmp_path: Path
) -> None:
    image = samples / "refused_ct.dcm"
    with pytest.raises(NothingUsableError) as raised:
        explain_image(image, settings, ["baseline"], tmp_path)
    assert str(raised.value).startswith(f"{image}: expected ")


def test_a_folder_is_sent_to_classify_batch(
    samples: Path, settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(NothingUsableError, match=r"Received a folder\. .*classify-batch"):
        explain_image(samples, settings, ["baseline"], tmp_path)


@pytest.mark.parametrize(
    ("make", "received"),
    [
        (os.mkfifo, "expected a regular file. Received a named pipe."),
        (
            lambda path: path.symlink_to("nowhere"),
            "expected a link to a file. Received one that fails: no such file or directory.",
        ),
        (lambda path: None, "expected the file of one image. Received nothing of that name."),
    ],
    ids=["named pipe", "broken link", "nothing"],
)
def test_what_is_no_file_is_named_for_what_it_is(
    make: Callable[[Path], None], received: str, settings: Settings, tmp_path: Path
) -> None:
    image = tmp_path / "scan.dcm"
    make(image)
    with pytest.raises(NothingUsableError) as raised:
        explain_image(image, settings, ["baseline"], tmp_path / "scratch")
    assert str(raised.value).startswith(f"{image}: {received} ")


def test_the_page_holds_picture_answers_reasons_and_facts(
    samples: Path, settings: Settings, tmp_path: Path
) -> None:
    found = explain_image(samples / "coronal_no_lesion.png", settings, ["baseline"], tmp_path)
    target = tmp_path / "index.html"
    target.write_text(explained_page(found))
    page = Page(target)
    assert text(page.all("h1")[0]) == "Slice coronal_no_lesion.png"
    assert "baseline gives no evidence maps." in text(page.by_id("evidence"))
    assert [image.get("alt") for image in page.all("img")] == ["MRI slice"]
    assert len(page.by_id("answers").findall(".//ol/li")) == 3
    assert "the header names none" in text(page.by_id("slice"))
    assert "Frame" not in text(page.by_id("slice"))
    assert found.slice_row["slice_id"] in text(page.by_id("slice"))
    policy = page.all("meta", **{"http-equiv": "Content-Security-Policy"})[0].get("content", "")
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "style=" not in page.source


@pytest.mark.parametrize("ece", [0.018, 0.03, 0.06])
def test_confidence_is_said_no_finer_than_it_deserves(
    samples: Path, settings: Settings, tmp_path: Path, ece: float
) -> None:
    volume = samples / "sagittal_volume_simulated_pituitary_tumour.nii.gz"
    found = explain_image(volume, settings, MODELS, tmp_path, frame=7)
    sure, far = found.answers
    assert "out_of_distribution" not in sure["review_reasons"]
    assert "out_of_distribution" in far["review_reasons"]
    record = json.loads((found.run_dir / "run.json").read_text())
    for model in record["models"]:
        model["ece"] = ece
    (found.run_dir / "run.json").write_text(json.dumps(record))
    (tmp_path / "index.html").write_text(explained_page(found))
    headline = text(Page(tmp_path / "index.html").by_id("verdict"))
    step = confidence_step(ece)
    coarse = f"{step * round(100 * sure['confidence'] / step):d}%"
    assert headline.startswith(f"mobilenet_v2 says no tumour, sagittal ({coarse}); baseline says ")
    assert headline.endswith(
        " (unlike the training images). mobilenet_v2 calls for no second look, baseline would "
        "have one."
    )


def test_evidence_and_its_rival_are_drawn_beside_the_picture(
    samples: Path, settings: Settings, tmp_path: Path
) -> None:
    image = samples / "sagittal_no_lesion.jpg"
    found = explain_image(image, settings, MODELS, tmp_path / "a", rival=True)
    answer, rival = found.overlays
    assert (answer.model, answer.rival, rival.rival) == ("mobilenet_v2", False, True)
    assert answer.tumor == found.answers[0]["tumor"] != rival.tumor
    drawn = np.asarray(Image.open(io.BytesIO(answer.jpeg or b""))).astype(int)
    assert max(drawn.shape[:2]) <= 448
    assert (drawn.max(axis=2) - drawn.min(axis=2)).max() > 40
    (tmp_path / "index.html").write_text(explained_page(found))
    page = Page(tmp_path / "index.html")
    section = text(page.by_id("evidence"))
    assert "Evidence for the model\u2019s answer, not an outline of a lesion." in section
    assert "its rival, on the same scale" in section
    assert "baseline gives no evidence maps." in section
    assert len(page.by_id("evidence").findall(".//img")) >= 2
    alone = explain_image(image, settings, MODELS, tmp_path / "b")
    assert [overlay.jpeg for overlay in alone.overlays] == [answer.jpeg]
