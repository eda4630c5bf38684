"""The locked evaluation set: fixed at the first retraining, and never trained on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from artemis.datasets.copies import THUMB_SIDE, Fingerprints, find_copies
from artemis.errors import TrainingDataError
from artemis.system.files import atomic_path, is_out_of_reach

LOCKED_NAME: Final = "locked.parquet"
"""File below ``models/`` of a workspace."""

_THUMB_BYTES: Final = 2 * THUMB_SIDE * THUMB_SIDE
_SCHEMA: Final = pa.schema(
    [
        pa.field("slice_id", pa.string(), nullable=False),
        pa.field("group", pa.string(), nullable=False),
        pa.field("phash", pa.uint64(), nullable=False),
        pa.field("thumb", pa.binary(_THUMB_BYTES), nullable=False),  # 1024 float16
        pa.field("locked_at", pa.timestamp("us", tz="UTC"), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class Locked:
    """The evaluation set.

    Attributes
    ----------
    slice_ids, groups : frozenset of str
        Of its pictures.
    names : list of str
        Slice of each fingerprint.
    prints : Fingerprints
        Of its pictures, so that copies are known by their look.
    """

    slice_ids: frozenset[str]
    groups: frozenset[str]
    names: list[str]
    prints: Fingerprints


def lock_groups(
    workspace: Path, table: pd.DataFrame, prints: Fingerprints, test: NDArray[np.bool_]
) -> Path:
    """Fix the evaluation set of a workspace: whole groups, once and for all.

    Parameters
    ----------
    workspace : Path
        The file is ``models/locked.parquet`` in it.
    table : pandas.DataFrame
        ``slice_id``, ``group`` and ``path``, a row a picture.
    prints : Fingerprints
        Of its pictures, in the same order.
    test : ndarray, (n,), bool
        The pictures to lock.

    Raises
    ------
    TrainingDataError
        If there is a locked set already, nothing to lock, or a group would be locked in part.
    """
    path = workspace / "models" / LOCKED_NAME
    if path.exists():
        raise TrainingDataError(
            f"{path}: expected no locked evaluation set yet. Received one. Figures before and "
            "after a change of it cannot be compared; move it away only to start anew, and "
            "with it the golden.json of each model."
        )
    whole = table["group"].isin(table["group"][test]).to_numpy()
    if not test.any() or (whole & ~test).any():
        part = table["path"].to_numpy()[whole & ~test]
        raise TrainingDataError(
            f"{path}: expected whole groups to lock. Received "
            f"{'parts of groups, without ' + ', '.join(part[:5]) if test.any() else 'none'}. "
            "Lock every picture of a group."
        )
    rows = pa.table(
        {
            "slice_id": table["slice_id"][test].tolist(),
            "group": table["group"][test].tolist(),
            "phash": prints.phash[test],
            "thumb": [row.tobytes() for row in prints.thumbs[test].astype("<f2")],
            "locked_at": [datetime.now(UTC)] * int(test.sum()),
        },
        schema=_SCHEMA,
    )
    with atomic_path(path) as temporary:
        pq.write_table(rows, temporary, compression="zstd")
    return path


def read_locked(workspace: Path) -> Locked | None:
    """Return the locked evaluation set of a workspace, or None before one is fixed.

    Raises
    ------
    TrainingDataError
        If the file is there and cannot be read: nothing is trained on what it may hold.
    """
    path = workspace / "models" / LOCKED_NAME
    if not path.exists() and not is_out_of_reach(path):
        return None
    try:
        rows = pq.ParquetFile(path).read().select(_SCHEMA.names).cast(_SCHEMA)
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise TrainingDataError(
            f"{path}: expected the locked evaluation set. Received: {type(error).__name__}. "
            "Restore it from a backup; without it nothing may be trained here."
        ) from error
    thumbs = np.frombuffer(b"".join(rows["thumb"].to_pylist()), dtype="<f2")
    return Locked(
        slice_ids=frozenset(rows["slice_id"].to_pylist()),
        groups=frozenset(rows["group"].to_pylist()),
        names=rows["slice_id"].to_pylist(),
        prints=Fingerprints(
            phash=rows["phash"].to_numpy(),
            thumbs=thumbs.reshape(len(rows), -1).astype(np.float32),
        ),
    )


def is_locked(locked: Locked, table: pd.DataFrame, prints: Fingerprints) -> NDArray[np.bool_]:
    """Return which pictures must not be trained on, (n,) bool.

    A picture is locked if the set holds it, its group, or a copy of it, exact or near; and
    with a picture its whole group is.

    Parameters
    ----------
    locked : Locked
        The evaluation set.
    table : pandas.DataFrame
        ``slice_id`` and ``group``, a row a picture.
    prints : Fingerprints
        Of its pictures, in the same order.
    """
    count = len(table)
    copies = find_copies(
        Fingerprints(
            phash=np.concatenate([prints.phash, locked.prints.phash]),
            thumbs=np.concatenate([prints.thumbs, locked.prints.thumbs]),
        ),
        [*table["slice_id"], *locked.names],
    )
    first, second = copies["first"].to_numpy(np.int64), copies["second"].to_numpy(np.int64)
    mask = (table["slice_id"].isin(locked.slice_ids) | table["group"].isin(locked.groups)).to_numpy(
        dtype=np.bool_, copy=True
    )
    mask[first[(first < count) & (second >= count)]] = True
    return np.asarray(table["group"].isin(table["group"][mask]), dtype=np.bool_)
