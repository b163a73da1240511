"""Parts that an activated key set may lack, and which class of work needs them.

A `CompressedXofKeySet` has all. A `CompressedServerKey` has no public key: that one is an object of its own,
which may be activated beside it or come later. Whoever made it may have left out others. Work that needs what
is not there is held: with other parts other operators would compute other bytes. What is derived of a key set
where the crate's wheel is missing lacks the crate's own files.
"""

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Final

from streams.domain.errors import KeyPartMissing
from streams.domain.work import WorkClass
from streams.fhe.crate import WHEEL


class Part(StrEnum):
    """What a key set may lack; the value is what the native derivation calls it."""

    PUBLIC = "public"
    CASTING = "casting"
    COMPRESSION = "compression"
    SQUASHING = "squashing"
    RE_RANDOMISATION = "re-randomisation"
    RANDOM = "random"
    EXPANDED = "expanded"  # the files that the crate alone writes and reads; the derivation lacked its wheel

    @property
    def label(self) -> str:
        """What people call it."""
        return _LABELS.get(self, f"{self} key")


_LABELS: Final[Mapping[Part, str]] = {
    Part.RANDOM: "key for random numbers",
    Part.EXPANDED: f"keys that TFHE-rs expanded, as the wheel {WHEEL} was missing",
}

# Of `EXPANDED` only what no other engine does: the others say themselves which wheel they miss (`engines`).
NEEDS: Final[Mapping[str, tuple[Part, ...]]] = {
    WorkClass.TFHE: (Part.PUBLIC, Part.COMPRESSION, Part.RE_RANDOMISATION, Part.RANDOM),
    WorkClass.ZKPROOF: (Part.PUBLIC, Part.CASTING, Part.COMPRESSION, Part.EXPANDED),
    WorkClass.SNS: (Part.COMPRESSION, Part.SQUASHING),
}


def held(lacks: Collection[Part], work_class: str) -> str:
    """Why a class of work is held on a key set that lacks these; empty where it is not."""
    missing = [part.label for part in NEEDS.get(work_class, ()) if part in lacks]
    return f"{work_class} work is held: the key set has no {', no '.join(missing)}" if missing else ""


def check(lacks: Collection[Part], work_class: str) -> None:
    """Raises KeyPartMissing where a class of work needs what a key set lacks."""
    reason = held(lacks, work_class)
    if reason:
        raise KeyPartMissing(reason)
