"""Files of key material are gigabytes: what computes reads them where they lie."""

import mmap
from pathlib import Path


def mapped_bytes(path: Path) -> memoryview:
    """A file's bytes, read when they are touched and shared with every process that maps them.

    Raises:
        OSError: it does not open.
        ValueError: it is empty.
    """
    with path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
