from __future__ import annotations

from pathlib import Path
from typing import IO

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the extra `train`")

import keras

from artemis.training.network.checkpoint import Checkpoint

pytestmark = pytest.mark.slow

X, Y = np.eye(8, dtype=np.float32), np.arange(8, dtype=np.float32)[:, None]


def compiled() -> keras.Model:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.AdamW(0.1), "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def train(folder: Path, epochs: int) -> keras.Model:
    model, keeper = compiled(), Checkpoint(folder)
    done = keeper.restore(model)
    model.fit(X, Y, initial_epoch=done, epochs=epochs, shuffle=False, verbose=0, callbacks=[keeper])
    return model


def kept(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_state_after_the_last_epoch_stays_and_training_goes_on_from_it(tmp_path: Path) -> None:
    train(tmp_path / "ended", 3)
    assert kept(tmp_path / "ended") == ["epoch-0003.npz"]
    resumed, whole = train(tmp_path / "ended", 5), train(tmp_path / "whole", 5)
    assert kept(tmp_path / "ended") == ["epoch-0005.npz"]
    assert int(resumed.optimizer.iterations.numpy()) == 5
    for one, other in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        assert one == pytest.approx(other, abs=1e-6)


def test_training_that_was_done_is_not_done_again(tmp_path: Path) -> None:
    done = train(tmp_path, 2).get_weights()
    again = train(tmp_path, 2)
    assert int(again.optimizer.iterations.numpy()) == 2
    assert all(
        np.array_equal(one, other) for one, other in zip(done, again.get_weights(), strict=True)
    )


def test_a_process_that_ends_while_it_writes_leaves_the_epoch_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = train(tmp_path, 2)

    def end_half_way(stream: IO[bytes], **_: object) -> None:
        stream.write(b"PK half of it")
        stream.flush()
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", end_half_way)
    keeper = Checkpoint(tmp_path)
    keeper.set_model(model)
    with pytest.raises(KeyboardInterrupt):
        keeper.on_epoch_end(2)
    assert kept(tmp_path) == ["epoch-0002.npz"]
    assert keeper.restore(compiled()) == 2
