"""What a network answers for the wrong reason: without the tumour, with nothing but it, by source.

A network that still names the tumour when its box is blanked reads something else: the shape
of the skull, the source's look, a mark of the surgeon. How much blanking alone disturbs it, a
patch of the same size blanked elsewhere in the head tells. One that names it from the box alone
needs nothing else. A linear probe says how well the source can be read off the features of
pictures of the same tumour type (Alain and Bengio, ICLR 2017 workshop).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from artemis.labels import PLANES, TUMORS
from artemis.models.manifest import ControlPatch, Interval, Probe, Shortcuts
from artemis.system.cores import one_blas_thread
from artemis.training.figures.bootstrap import grouped_mean
from artemis.training.figures.control_patch import control_boxes
from artemis.training.figures.evaluate import resampled_groups
from artemis.training.network.draws import draw_areas
from artemis.training.network.feeds import Samples
from artemis.training.network.fitted import Fitted

SHORTCUT_SCHEMA: Final = pa.schema(
    [
        pa.field("slice_id", pa.string(), nullable=False),
        pa.field("group", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("tumor", pa.string(), nullable=False),
        pa.field("boxed", pa.bool_(), nullable=False),
        pa.field("as_is", pa.string(), nullable=False),
        pa.field("blanked", pa.string()),
        pa.field("control", pa.string()),
        pa.field("only_box", pa.string()),
        pa.field("source_by_probe", pa.string()),
    ]
)
"""A row a slice: its tumour type, what was answered for its variants, and the probed source."""

_CHANGED: Final = ("blanked", "control", "only_box")
_PROBED: Final = ("none", "glioma")
_MIN_PROBED: Final = 8  # groups of each source that a probe needs to be trained and tested
_PROBE_FOLDS: Final = 3
_MARGIN: Final = 0.1  # of the box's edges; the blank must not be the outline of the tumour


def answer_variants(
    fitted: Fitted,
    samples: Samples,
    table: pd.DataFrame,
    boxes: NDArray[np.float32],
    rows: NDArray[np.int64],
) -> pd.DataFrame:
    """Return what a network answers for slices it has not seen, as they are and changed.

    Parameters
    ----------
    fitted : Fitted
        The network.
    samples : Samples
        Its pictures.
    table : DataFrame
        ``slice_id``, ``group``, ``source`` of all samples.
    boxes : ndarray, (n, 4), float32
        Tumour boxes in fractions of the edge; NaN where unknown.
    rows : ndarray, (m,), int64
        Slices that it was not trained on.
    """
    tumors = np.asarray(TUMORS, dtype=object)
    outputs = fitted.predict(samples, rows)
    boxed = np.isfinite(boxes[rows]).all(axis=1)
    found = table.iloc[rows][["slice_id", "group", "source"]].reset_index(drop=True)
    found["tumor"] = tumors[samples.categories[rows] // len(PLANES)].tolist()
    found["boxed"] = boxed.tolist()
    found["as_is"] = tumors[outputs["logits"].argmax(axis=1) // len(PLANES)].tolist()
    for name in _CHANGED:
        found[name] = np.full(len(rows), None, dtype=object)
    if boxed.any():
        changed = _answers_to_changed(fitted, samples.pictures[rows[boxed]], boxes[rows[boxed]])
        found.loc[boxed, list(changed)] = pd.DataFrame(changed, index=np.flatnonzero(boxed))
    found["source_by_probe"] = _probe(found, outputs["features"])
    return found


def _answers_to_changed(
    fitted: Fitted, pictures: NDArray[np.uint8], boxes: NDArray[np.float32]
) -> dict[str, NDArray[np.object_]]:
    """Return the tumour types that are answered, by the names of `_CHANGED`.

    There is no answer to the control where the box leaves no room for one.
    """
    patches = _widened(boxes)
    controls = control_boxes(pictures, patches)
    inside, beside = (draw_areas(of, pictures.shape[1]) > 0 for of in (patches, controls))
    tumors, answers = np.asarray(TUMORS, dtype=object), {}
    for name, kept in zip(_CHANGED, (~inside, ~beside, inside), strict=True):
        logits = fitted.predict_pictures(np.where(kept, pictures, 0).astype(np.uint8))
        answers[name] = tumors[logits.argmax(axis=1) // len(PLANES)]
    answers["control"][np.isnan(controls[:, 0])] = None
    return answers


def summarise(answers: pd.DataFrame, seed: int = 0) -> Shortcuts:
    """Return the table of shortcut tests.

    Parameters
    ----------
    answers : DataFrame
        From `answer_variants`, all folds joined.
    seed : int
        Of the resampling of groups.
    """
    boxed = answers[answers["boxed"]]
    shares: dict[str, NDArray[np.bool_]] = {
        name: (boxed[name] == boxed["tumor"]).to_numpy()
        for name in ("as_is", "blanked", "only_box")
    }
    shares["blanked_none"] = (boxed["blanked"] == "none").to_numpy()
    probes = []
    for tumor in _PROBED:
        of = answers[(answers["tumor"] == tumor) & answers["source_by_probe"].notna()]
        if of.empty:
            continue
        hits = (of["source_by_probe"] == of["source"]).to_numpy()
        recalls = [hits[(of["source"] == s).to_numpy()].mean() for s in of["source"].unique()]
        probes.append(
            Probe(
                tumor=tumor,
                sources=sorted(of["source"].unique().tolist()),
                images=len(of),
                balanced_accuracy=float(np.mean(recalls)),
            )
        )
    return Shortcuts(
        images=len(boxed),
        tumor_accuracy=_means(shares, boxed["group"].tolist(), seed) if len(boxed) else {},
        control=_control(boxed[boxed["control"].notna()], seed),
        probes=probes,
    )


def _control(answers: pd.DataFrame, seed: int) -> ControlPatch | None:
    """Compare the blanked box with a patch blanked elsewhere, on slices that have room for it."""
    if answers.empty:
        return None
    control, blanked = (
        (answers[name] == answers["tumor"]).to_numpy().astype(np.float64)
        for name in ("control", "blanked")
    )
    codes, draws = resampled_groups(answers["group"].tolist(), seed)
    return ControlPatch(
        images=len(answers),
        control=grouped_mean(control, codes, draws),
        blanked=grouped_mean(blanked, codes, draws),
        difference=grouped_mean(control - blanked, codes, draws),
    )


def _means(
    shares: Mapping[str, NDArray[np.bool_]], groups: list[str], seed: int
) -> dict[str, Interval]:
    codes, draws = resampled_groups(groups, seed)
    return {
        name: grouped_mean(hits.astype(np.float64), codes, draws) for name, hits in shares.items()
    }


def _widened(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    margin = _MARGIN * np.stack([-width, -height, width, height], axis=1)
    return (boxes + margin).astype(np.float32)


def _probe(found: pd.DataFrame, features: NDArray[np.float32]) -> NDArray[np.object_]:
    """Return the source that a linear probe, trained on other groups, reads off each slice."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    read = np.full(len(found), None, dtype=object)
    for tumor in _PROBED:
        of = np.flatnonzero(found["tumor"] == tumor)
        sources, groups = found["source"].to_numpy()[of], found["group"].to_numpy()[of]
        counts = pd.Series(groups).groupby(sources).nunique()
        if len(counts) < 2 or counts.min() < _MIN_PROBED:
            continue
        probe = make_pipeline(
            StandardScaler(), LogisticRegression(C=0.01, max_iter=500, class_weight="balanced")
        )
        folds = StratifiedGroupKFold(_PROBE_FOLDS, shuffle=True, random_state=0)
        with one_blas_thread():
            read[of] = cross_val_predict(probe, features[of], sources, groups=groups, cv=folds)
    return read
