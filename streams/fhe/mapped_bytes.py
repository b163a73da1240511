"""Files of key material are gigabytes: what computes reads them where they lie."""

import mmap
import weakref
from pathlib import Path
from typing import Final

_sizes: Final = weakref.WeakKeyDictionary[mmap.mmap, int]()


def mapped_bytes(path: Path) -> memoryview:
    """A file's bytes, read when they are touched and shared with every process that maps them.

    Raises:
        OSError: it does not open.
        ValueError: it is empty.
    """
    with path.open("rb") as file:
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    _sizes[content] = len(content)
    return memoryview(content)


def mapped_total() -> int:
    """Bytes of all files that this process has mapped now, whether it has touched them or not."""
    return sum(list(_sizes.values()))
