"""Labels that a run was given, kept with it: its report is made of the run's files alone."""

from __future__ import annotations

from pathlib import Path

from artemis.errors import LabelsError, RunRecordError
from artemis.labels import Category, parse_category
from artemis.predictions import part_name, plain_rows, read_table, write_part
from artemis.report.run.truth_data import FOLDERS, Truth, from_file, from_folders
from artemis.runs import read_record
from artemis.schemas import TRUTH_SCHEMA


def keep_truth(run_dir: Path, labels: Path) -> Path:
    """Keep what a file of labels says of a run's slices as its table `truth`.

    Where it says nothing, the names of the folders still count, save of slices on which the
    file's reviewers disagree.

    Parameters
    ----------
    run_dir : Path
        ``<workspace>/runs/<run_id>``.
    labels : Path
        See `artemis.report.run.truth_data.from_file`. What was kept before goes.

    Returns
    -------
    Path
        The table's one part. Its columns are `path`, `frame`, `tumor`, `plane`, and in `source`
        who says so, as the page has it.

    Raises
    ------
    LabelsError
        If the file is wrong, or names none of the run's classified slices.
    RunRecordError
        If the table of slices cannot be read.
    """
    truth = from_file(labels)
    columns = ("path", "frame", "slice_id", "status", "run_id")
    slices = [*plain_rows(read_table(run_dir, "slices", columns))]
    keys = [(row["path"], row["frame"], row["slice_id"]) for row in slices]
    labelled = [truth.of(*key) for key in keys]
    if not any(row["status"] == "ok" and one for row, one in zip(slices, labelled, strict=True)):
        first = next((row["path"] for row in slices if row["status"] == "ok"), None)
        raise LabelsError(
            f"{labels}: expected labels of this run's slices, such as "
            f"{first or 'none was classified'!r}. Received none. "
            "Give paths relative to the batch folder, with forward slashes, or the review of this "
            "run."
        )
    words, folders = truth.words_for(keys), from_folders(read_record(run_dir).batch)
    rows = []
    for row, key, label in zip(slices, keys, labelled, strict=True):
        category = label or (None if key[2] in truth.disputed else folders.of(*key))
        if category is not None:
            said = {"tumor": category.tumor, "plane": category.plane}
            source = words if label else folders.words
            rows.append(
                {name: row[name] for name in ("path", "frame", "run_id")}
                | said
                | {"source": source}
            )
    return _write(run_dir, rows)


def forget_truth(run_dir: Path) -> Path:
    """Empty a run's table `truth`, so that its folders' names count; return its one part."""
    return _write(run_dir, [])


def truth_of(run_dir: Path, batch: str) -> Truth:
    """Return what is known of a run's slices: what was kept, else what the folders' names say.

    Parameters
    ----------
    run_dir : Path
        ``<workspace>/runs/<run_id>``.
    batch : str
        Folder of the batch.

    Raises
    ------
    RunRecordError
        If the table cannot be read, or names a category that this version does not know.
    """
    kept: dict[tuple[str, int], Category] = {}
    sources: dict[str, None] = {}
    for row in plain_rows(read_table(run_dir, "truth")):
        category = parse_category(f"{row['tumor']}_{row['plane']}")
        if category is None:
            raise RunRecordError(
                f"{run_dir / 'truth'}: expected the twelve categories of this version of Artemis. "
                f"Received {row['tumor'][:40]!r}, {row['plane'][:40]!r}. "
                "Give the labels again, with `artemis-cli report RUN --labels FILE`."
            )
        kept[row["path"], row["frame"]] = category
        sources[row["source"]] = None
    if not kept:
        return from_folders(batch)
    words = ", else by ".join(sorted(sources, key=lambda source: source == FOLDERS))
    return Truth(words, lambda path, frame, slice_id: kept.get((path, frame)))


def _write(run_dir: Path, rows: list[dict[str, object]]) -> Path:
    target = run_dir / "truth" / part_name(0)
    write_part(target, rows, TRUTH_SCHEMA)
    return target
