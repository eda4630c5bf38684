"""Labels that a run was given, kept with it: its report is made of the run's files alone."""

from __future__ import annotations

from pathlib import Path

from artemis.errors import LabelsError, RunRecordError
from artemis.labels import Category, parse_category
from artemis.predictions import TRUTH_SCHEMA, part_name, plain_rows, read_table, write_part
from artemis.report.truth_data import Truth, from_file, from_folders


def keep_truth(run_dir: Path, labels: Path) -> Path:
    """Keep what a file of labels says of a run's slices as its table `truth`.

    Parameters
    ----------
    run_dir : Path
        ``<workspace>/runs/<run_id>``.
    labels : Path
        See `artemis.report.truth_data.from_file`. What was kept before goes.

    Returns
    -------
    Path
        The table's one part. Its columns are `path`, `frame`, `tumor`, `plane`, and in `source`
        which labels these are, as the page says it.

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
    known = [truth.of(*key) for key in keys]
    classified = [row["status"] == "ok" for row in slices]
    if not any(ok and category for ok, category in zip(classified, known, strict=True)):
        first = next((row["path"] for row in slices if row["status"] == "ok"), None)
        raise LabelsError(
            f"{labels}: expected labels of this run's slices, such as "
            f"{first or 'none was classified'!r}. Received none. "
            "Give paths relative to the batch folder, or the review of this run."
        )
    source = truth.words_for(keys)
    rows = [
        {
            **{name: row[name] for name in ("path", "frame", "run_id")},
            "tumor": category.tumor,
            "plane": category.plane,
            "source": source,
        }
        for row, category in zip(slices, known, strict=True)
        if category is not None
    ]
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
    source = ""
    for row in plain_rows(read_table(run_dir, "truth")):
        category = parse_category(f"{row['tumor']}_{row['plane']}")
        if category is None:
            raise RunRecordError(
                f"{run_dir / 'truth'}: expected the twelve categories of this version of Artemis. "
                f"Received {row['tumor'][:40]!r}, {row['plane'][:40]!r}. "
                "Give the labels again, with `artemis-cli report RUN --labels FILE`."
            )
        kept[row["path"], row["frame"]], source = category, row["source"]
    if not kept:
        return from_folders(batch)
    return Truth(source, lambda path, frame, slice_id: kept.get((path, frame)))


def _write(run_dir: Path, rows: list[dict[str, object]]) -> Path:
    target = run_dir / "truth" / part_name(0)
    write_part(target, rows, TRUTH_SCHEMA)
    return target
