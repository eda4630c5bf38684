"""The order of all tests, and what several need: the shared real images, a private Prefect home."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # a core each: more threads would wait for each other
    os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in the same hook
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put fast tests first, and of the slow files those first that take longest.

    Fast and slow tests of a file are a group each, which one worker runs, for their fixtures.
    """
    groups, longest = [], dict[str, float]()
    for item in items:
        slow = item.get_closest_marker("slow")
        groups.append(f"{item.path.relative_to(ROOT)}{' slow' if slow else ''}")
        seconds = slow.kwargs.get("seconds", 1.0) if slow else 0.0
        longest[groups[-1]] = max(longest.get(groups[-1], 0.0), seconds)
        if config.pluginmanager.hasplugin("xdist"):
            item.add_marker(pytest.mark.xdist_group(groups[-1]))
    seconds_of = dict(zip(items, (longest[group] for group in groups), strict=True))
    items.sort(key=lambda item: (seconds_of[item] > 0, -seconds_of[item]))


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
