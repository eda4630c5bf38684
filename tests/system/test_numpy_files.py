from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from artemis.system.numpy_files import read_array, read_arrays


@pytest.fixture
def restless() -> Iterator[None]:
    """Garbage is collected every few objects, and other threads go on meanwhile."""
    before = gc.get_threshold()

    def let_others_on(*_: object) -> None:
        time.sleep(1e-5)

    gc.callbacks.append(let_others_on)
    gc.set_threshold(3, 2, 2)
    yield
    gc.set_threshold(*before)
    gc.callbacks.remove(let_others_on)


@pytest.mark.usefixtures("restless")
def test_threads_read_side_by_side(tmp_path: Path) -> None:
    """With `numpy.load` alone one of some thousand readings fails on Python 3.11."""
    values = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    np.save(tmp_path / "one.npy", values)
    np.savez(tmp_path / "two.npz", a=values, b=values + 1)

    def read(turn: int) -> bool:
        if turn % 2:
            return bool((read_array(tmp_path / "one.npy") == values).all())
        two = read_arrays(tmp_path / "two.npz")
        return [*two] == ["a", "b"] and bool((two["b"] == values + 1).all())

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(read, range(600)))
    assert gc.isenabled()


def test_a_mapped_array_is_read_where_it_is_looked_at(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", np.arange(5))
    array = read_array(tmp_path / "one.npy", mapped=True)
    assert isinstance(array, np.memmap)
    assert array.tolist() == [0, 1, 2, 3, 4]


def test_nothing_is_unpickled_and_what_is_no_array_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "objects.npz", a=np.array([{}], dtype=object))
    for read, name in ((read_array, "objects.npy"), (read_arrays, "objects.npz")):
        with pytest.raises(ValueError, match="Object arrays cannot be loaded"):
            read(tmp_path / name)
    (tmp_path / "no.npy").write_text("no array")
    with pytest.raises(ValueError, match="pickle"):
        read_array(tmp_path / "no.npy")
    assert gc.isenabled()
