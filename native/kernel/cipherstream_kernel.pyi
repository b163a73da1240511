"""The SIMD kernel's shell; see `native/kernel/src`."""

from typing import Final

VERSION: Final[str]

def instruction_set() -> str: ...
