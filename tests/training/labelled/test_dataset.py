from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from artemis.errors import TrainingDataError
from artemis.preprocess import model_input
from artemis.settings import IngestSettings
from artemis.training.labelled.dataset import TrainingSet, load_training_set
from artemis.training.labelled.locked import lock_groups, read_locked
from artemis.training.labelled.split import check_leak


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Six pictures of three groups, labelled."""
    folder = tmp_path / "set"
    folder.mkdir()
    rows = []
    for number in range(6):
        random = np.random.default_rng(number)
        picture = np.zeros((120, 100), np.uint8)
        picture[20:100, 20:80] = random.integers(60, 250, (80, 60))
        Image.fromarray(picture).save(folder / f"{number}.png")
        rows.append(
            {
                "path": f"{number}.png",
                "tumor": ["glioma", "no", "pituitary_tumor"][number % 3],
                "plane": ["axial", "coronal"][number % 2],
                "group": f"g{number // 2}",
                "fold": number // 2,
                "source": "here",
                "source_tumor": "meningioma" if number == 2 else None,
            }
        )
    pd.DataFrame(rows).to_csv(folder / "manifest.csv", index=False)
    return folder


def load(root: Path, **options: Any) -> TrainingSet:
    return load_training_set(root, [32, 48], root.parent / "cache", IngestSettings(), **options)


def edit(root: Path, row: int, **values: object) -> None:
    table = pd.read_csv(root / "manifest.csv").astype(object)
    for name, value in values.items():
        table.loc[row, name] = value
    table.to_csv(root / "manifest.csv", index=False)


def test_labels_are_read_with_aliases_and_corrected_by_their_source(root: Path) -> None:
    loaded = load(root)
    assert loaded.corrected == 1
    assert loaded.table["category"].tolist() == [2, 9, 5, 0, 11, 6]
    assert loaded.table["group"].tolist() == ["g0", "g0", "g1", "g1", "g2", "g2"]


def test_pictures_are_the_model_inputs_of_serving(root: Path) -> None:
    loaded = load(root)
    picture = np.asarray(Image.open(root / "3.png"))
    np.testing.assert_array_equal(loaded.pictures[48][3], model_input(picture, 48))
    assert loaded.pictures[32].shape == (6, 32, 32)


def test_second_reading_comes_from_the_cache(root: Path) -> None:
    first = load(root)
    decoded: list[tuple[int, int]] = []
    second = load(root, on_read=lambda done, total: decoded.append((done, total)))
    assert decoded == []
    np.testing.assert_array_equal(first.pictures[32], second.pictures[32])
    assert first.sha256 == second.sha256


def test_set_that_grew_decodes_what_is_new(root: Path) -> None:
    load(root)
    picture = np.asarray(Image.open(root / "0.png"))
    Image.fromarray(picture[::-1].copy()).save(root / "6.png")
    table = pd.read_csv(root / "manifest.csv")
    added = table.iloc[[0]].assign(path="6.png")
    pd.concat([table, added]).to_csv(root / "manifest.csv", index=False)
    decoded: list[tuple[int, int]] = []
    loaded = load(root, on_read=lambda done, total: decoded.append((done, total)))
    assert decoded == [(1, 1)]
    np.testing.assert_array_equal(loaded.pictures[32][6], model_input(picture[::-1], 32))


def test_another_size_is_added_to_the_cache(root: Path) -> None:
    first = load(root)
    other = load_training_set(root, [64], root.parent / "cache", IngestSettings())
    picture = np.asarray(Image.open(root / "2.png"))
    np.testing.assert_array_equal(other.pictures[64][2], model_input(picture, 64))
    assert other.sha256 == first.sha256


def test_damaged_part_of_the_cache_is_made_anew(root: Path) -> None:
    first = load(root)
    (part,) = (
        path
        for path in (root.parent / "cache").rglob("side-32/*.npy")
        if not path.name.endswith(".keys.npy")
    )
    whole = part.read_bytes()
    part.write_bytes(whole[:200])
    second = load(root)
    assert part.read_bytes() == whole
    np.testing.assert_array_equal(first.pictures[32], second.pictures[32])


def test_cache_holds_no_names(root: Path) -> None:
    (root / "0.png").rename(root / "DOE^JANE.png")
    edit(root, 0, path="DOE^JANE.png")
    load(root)
    files = [path for path in (root.parent / "cache").rglob("*") if path.is_file()]
    assert files
    assert not any(b"DOE" in path.read_bytes() or "DOE" in path.name for path in files)


def test_boxes_are_moved_into_the_square_of_the_model_input(root: Path) -> None:
    # The head fills rows 20 to 99 and columns 20 to 79 of a picture 100 wide, 120 high:
    # the square is 80 px from column 10 and row 20.
    table = pd.read_csv(root / "manifest.csv")
    table["box"] = ["0.3 0.5 0.5 0.75", None, None, None, None, "0 0 1 1"]
    table.to_csv(root / "manifest.csv", index=False)
    boxes = load(root).boxes
    assert boxes.dtype == np.float32
    assert boxes[0] == pytest.approx([20 / 80, 40 / 80, 40 / 80, 70 / 80])
    assert np.isnan(boxes[1:5]).all()
    assert boxes[5].tolist() == [0, 0, 1, 1]


def test_boxed_pixels_stay_in_the_box(root: Path) -> None:
    picture = np.zeros((150, 90), np.uint8)
    picture[10:140, 5:60] = np.random.default_rng(9).integers(70, 100, (130, 55))
    picture[100:130, 30:50] = 250
    Image.fromarray(picture).save(root / "4.png")
    table = pd.read_csv(root / "manifest.csv")
    table["box"] = [None] * 4 + [f"{30 / 90} {100 / 150} {50 / 90} {130 / 150}", None]
    table.to_csv(root / "manifest.csv", index=False)
    loaded = load(root)
    x0, y0, x1, y1 = np.rint(loaded.boxes[4] * 48).astype(int)
    shown = loaded.pictures[48][4]
    assert shown[y0 + 1 : y1 - 1, x0 + 1 : x1 - 1].min() > 240
    shown = shown.copy()
    shown[max(y0 - 1, 0) : y1 + 1, max(x0 - 1, 0) : x1 + 1] = 0
    assert shown.max() < 120


def test_folds_are_made_of_whole_groups_where_none_are_given(root: Path) -> None:
    table = pd.read_csv(root / "manifest.csv").drop(columns=["fold", "group"])
    table["tumor"], table["plane"] = "glioma", "coronal"
    table["patient"] = ["DOE^A", "DOE^A", "DOE^B", "DOE^B", "DOE^C", "DOE^C"]
    table.drop(columns="source_tumor").to_csv(root / "manifest.csv", index=False)
    loaded = load(root, folds=2)
    assert set(loaded.table["fold"]) == {0, 1}
    assert loaded.table.groupby("group")["fold"].nunique().max() == 1
    assert loaded.table.groupby("group").size().tolist() == [2, 2, 2]
    assert loaded.table["patient_known"].all()
    assert not loaded.table.astype(str).apply(lambda c: c.str.contains("DOE")).any(axis=None)
    assert loaded.sha256 == load(root, folds=2).sha256


def test_same_pictures_come_to_the_same_folds_and_hash_in_every_workspace(
    tmp_path: Path,
) -> None:
    """Patients are keyed by a secret of the workspace; what is dealt out by group is not."""
    root = tmp_path / "set"
    root.mkdir()
    rows = []
    for number in range(24):
        random = np.random.default_rng(number)
        picture = np.zeros((120, 100), np.uint8)
        picture[20:100, 20:80] = random.integers(60, 250, (80, 60))
        Image.fromarray(picture).save(root / f"{number}.png")
        patient = f"P{number // 2}" if number < 20 else None
        rows.append((f"{number}.png", ["glioma", "no"][number % 2], "axial", patient))
    labels = pd.DataFrame(rows, columns=["path", "tumor", "plane", "patient"])
    labels.to_csv(root / "manifest.csv", index=False)
    loaded = [load(root, workspace=place) for place in (tmp_path / "a", tmp_path / "b", None)]
    labels.iloc[::-1].to_csv(root / "manifest.csv", index=False)
    loaded.append(load(root))
    first, second, bare, turned = (one.table.set_index("path") for one in loaded)
    assert (first["group"] != second["group"])[:20].all()
    for other in (second, bare, turned):
        assert other["fold"].to_dict() == first["fold"].to_dict()
    assert len({one.sha256 for one in loaded}) == 1
    locked = []
    for place, one in zip("ab", loaded, strict=False):
        lock_groups(tmp_path / place, one.table, one.prints, (one.table["fold"] == 4).to_numpy())
        kept = read_locked(tmp_path / place)
        assert kept is not None
        locked.append(kept.slice_ids)
    assert locked[0] == locked[1] != set()


def test_hash_of_given_groups_and_folds_stays_what_it_was(root: Path) -> None:
    """The shipped models' manifests hold the hash of a manifest that gives both."""
    loaded = load(root)
    lines = sorted(
        f"{row.slice_id} {row.category} {row.group} {row.fold}" for row in loaded.table.itertuples()
    )
    assert loaded.sha256 == hashlib.sha256("\n".join(lines).encode()).hexdigest()


