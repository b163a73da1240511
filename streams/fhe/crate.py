"""Whether the binding to TFHE-rs is on this machine: where nothing can be compiled it is not."""

from importlib.util import find_spec
from typing import Final

WHEEL: Final = "cipherstream_tfhe"


def is_installed() -> bool:
    """Whether it can be imported; it is not imported for that."""
    return find_spec(WHEEL) is not None
