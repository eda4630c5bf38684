"""The manifest beside a model's weights, and the checks that a model must pass to be loaded."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from artemis.errors import ModelError
from artemis.labels import CATEGORY_NAMES, TUMORS
from artemis.preprocess import PREPROCESSING_ID
from artemis.seen import SeenSlices
from artemis.system.files import sha256_file

MANIFEST_NAME: Final = "manifest.json"
WEIGHTS_NAME: Final = "model.tflite"
REFERENCE_NAME: Final = "reference.npz"
CARD_NAME: Final = "MODEL_CARD.md"
CARD_PAGE_NAME: Final = "MODEL_CARD.html"
START_NAME: Final = "start.npz"
"""Weights that a later training may start from."""

OUT_OF_FOLD_NAME: Final = "out_of_fold.parquet"
"""What the model was trained on, with predictions by networks that had not seen it."""

MODEL_FILES: Final = (WEIGHTS_NAME, REFERENCE_NAME, START_NAME, OUT_OF_FOLD_NAME)
"""Files of a model, whose hashes its manifest holds."""

CROSS_VALIDATED: Final = "every slice trains; figures are cross-validated with the same recipe"
"""The split of a model whose figures are of other networks, each without the slices tested."""


class ModelInput(BaseModel):
    """What the exported model takes: ``(n, side, side, 1)`` uint8 grey pictures."""

    side: int
    channels: Literal[1] = 1
    dtype: Literal["uint8"] = "uint8"
    preprocessing: str


class Interval(BaseModel):
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


class OutOfDistribution(BaseModel):
    """Reference of the training slices, and the score above which a slice is far from them.

    The threshold leaves `aimed_false_refusals` of the slices that it was set on beyond it;
    `false_refusals` is the share of slices beyond a threshold that was set on other patients'
    in the same way, None where that was not measured. `far_auroc` is the area under the ROC
    curve of drawn pictures that are no brain MRI against held-out slices, and `far_refused` the
    share of each kind beyond the threshold. `seen` is how far the training slices themselves
    lie, None where that was not recorded.
    """

    method: str
    threshold: float
    aimed_false_refusals: float
    fitted_on: str
    far_auroc: float
    far_refused: dict[str, float]
    false_refusals: Interval | None = None
    seen: SeenSlices | None = None


class ClassFigures(BaseModel):
    """How often a class is found, and how often its name is right; None where undefined."""

    images: int
    precision: Interval | None
    recall: Interval | None


class SourceFigures(BaseModel):
    """Figures on the slices of one source or one plane; of tumour types, over those in it."""

    images: int
    groups: int
    accuracy: Interval
    tumor_accuracy: Interval
    tumor_macro_f1: Interval
    tumor_recall: dict[str, Interval]
    plane_accuracy: Interval


class Mistake(BaseModel):
    """A slice that was answered wrongly.

    `group` is a number within its list, so that slices of one patient are seen to be so and
    no name of a patient leaves the workspace.
    """

    slice_id: str
    group: int
    source: str
    truth: str
    answer: str
    confidence: float


class Probe(BaseModel):
    """How well a linear probe tells the sources of one tumour type apart; 0.5 is chance of two."""

    tumor: str
    sources: list[str]
    images: int
    balanced_accuracy: float


class ControlPatch(BaseModel):
    """What blanking a patch of the box's size does elsewhere in the head, and in the box.

    Shares of slices whose tumour type is named, of slices with room for such a patch;
    `difference` is that with the control blanked minus that with the box blanked.
    """

    images: int
    control: Interval
    blanked: Interval
    difference: Interval


class Shortcuts(BaseModel):
    """Tests of what a model may read instead of the tumour, on slices with a known tumour box.

    `tumor_accuracy` holds ``as_is``, ``blanked`` (the box is black), ``only_box`` (all else
    is), and ``blanked_none``: how often "none" is answered with the box black. `control` is None
    where it was not measured.
    """

    images: int
    tumor_accuracy: dict[str, Interval]
    probes: list[Probe]
    control: ControlPatch | None = None


class Shuffled(BaseModel):
    """Evidence of a network some of whose weights were shuffled, against its own.

    `correlation` is the mean of Spearman's rank correlation over the `slices` whose maps have
    ranks, `absolute` that of its magnitude; `pointing_game` as in the metrics. None where
    undefined.
    """

    correlation: float | None
    absolute: float | None
    slices: int
    pointing_game: float | None


class Randomisation(BaseModel):
    """The check that evidence depends on what was learnt, see `artemis.training.network`.

    `shuffled` holds ``heads`` (what is above the convolutional blocks) and ``all`` (whatever was
    trained); `pointing_game` is of the network as it is, on the same `images`.
    """

    images: int
    pointing_game: float | None
    shuffled: dict[str, Shuffled]


class RuleFigures(BaseModel):
    """How well one rule names the tumour type of a study, each study counting once.

    `accuracy` is the share of studies of which the most probable type is the true one;
    `diluted` the same by the number of slices without a tumour that are added to each, beside
    as many studies of nothing else. `brier` (0 to 2) and `nll` are of the studies as they are.
    """

    accuracy: Interval
    diluted: dict[int, float]
    brier: float
    nll: float


class Together(BaseModel):
    """How the slices of a study answer together, against how each does by itself.

    `accuracy` is of studies by the rule in use, `by_slice` the share of a study's slices that
    are right, averaged over studies, and `gain` their difference on the same resamples.
    """

    studies: int
    slices: int
    accuracy: Interval
    by_slice: Interval
    gain: Interval


class StudyFigures(BaseModel):
    """Tumour types of patients with several slices, answered by whoever had not seen them.

    `patients` takes all slices of a patient together, `series` those of one plane; `rules`
    compares the rules on the patients. `rule` is the one in use.
    """

    rule: str
    patients: Together
    series: Together | None
    rules: dict[str, RuleFigures]


class Evaluation(BaseModel):
    """Figures of one protocol on data that the model has not seen.

    `reliability` and `reliability_equal_mass` hold ``images``, ``confidence`` (mean) and
    ``accuracy`` of each bin that holds a slice; `mistakes` the most confident errors, of slices
    that have names. `shortcuts` are of the protocol ``patient`` alone; `studies` are None
    where fewer than two known patients have several slices.
    """

    protocol: str
    images: int
    groups: int
    metrics: dict[str, Interval]
    per_source: dict[str, SourceFigures]
    per_plane: dict[str, SourceFigures]
    per_tumor: dict[str, ClassFigures]
    per_category: dict[str, ClassFigures]
    confusion: list[list[int]]
    reliability: list[dict[str, float]]
    reliability_equal_mass: list[dict[str, float]]
    mistakes: list[Mistake]
    shortcuts: Shortcuts | None = None
    studies: StudyFigures | None = None


class PredictionSets(BaseModel):
    """Thresholds of the prediction sets, and how they did on groups they were not fitted on.

    Attributes
    ----------
    level : float
        Rate at which a set is to hold the truth, of slices of unseen patients.
    method : str
        See `artemis.training.figures.conformal`.
    thresholds : dict of str to float
        By tumour type: a category is in the set if one minus its probability is at most this.
    fitted_on : str
        What slices.
    coverage, mean_size : Interval
        Share of slices whose set holds the truth, and categories in a set, cross-fitted.
    group_coverage : float
        Share of a patient's slices, averaged over patients.
    tumor_coverage : dict of str to float
        Share of slices by true tumour type.
    """

    level: float = Field(gt=0, lt=1)
    method: str
    thresholds: dict[str, float]
    fitted_on: str
    coverage: Interval
    mean_size: Interval
    group_coverage: float
    tumor_coverage: dict[str, float]

    @field_validator("thresholds")
    @classmethod
    def _check_thresholds(cls, value: dict[str, float]) -> dict[str, float]:
        if set(value) != set(TUMORS) or not all(0 <= limit <= 1 for limit in value.values()):
            raise ValueError(f"a threshold from 0 to 1 for each of {', '.join(TUMORS)}")
        return value


class Training(BaseModel):
    """What the model was trained on, and how.

    `seen_before` are slices that the weights in ``start.npz`` have learnt from in trainings before
    this one, which was not given them, such as slices in dispute.
    """

    training_set_sha256: str
    images: int
    groups: int
    per_category: dict[str, int]
    per_source: dict[str, int]
    split: str
    first_weights: str
    recipe: dict[str, Any]
    label_corrections: int
    versions: dict[str, str]
    seen_before: list[str] = []


class Manifest(BaseModel):
    """Everything that must be known of a model to use it, as in ``manifest.json``."""

    model_config = ConfigDict(extra="forbid")

    format: Literal[1] = 1
    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    version: str = Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z._-]{0,63}$")
    created: datetime
    categories: list[str]
    input: ModelInput
    outputs: dict[str, list[int]]
    temperature: float = Field(gt=0)
    temperature_fitted_on: str
    out_of_distribution: OutOfDistribution
    prediction_sets: PredictionSets
    training: Training
    evaluation: Evaluation
    randomisation: Randomisation | None = None
    export_agreement: float = Field(ge=0)
    files: dict[str, str]

    @property
    def sha256(self) -> str:
        """SHA-256 of the weights."""
        return self.files[WEIGHTS_NAME]


def load_manifest(folder: Path) -> Manifest:
    """Read and check the manifest of a model folder, and the hash of every file it names.

    Parameters
    ----------
    folder : Path
        Holds ``manifest.json`` and the files of `MODEL_FILES`.

    Raises
    ------
    ModelError
        If a file is missing or changed, or the categories, their order or the
        preprocessing differ from this version of Artemis.
    """
    path = folder / MANIFEST_NAME
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ModelError(
            f"{path}: expected a model's manifest. Received: {error.strerror}. "
            "Install Artemis again or train the model with `artemis-cli train`."
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        raise ModelError(
            f"{path}: expected a manifest of format 1. Received: {first['msg']} at "
            f"{'.'.join(map(str, first['loc'])) or 'the top'}. Train the model again."
        ) from error
    _check_contract(path, manifest)
    _check_files(folder, manifest)
    return manifest


def _check_contract(path: Path, manifest: Manifest) -> None:
    if tuple(manifest.categories) != CATEGORY_NAMES:
        raise ModelError(
            f"{path}: expected the categories {', '.join(CATEGORY_NAMES)}, in this order. "
            f"Received: {', '.join(manifest.categories)}. Train the model again."
        )
    if manifest.input.preprocessing != PREPROCESSING_ID:
        raise ModelError(
            f"{path}: expected preprocessing {PREPROCESSING_ID!r}. Received "
            f"{manifest.input.preprocessing!r}. Train the model again with this version."
        )
    missing = [name for name in MODEL_FILES if name not in manifest.files]
    if missing:
        raise ModelError(
            f"{path}: expected the hashes of {', '.join(MODEL_FILES)}. "
            f"Received none of {', '.join(missing)}. Train the model again."
        )


def _check_files(folder: Path, manifest: Manifest) -> None:
    for name, expected in manifest.files.items():
        path = folder / name
        if Path(name).name != name:
            raise ModelError(
                f"{folder / MANIFEST_NAME}: expected plain file names. Received {name!r}. "
                "Do not use this model."
            )
        if not path.is_file():
            raise ModelError(
                f"{path}: expected a file of the model. Received none. Install the model again."
            )
        received = sha256_file(path)
        if received != expected:
            raise ModelError(
                f"{path}: expected SHA-256 {expected[:12]}…. Received {received[:12]}…. "
                "The file was changed or damaged; install the model again."
            )