def test_figures_say_where_patients_are_not_known(root: Path) -> None:
    assert load(root).caveat == ""  # groups are given
    table = pd.read_csv(root / "manifest.csv").drop(columns=["fold", "group"])
    table["tumor"], table["plane"] = "glioma", "coronal"
    table["patient"] = ["DOE^A", "DOE^A", "DOE^B", None, None, None]
    table.drop(columns="source_tumor").to_csv(root / "manifest.csv", index=False)
    loaded = load(root, folds=2)
    assert loaded.table["group_known"].tolist() == [True] * 3 + [False] * 3
    assert loaded.caveat.startswith(" Of 3 of the 6 pictures neither patient nor group is given:")
    table.drop(columns=["source_tumor", "patient"]).to_csv(root / "manifest.csv", index=False)
    nobody = load(root, folds=2)
    assert nobody.caveat.startswith(" Of all 6 pictures neither patient nor group is given:")


def test_figures_say_which_planes_are_a_models_answers(root: Path) -> None:
    """A plane that a model predicted and a model answers is no figure of being right."""
    assert load(root).plane_caveat == ""
    for row in (1, 4):
        edit(root, row, plane_predicted="true")
    loaded = load(root)
    assert loaded.plane_caveat.startswith(
        " Of 2 of the 6 pictures the plane is not labelled but predicted by a model:"
    )
    assert loaded.caveat == loaded.plane_caveat


