from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from artemis.system.allocator import M_ARENA_MAX, tune

HEAPS = """
import threading, re, ctypes
from artemis.system.allocator import share_heaps
{first}
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
go = threading.Barrier(9)
def work():
    go.wait()
    blocks = [libc.malloc(ctypes.c_size_t(20000)) for _ in range(50)]
    go.wait()
threads = [threading.Thread(target=work) for _ in range(8)]
for one in threads: one.start()
go.wait(); go.wait()
for one in threads: one.join()
libc.malloc_stats()
"""

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc alone")


def heaps(first: str) -> int:
    """Count the heaps of a process of eight busy threads."""
    done = subprocess.run(
        [sys.executable, "-c", HEAPS.format(first=first)],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr.count("Arena ")


@glibc
def test_threads_share_two_heaps_once_told_to() -> None:
    assert heaps("") > 2
    assert heaps("assert share_heaps()") == 2


@glibc
def test_what_was_freed_is_given_back() -> None:
    code = """
import re
from artemis.system.allocator import M_MMAP_MAX, M_TRIM_THRESHOLD, give_back, tune
def resident():
    return int(re.search(r"VmRSS:\\s+(\\d+)", open("/proc/self/status").read())[1]) >> 10
tune([(M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 1 << 30)])  # keep what is freed
blocks = [b"x" * (100_000 + n) for n in range(1000)]
del blocks
kept = resident()
assert give_back()
print(kept - resident())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 80


@glibc
def test_a_value_that_the_allocator_refuses_is_told() -> None:
    fast_blocks = 1  # M_MXFAST, at most 160 bytes
    assert tune([(M_ARENA_MAX, 2)]) is True
    assert tune([(fast_blocks, 10**6)]) is False
