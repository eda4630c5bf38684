"""Small generated pictures, and archives of them as GitHub makes them."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping

import numpy as np
from PIL import Image

from artemis.datasets.catalogue import Dataset

COMMIT = "aee23a3" + "0" * 33
FOLDER = "data/Set"
TOP = f"pictures-{COMMIT}"
KNOWN = (
    "Testing/no_transverse/image(1).jpg",
    "Training/glioma_coronal/gg (1).jpg",
    "Training/meningioma_sagittal/m (2).jpg",
)
UNKNOWN = ("Testing/pituitary_coronal/p (9).jpg",)


def picture(seed: int, side: int = 24) -> bytes:
    """A JPEG of noise."""
    noise = np.random.default_rng(seed).integers(0, 256, (side, side), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "JPEG")
    return buffer.getvalue()


def pictures() -> dict[str, bytes]:
    return {path: picture(seed) for seed, path in enumerate((*KNOWN, *UNKNOWN))}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def dataset() -> Dataset:
    """A dataset of four pictures; the hashes of three are known."""
    known = {path: sha256(content) for path, content in pictures().items() if path in KNOWN}
    return Dataset("someone/pictures", "aee23a3", FOLDER, "someone/pictures-too", known)


def archive(
    members: Mapping[str, bytes] | None = None,
    extra: Mapping[str, bytes] | None = None,
    comment: str = COMMIT,
) -> bytes:
    """A zip of pictures below the dataset's folder, and of `extra` by its full names."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr(f"{TOP}/README.md", "# Pictures")
        opened.writestr(f"{TOP}/{FOLDER}/", "")
        for path, content in (pictures() if members is None else members).items():
            opened.writestr(f"{TOP}/{FOLDER}/{path}", content)
        for name, content in (extra or {}).items():
            opened.writestr(name, content)
        opened.comment = comment.encode()
    return buffer.getvalue()
