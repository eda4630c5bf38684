"""Labelled frames of files: what they are called, and whose they are."""

from __future__ import annotations

import pandas as pd

_SAYING_WHOSE = ("patient", "study", "group")


def picture_name(path: str, frame: int | None) -> str:
    """Return what a picture is called: its file, and its frame if one is named, ``a.tif#2``."""
    return path if frame is None else f"{path}#{frame}"


def frames_of(labels: pd.DataFrame) -> list[int | None]:
    """Return the frame of each label, from 0; None where the file is to hold one picture.

    Parameters
    ----------
    labels : pandas.DataFrame
        With a column ``frame`` or without.
    """
    given = labels.reindex(columns=["frame"])["frame"]
    return [None if pd.isna(frame) else int(frame) for frame in given]


def picture_names(labels: pd.DataFrame) -> list[str]:
    """Return the name of each picture, see `picture_name`.

    Parameters
    ----------
    labels : pandas.DataFrame
        ``path``, and optionally ``frame``.
    """
    return [picture_name(*one) for one in zip(labels["path"], frames_of(labels), strict=True)]


def held_by_file(labels: pd.DataFrame) -> pd.Series[bool]:
    """Return which pictures are of one person with the other frames of their file.

    Those are named by frame, and nothing else says whose they are.

    Parameters
    ----------
    labels : pandas.DataFrame
        Optionally ``frame``, ``patient``, ``study`` and ``group``.
    """
    known = labels.reindex(columns=["frame", *_SAYING_WHOSE]).notna()
    return known["frame"] & ~known[list(_SAYING_WHOSE)].any(axis=1)


def frame_problem(frame: int | None, frames: int) -> str | None:
    """Return what is wrong with a label's frame, as a sentence; None if nothing is.

    Parameters
    ----------
    frame : int or None
        As labelled, from 0.
    frames : int
        How many the file has.
    """
    if frame is None and frames != 1:
        return (
            f"expected a file of one picture. Received {frames} frames. Name the frame of each "
            "label in a column `frame` of a manifest, from 0, or write each to a file of its own."
        )
    if frame is not None and frame >= frames:
        return (
            f"expected a frame from 0 to {frames - 1}. Received {frame}. Correct the column "
            "`frame` of the manifest."
        )
    return None
