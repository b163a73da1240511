"""How much one transaction of a shard may take on: less after one that the database ended for its length.

The same records again would end the same way, and with them stand all tenants of the shard. So the next
transactions take fewer. A record that is too heavy alone is given one transaction that may last far longer,
and a word to the operator; what even that is too short for fails for good, and halts its tenant alone.
"""

from collections.abc import Sequence
from typing import Final

from streams.domain.errors import RecordTooHeavy
from streams.ports import Record

BATCH: Final = 64  # records of one transaction
_SMALLER: Final = 4  # by steps of this a heavy record is alone after three transactions of 45 s

Place = tuple[str, int, int]


class Room:
    """Of one shard, in the hands of this process."""

    def __init__(self) -> None:
        self.most = BATCH  # records of the next transaction
        self._end: tuple[str, int] | None = None  # topic and last offset of a batch that was too much
        self._heavy: Place | None = None  # a record that was too much alone
        self._is_spent = False  # and in a long transaction too

    def is_patient(self, records: Sequence[Record]) -> bool:
        """Whether their transaction may last long; raises RecordTooHeavy where that did not help."""
        if self._heavy is None or len(records) > 1 or _place(records[0]) != self._heavy:
            return False
        if self._is_spent:
            raise RecordTooHeavy
        return True

    def narrow(self, records: Sequence[Record]) -> bool:
        """The transaction of these took too long; whether that is the first word of a heavy record."""
        last = records[-1]
        self.most = max(1, min(self.most, len(records)) // _SMALLER)
        if self._end is None or self._end[0] != last.topic or self._end[1] < last.offset:
            self._end = last.topic, last.offset
        if len(records) > 1:
            return False
        is_known = _place(last) == self._heavy
        self._heavy, self._is_spent = _place(last), is_known
        return not is_known

    def widen(self, records: Sequence[Record]) -> None:
        """These are over, one way or another; with the whole batch that was too much, all is as before."""
        if self._end is None:
            return
        last = records[-1]
        if _place(last) == self._heavy:
            self._heavy, self._is_spent = None, False
        # By place: records of the other topic come in between, and say nothing of those that are left.
        if last.topic == self._end[0] and last.offset >= self._end[1]:
            self.most, self._end = BATCH, None


def _place(record: Record) -> Place:
    return record.topic, record.partition, record.offset
