"""A log that does not hold the record that a shard needs next: Fatal, with the command that repairs it."""

from typing import Final, Protocol

from streams.domain.errors import LogTruncated
from streams.messages.topics import EVENTS
from streams.ports import Log, Offset

_UNAPPLIED: Final = (
    " A tenant whose facts were lost before they were applied does not go on by that alone: until"
    " `cipherstream control publish-again` has told them again, its later blocks wait for their parent (alarm"
    " pending_parent), its later ranges for what is missing (alarm gateway_range)."
)


def consequence(topic: str) -> str:
    """What accepting the loss does not mend, as a sentence to append."""
    return _UNAPPLIED if topic == EVENTS else ""


def check(offset: Offset, shard: int, topic_id: str, bounds: tuple[int, int]) -> None:
    """Compare where the store stands with what the broker has; raises LogTruncated."""
    # Three ways to lose records: another topic of this name, retention, a broker that forgot its end. To go
    # on silently would skip a block.
    start, end = bounds
    if offset.topic_id != topic_id:
        raise truncated(offset.topic, shard, f"is another topic ({topic_id}) than the one read so far")
    if offset.next_off < start:
        raise truncated(offset.topic, shard, f"begins at {start}, and {offset.next_off} is the next to apply")
    if offset.next_off > end:
        raise truncated(offset.topic, shard, f"ends at {end}, and {offset.next_off} is the next to apply")


def truncated(topic: str, shard: int, what: str) -> LogTruncated:
    """The error, with what an operator can do."""
    return LogTruncated(
        f"{topic}/{shard} {what}. Records are lost.{consequence(topic)} To go on without them: "
        f"cipherstream control accept-loss {topic} {shard}"
    )


class Repairable(Protocol):
    """A store in which an operator may move an offset."""

    async def repair(self, topic: str, partition: int, topic_id: str, next_off: int) -> None:
        """Fence the owner and go on at this offset of this topic."""
        ...


async def accept_loss(store: Repairable, log: Log, topic: str, shard: int) -> int:
    """Go on with what the log still holds, fencing the owner; gives the offset.

    The offset goes to the first record that is there: what was applied already is applied again, which
    changes nothing. A fact that was lost before it was applied is not made up for by that: see `consequence`
    and `publish_again`.
    """
    start, _ = await log.bounds(topic, shard)
    await store.repair(topic, shard, await log.topic_id(topic), start)
    return start
