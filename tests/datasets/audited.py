"""A small labelled data set with known faults, made of the project's own samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from artemis.datasets.audit import audit_dataset
from artemis.datasets.audit_record import AuditResult
from artemis.models.registry import load_model, model_folder

HOSTILE = "</script><img src=x onerror=alert(1)>"

_MENINGIOMA = "coronal_simulated_meningioma.png"
_PITUITARY = "sagittal_simulated_pituitary_tumour.png"
ROWS = [
    # path, made from, tumor, plane, patient, source, official_split
    ("a/coronal.png", "coronal_no_lesion.png", "none", "coronal", None, "one", "training"),
    ("b/again.png", "coronal_no_lesion.png", "none", "transverse", None, "one", "testing"),
    ("a/sagittal.png", "sagittal_no_lesion.jpg", "none", "sagittal", None, "one", "training"),
    ("b/small.png", "half", "none", "sagittal", None, "one", "testing"),
    ("a/m.png", _MENINGIOMA, "meningioma", "coronal", "Jo", "two", "training"),
    ("a/p.png", _PITUITARY, "pituitary", "sagittal", "Jo", "two", "training"),
    ("b/drawing.png", "refused_colour_drawing.png", "glioma", "coronal", None, "two", "testing"),
    ("b/broken.png", "broken_truncated.png", "glioma", "coronal", None, "two", "testing"),
    (f"b/{HOSTILE.replace('/', ':')}.png", "mirror", "none", "sagittal", None, HOSTILE, "testing"),
]


def make_dataset(samples: Path, root: Path) -> pd.DataFrame:
    """Write the pictures below `root` and return their labels, and a row of a missing file."""
    for path, origin, *_ in ROWS:
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if origin in ("half", "mirror"):
            whole = np.asarray(Image.open(samples / "sagittal_no_lesion.jpg").convert("L"))
            changed = whole[::2, ::2] if origin == "half" else whole[:, ::-1]
            Image.fromarray(np.ascontiguousarray(changed)).save(target)
        else:
            target.write_bytes((samples / origin).read_bytes())
    missing = ("a/missing.png", None, "glioma", "coronal", None, "two", "training")
    columns = ["path", "origin", "tumor", "plane", "patient", "source", "official_split"]
    labels = pd.DataFrame([*ROWS, missing], columns=columns)
    return labels.drop(columns="origin").assign(source_tumor="not looked at")


def audit_samples(samples: Path, folder: Path) -> AuditResult:
    """Audit that data set with the shipped model."""
    root = folder / "set"
    labels = make_dataset(samples, root)
    model = load_model(model_folder(folder / "workspace", "mobilenet_v2"), 1)
    return audit_dataset(root, labels, folder / "audit", model)


def labelled(**columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(columns)
