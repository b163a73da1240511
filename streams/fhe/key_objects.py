"""Which object a file of key material holds: the name that safe serialisation writes before it.

A key set is activated as one of two objects: a `CompressedXofKeySet` with everything in it, or a
`CompressedServerKey`, whose public key is another object, activated beside it.
"""

import re
from enum import StrEnum
from pathlib import Path
from typing import Final

from streams.domain.errors import KeyMaterialError, KeyMissing

CLEAR_MAGIC: Final = b"CLRK"
PUBLIC_KEY: Final = "high_level_api::CompactPublicKey"

_HEAD_BYTES: Final = 4096
_NAME: Final = re.compile(rb"[\w:<>, ]{1,128}")


class KeyObject(StrEnum):
    """What may be activated as a key set; the value is the name in the file."""

    XOF_KEY_SET = "high_level_api::CompressedXofKeySet"
    SERVER_KEY = "high_level_api::CompressedServerKey"
    CLEAR = "clear"


def recognised(file: Path) -> KeyObject:
    """Which key set that is, by its beginning.

    Raises:
        KeyMissing: there is no such file.
        KeyMaterialError: it is something else; the message names it.
    """
    try:
        with file.open("rb") as opened:
            head = opened.read(_HEAD_BYTES)
    except FileNotFoundError as error:
        raise KeyMissing(f"there is no {file.name} here") from error
    if head.startswith(CLEAR_MAGIC):
        return KeyObject.CLEAR
    found = type_name(head)
    if found in (KeyObject.XOF_KEY_SET, KeyObject.SERVER_KEY):
        return KeyObject(found)
    what = f"a {found}" if found else "nothing that TFHE-rs safely serialised"
    raise KeyMaterialError(
        f"{file} is {what}; of a key set, a CompressedXofKeySet or a CompressedServerKey is read"
    )


def type_name(head: bytes) -> str | None:
    """The type that a safe serialisation says it holds: format, mode, version, then the name."""
    at = _after_text(head, 0)
    at = None if at is None else _after_text(head, at + 4)
    if at is None:
        return None
    end = _after_text(head, at)
    name = head[at + 8 : end]
    return name.decode("ascii") if end is not None and _NAME.fullmatch(name) else None


def _after_text(head: bytes, at: int) -> int | None:
    """Where a text ends that begins with its length; None beyond the end."""
    if at + 8 > len(head):
        return None
    end = at + 8 + int.from_bytes(head[at : at + 8], "little")
    return end if end <= len(head) else None
