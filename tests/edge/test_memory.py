"""Memory that was freed goes back to the system when it is asked to."""

import platform

import pytest

from edge.memory import PAGE_BYTES, STATM, give_back


def resident_mb():
    return int(STATM.read_text(encoding="ascii").split()[1]) * PAGE_BYTES / 1e6


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library, which keeps less")
def test_holes_between_what_is_in_use_go_back():
    blocks = [bytearray(60_000) for _ in range(2000)]
    # Every twentieth stays, so that the heap cannot simply become shorter.
    kept = blocks[::20]
    before = resident_mb()
    del blocks
    give_back()
    assert before - resident_mb() > 80  # of 114 MB that are free
    assert sum(len(block) for block in kept) == 100 * 60_000
