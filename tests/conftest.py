"""The order of all tests, and what several need: the shared real images, a private Prefect home."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # a core each: more threads would wait for each other
    os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # of NumPy and SciPy, whose threads spin as they wait
# As every training does, see `artemis.training.jobs.require_tensorflow`; it is read at the import.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

# TensorFlow, pandas and Prefect are a million objects, which Python would look through again and
# again for the few that died.
gc.set_threshold(50_000, 20, 50)

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put files of fast tests first, and of the others those first that take longest.

    Within a file fast tests come first. One worker runs a file, for its fixtures.
    """
    longest = dict[Path, float]()
    for item in items:
        longest[item.path] = max(longest.get(item.path, 0.0), _seconds(item))
    items.sort(key=lambda item: (-longest[item.path], str(item.path), _seconds(item) > 0))
    items.sort(key=lambda item: longest[item.path] > 0)


def pytest_collection_finish() -> None:
    """Leave what was imported out of Python's search for what died."""
    gc.freeze()


def _seconds(item: pytest.Item) -> float:
    slow = item.get_closest_marker("slow")
    return slow.kwargs.get("seconds", 1.0) if slow else 0.0


@pytest.fixture(scope="session")
def samples() -> Path:
    return ROOT / "data" / "samples"


@pytest.fixture(scope="session")
def brain_mri() -> Path:
    """The folder of 2,705 real images beside the project."""
    folder = SHARED / "data" / "brain-mri"
    if not folder.is_dir():
        pytest.skip("the real images of ../shared/data/brain-mri are not on this machine")
    return folder


@pytest.fixture(scope="session")
def imagenet_weights() -> Path:
    """ImageNet weights of MobileNetV2 beside the project."""
    path = SHARED / "weights" / "mobilenet_v2_1.0_160_no_top.weights.h5"
    if not path.is_file():
        pytest.skip("the ImageNet weights of ../shared/weights are not on this machine")
    return path


@pytest.fixture(autouse=True, scope="session")
def _private_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep tests away from the user's Prefect database, profile and Artemis settings."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("ARTEMIS_", "PREFECT_"))]:
            patch.delenv(name)
        patch.setenv("PREFECT_HOME", str(tmp_path_factory.mktemp("prefect")))
        yield
