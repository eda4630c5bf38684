"""``artemis-cli`` whose baseline trains for a moment on small pictures. Run as a module."""

from __future__ import annotations

import os

import cli
from artemis.training.network.recipes import RECIPES
from tests.training.small import eagerly, small

if __name__ == "__main__":
    changes = {"learning_rate": float(os.environ["RATE"])} if "RATE" in os.environ else {}
    RECIPES["baseline"] = small(augmentation=None, **changes)
    with eagerly():
        cli.main()
