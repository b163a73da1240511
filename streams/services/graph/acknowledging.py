"""Alarms that an operator knows of: kept beside the alarms, whose rows follow from facts alone."""

import structlog

from streams.domain.control import Acknowledgement
from streams.ports import Store

_log = structlog.get_logger(__name__)


async def acknowledge(store: Store, shard: int, epoch: int, word: Acknowledgement) -> None:
    """Remember what an operator knows of; one that was carried out does nothing. Raises Fenced, StoreError.

    Whether the alarms stand is not asked: after a replay from nothing the word may be heard before them.
    """
    async with store.begin(shard, epoch) as tx:
        if await tx.knows_request(word.request):
            return
        await tx.acknowledge(word)
        await tx.take_request(word.request, word.tenant)
    told = {"tenant": word.tenant, "kind": word.kind, "count": len(word.alarms), "request": word.request}
    _log.info("alarms acknowledged", action="alarms_acknowledged", reason=word.reason, **told)
