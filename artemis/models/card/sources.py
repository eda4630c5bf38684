"""The sources that Artemis knows by name: whose pictures they are, and under which licence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from artemis.models.figures import Table, table_of
from artemis.models.manifest import Manifest


@dataclass(frozen=True, slots=True)
class KnownSource:
    """What is known of a source, and its licence in words."""

    words: str
    licence: str


_KAGGLE: Final = 'the public Kaggle set "Brain Tumor Classification (MRI)" by S. Bhuvaji and others'

_KNOWN: Final = {
    "cheng": KnownSource(
        "J. Cheng, figshare 1512427: T1-weighted, contrast-enhanced, 512 px, tumours outlined; "
        f"reached through {_KAGGLE}",
        "CC BY 4.0",
    ),
    "br35h": KnownSource(
        f"the images without a tumour of the public Kaggle set Br35H; reached through {_KAGGLE}",
        "not recorded; read it where the set is published before passing pictures on",
    ),
    "unknown": KnownSource(
        f"the labels name no source. In {_KAGGLE} these are pictures that nobody has traced",
        "not known",
    ),
    "reviewed": KnownSource(
        "slices of this workspace's own runs, labelled by a reviewer", "that of the workspace's own"
    ),
}
_OWN_UNKNOWN: Final = KnownSource("the labels name no source", "not known")
_PUBLIC: Final = frozenset({"cheng", "br35h", "unknown"})
_OTHER: Final = KnownSource(
    "named so by whoever labelled the pictures; Artemis knows no more of it",
    "to be stated by whoever labelled the pictures",
)


def of_public_data(manifest: Manifest) -> bool:
    """Return whether a model was trained on the public set alone, as far as sources tell."""
    sources = manifest.training.per_source.keys()
    return "cheng" in sources and sources <= _PUBLIC


def groups_of(manifest: Manifest, count: int) -> str:
    """Return a number of groups in words, which claim no more patients than are known."""
    if of_public_data(manifest):
        return f"{count:,} patient groups"
    return f"{count:,} groups (patients, as far as they are known)"


def sources_table(manifest: Manifest) -> Table:
    """Return each source with its images, what it is, and its licence."""
    training, measured = manifest.training.per_source, manifest.evaluation.per_source
    by_name = _KNOWN if of_public_data(manifest) else _KNOWN | {"unknown": _OWN_UNKNOWN}
    rows = []
    for name in dict.fromkeys([*training, *measured]):
        known = by_name.get(name, _OTHER)
        trained = training.get(name, 0)
        tested = measured[name].images if name in measured else 0
        rows.append((name, trained, tested, known.words, known.licence))
    return table_of(
        "Sources",
        ("source", "trained on", "measured on", "what it is", "licence"),
        rows,
    )