def test_copies_join_groups_and_what_would_leak_is_not_trained_on(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("artemis.training.labelled.split.MAX_CROSSING", 0.9)
    Image.open(root / "0.png").save(root / "5.bmp")  # the same pixels in another file
    edit(root, 5, path="5.bmp")
    loaded = load(root)
    table = loaded.table
    assert table["group"].tolist() == ["g0", "g0", "g1", "g1", "g0", "g0"]
    assert table["crossing"].tolist() == [True, True, False, False, True, True]
    held_out = (table["fold"] == 2).to_numpy()
    assert loaded.training_mask(held_out).tolist() == [False, False, True, True, False, False]


def test_folds_that_copies_cross_on_a_large_scale_stop_the_training(root: Path) -> None:
    Image.open(root / "0.png").save(root / "5.bmp")
    edit(root, 5, path="5.bmp")
    with pytest.raises(TrainingDataError, match=r"at most 5% .*Received 4 pictures.*5\.bmp"):
        load(root)


def test_changed_picture_is_read_again(root: Path) -> None:
    first = load(root)
    picture = np.asarray(Image.open(root / "0.png")).copy()
    picture[50, 50] ^= 255
    Image.fromarray(picture).save(root / "0.png")
    assert load(root).sha256 != first.sha256


def test_group_in_two_folds_stops_the_training_and_names_the_files(root: Path) -> None:
    edit(root, 1, fold=2)
    with pytest.raises(TrainingDataError, match=r"first in parts \[0, 2\]: 0\.png, 1\.png"):
        load(root)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"tumor": "metastasis"}, "expected a known tumor. Received 'metastasis' for 4.png"),
        ({"plane": "oblique"}, "expected a known plane. Received 'oblique' for 4.png"),
        ({"path": "gone.png"}, "Received 1 that are not there, first gone.png"),
    ],
)
def test_wrong_rows_are_named(root: Path, values: dict, message: str) -> None:
    edit(root, 4, **values)
    with pytest.raises(TrainingDataError, match=message):
        load(root)


