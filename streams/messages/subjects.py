"""Subjects of the schemas and their versions: what a record's `schema` header names.

A new optional field or a new variant raises the minor version. Everything else is a new major version, and
that is a new topic.
"""

from typing import Any, Final

import msgspec

from streams.domain.control import Announcement, CiphertextAnnouncement, Control
from streams.domain.facts import Fact
from streams.domain.results import Result
from streams.domain.work import Work
from streams.messages.claim_check import ClaimCheck


class Subject(msgspec.Struct, frozen=True):
    """One kind of record value."""

    name: str
    version: str  # major.minor
    type: Any

    @property
    def schema(self) -> str:
        """Value of the `schema` header."""
        return f"{self.name}/{self.version}"


EVENTS: Final = Subject("events", "1.2", Fact)
RESULTS: Final = Subject("results", "1.2", Result)
WORK: Final = Subject("work", "1.3", Work)
CLAIM_CHECK: Final = Subject("claim-check", "1.0", ClaimCheck)
KEYSETS: Final = Subject("keysets", "1.1", Announcement)
CONTROL: Final = Subject("control", "1.5", Control)
CIPHERTEXTS: Final = Subject("ciphertexts", "1.0", CiphertextAnnouncement)

SUBJECTS: Final = (EVENTS, RESULTS, WORK, CLAIM_CHECK, KEYSETS, CONTROL, CIPHERTEXTS)
