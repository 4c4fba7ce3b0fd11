"""Memory of a worker process."""

import ctypes
from contextlib import suppress

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # malloc.h


def keep_freed_memory() -> None:
    """Keep the memory of messages that were sent for the next ones.

    glibc gives it back to the system with each window, which then clears each page anew.
    """
    with suppress(AttributeError, OSError):  # another C library
        for option, size in ((_TRIM_THRESHOLD, 16 << 20), (_MMAP_THRESHOLD, 4 << 20)):
            ctypes.CDLL(None).mallopt(option, size)