def test_picture_that_is_refused_is_named(root: Path) -> None:
    Image.new("L", (120, 120)).save(root / "5.png")
    with pytest.raises(TrainingDataError, match=r"5\.png: expected a picture to train on"):
        load(root)


def test_pictures_that_are_refused_are_named_all_at_once(root: Path) -> None:
    """Whoever mends one at a time starts a reading of thousands for each."""
    Image.new("L", (120, 120)).save(root / "3.png")
    (root / "5.png").write_bytes(b"no picture")
    decoded: list[tuple[int, int]] = []
    with pytest.raises(TrainingDataError, match="Received 2 that cannot be") as caught:
        load(root, on_read=lambda done, total: decoded.append((done, total)))
    message = str(caught.value)
    assert "3.png: expected a picture to train on" in message
    assert "5.png: expected a picture to train on" in message
    assert "`artemis-cli data audit` lists them" in message
    assert decoded == [(6, 6)]
    with pytest.raises(TrainingDataError, match="Received 2 that cannot be"):
        load(root, on_read=lambda done, total: decoded.append((done, total)))
    assert decoded == [(6, 6), (2, 2)]


def test_missing_columns_are_named(root: Path) -> None:
    pd.read_csv(root / "manifest.csv").drop(columns=["plane"]).to_csv(
        root / "manifest.csv", index=False
    )
    with pytest.raises(TrainingDataError, match="6 rows without plane"):
        load(root)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"group": None}, "expected a group in every row. Received none for 4.png"),
        ({"fold": None}, "expected a fold in every row. Received none for 4.png"),
        ({"fold": 1.5}, r"expected whole numbers from 0 as folds. Received '1.5' for 4.png"),
        ({"path": "3.png"}, "expected every picture once. Received 3.png again"),
    ],
)
def test_rows_that_a_split_cannot_place_are_named(root: Path, values: dict, message: str) -> None:
    edit(root, 4, **values)
    with pytest.raises(TrainingDataError, match=message):
        load(root)


def test_file_of_several_frames_is_refused(root: Path) -> None:
    page = Image.open(root / "4.png")
    page.save(root / "4.tif", save_all=True, append_images=[page])
    edit(root, 4, path="4.tif")
    with pytest.raises(
        TrainingDataError, match=r"4\.tif: expected a file of one picture.* 2 frames"
    ):
        load(root)


@pytest.mark.shared
@pytest.mark.slow
def test_given_folds_of_the_real_images_leak_nothing(brain_mri: Path, tmp_path: Path) -> None:
    """Two slices of the public set are in two of its folds each, with other grey or frame."""
    table = pd.read_csv(brain_mri / "manifest.csv", dtype={"group": str})
    torn = table["group"].isin(["189", "464", "380", "383"])
    whole = table[~torn].drop_duplicates(["fold", "tumor", "plane"])
    pd.concat([table[torn], whole]).to_csv(tmp_path / "manifest.csv", index=False)
    for half in ("Training", "Testing"):
        (tmp_path / half).symlink_to(brain_mri / half)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("artemis.training.labelled.split.MAX_CROSSING", 0.2)
        loaded = load_training_set(tmp_path, [32], tmp_path / "cache", IngestSettings())
    groups = loaded.table.set_index("path")["group"]
    assert (
        groups["Testing/no_transverse/image(99).jpg"]
        == (groups["Training/no_transverse/image(170).jpg"])
    )
    held_out = (loaded.table["fold"] == 0).to_numpy()
    with pytest.raises(TrainingDataError, match=r"no_transverse/image\(\d+\)\.jpg"):
        check_leak(loaded.table, loaded.copies, ~held_out, held_out)
    left_out = ~held_out & ~loaded.training_mask(held_out)
    assert "Training/no_transverse/image(170).jpg" in set(loaded.table["path"][left_out])
    boxes = loaded.boxes[np.isfinite(loaded.boxes[:, 0])]
    assert len(boxes) == loaded.table["patient_known"].sum() > 5
    assert (boxes[:, :2] < boxes[:, 2:]).all()
