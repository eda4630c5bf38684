"""Where a model fails: its most confident mistakes, out of its records.

A model's folder is what is copied, packaged and mailed, so no picture of a patient may lie in
it: the card there lists the mistakes. Where the pictures are at hand, in the workspace of the
training, they are kept there instead, see `artemis.training.failures`, and a page among the
workspace's reports shows them with the evidence.
"""

from __future__ import annotations

from dataclasses import dataclass

from artemis.models.manifest import Manifest, Mistake


@dataclass(frozen=True, slots=True)
class FailureRecord:
    """Mistakes, the surest first, and in words which slices they are of."""

    mistakes: tuple[Mistake, ...]
    words: str


def failure_record(manifest: Manifest) -> FailureRecord | None:
    """Return a model's most confident mistakes on slices that whoever answered had not seen.

    Parameters
    ----------
    manifest : Manifest
        As `artemis.models.manifest.load_manifest` returned it.

    Returns
    -------
    FailureRecord or None
        Those of the evaluation; None of a model that is older than that record.
    """
    if not manifest.evaluation.mistakes:
        return None
    return FailureRecord(
        tuple(manifest.evaluation.mistakes),
        f"Of the {manifest.evaluation.images:,} slices that the figures above are of; at most "
        "two of a patient group, since errors come by patient.",
    )
