"""``artemis-cli`` whose baseline trains for a moment on small pictures. Run as a module."""

from __future__ import annotations

import cli
from artemis.training.network.recipes import RECIPES
from tests.training.small import eagerly, small

if __name__ == "__main__":
    RECIPES["baseline"] = small(augmentation=None)
    with eagerly():
        cli.main()
