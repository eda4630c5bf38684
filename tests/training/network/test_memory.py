from __future__ import annotations

import subprocess
import sys

import pytest

# Grows and frees 200 MB twice; pages that are kept are not faulted in again.
CODE = """
import resource, sys
import numpy as np
from artemis.training.network.memory import keep_freed_memory

kept = keep_freed_memory() if sys.argv[1] == "keep" else None
faults = []
for _ in range(2):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = np.ones(25_000_000)
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    del block
print(kept, *faults)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mallopt is glibc's")
def test_freed_memory_serves_the_next_block() -> None:
    kept, plain = (
        subprocess.run(
            [sys.executable, "-c", CODE, how], capture_output=True, text=True, check=True
        ).stdout.split()
        for how in ("keep", "plain")
    )
    assert kept[0] == "True"
    first, second = (int(faults) for faults in kept[1:])
    assert second < first / 10
    again = int(plain[2])
    assert again > 10 * max(1, second)
